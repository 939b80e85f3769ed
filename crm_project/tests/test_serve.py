import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path
from threading import Thread
from typing import Protocol

import httpx
import psutil
import pytest

from crm_project.management.commands.serve import webhooks_environment
from crm_project.setup.address import Address
from crm_project.setup.children import BASE_DIR
from crm_project.testing.databases import Databases
from crm_project.testing.server import free_port
from crm_project.testing.waiting import wait_until

READY = "Ctrl-C stops the server"


class Serve:
    """`manage.py serve` as somebody starts it in a terminal."""

    def __init__(self, database_url: str, **environment: str) -> None:
        self.port = environment.pop("PORT", "") or str(free_port())
        self.url = f"http://127.0.0.1:{self.port}"
        inherited = {name: value for name, value in os.environ.items() if name not in ("HOST", "OPEN_API")}
        self.process = subprocess.Popen(
            [sys.executable, BASE_DIR / "manage.py", "serve"],
            env={**inherited, "DATABASE_URL": database_url, "PORT": self.port, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.output = ""
        self._reader = Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout
        with self.process.stdout as lines:
            for line in lines:
                self.output += line

    def ready(self) -> "Serve":
        wait_until(lambda: READY in self.output or self.process.poll() is not None, seconds=60)
        assert READY in self.output, self.output
        return self

    def ended(self) -> int:
        status = self.process.wait(60)
        self._reader.join(30)
        return status

    def stop(self, with_signal: int = signal.SIGINT) -> int:
        self.process.send_signal(with_signal)
        return self.ended()

    def family(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children(recursive=True)

    def running(self, command: str) -> list[psutil.Process]:
        """The processes that run a command; one that has ended has no command line any more."""
        family = {process.pid for process in self.family()}
        running = psutil.process_iter(["pid", "cmdline"])
        return [one for one in running if one.pid in family and command in (one.info["cmdline"] or [])]


class StartServe(Protocol):
    def __call__(self, database_url: str, **environment: str) -> Serve: ...


@pytest.fixture
def serve() -> Iterator[StartServe]:
    started = []

    def start(database_url: str, **environment: str) -> Serve:
        started.append(Serve(database_url, **environment))
        return started[-1]

    yield start
    for one in started:
        one.stop()


def test_the_first_start_makes_an_administrator_and_only_it_tells_the_password(
    serve: StartServe, empty_database: str
) -> None:
    database = empty_database
    first = serve(database, OPEN_API="0").ready()
    told = re.search(r"login (\S+), password (\S+)", first.output)
    assert told
    login = httpx.BasicAuth(told[1], told[2])
    assert httpx.get(f"{first.url}/api/operators").status_code == 401
    assert httpx.get(f"{first.url}/api/operators", auth=login, timeout=30).status_code == 200
    assert first.stop() == 0

    second = serve(database).ready()

    assert "password" not in second.output
    assert httpx.get(f"{second.url}/api/operators", auth=login, timeout=30).status_code == 200


@pytest.mark.sqlite
def test_on_loopback_the_api_is_open_and_elsewhere_it_asks_for_a_login_and_knows_the_name_of_the_machine(
    serve: StartServe, databases: Databases
) -> None:
    here, everywhere = serve(databases.migrated()), serve(databases.migrated(), HOST="0.0.0.0")
    here.ready()
    everywhere.ready()
    by_name = {"Host": socket.gethostname()}

    assert httpx.get(f"{here.url}/api/operators").status_code == 200
    assert httpx.get(f"{here.url}/admin/login/", headers=by_name).status_code == 400
    assert httpx.get(f"{everywhere.url}/api/operators").status_code == 401
    assert httpx.get(f"{everywhere.url}/admin/login/", headers=by_name).status_code == 200
    assert "asks for a log-in" in everywhere.output


@pytest.mark.sqlite
@pytest.mark.parametrize("with_signal", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_the_server_and_what_runs_beside_it(
    serve: StartServe, fresh_database: str, with_signal: int
) -> None:
    running = serve(fresh_database).ready()
    family = running.family()

    assert running.stop(with_signal) == 0
    wait_until(lambda: not any(process.is_running() for process in family))


@pytest.mark.sqlite
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a process of its parent's death")
def test_the_server_and_what_runs_beside_it_end_with_a_parent_that_was_killed_and_make_place_for_the_next(
    serve: StartServe, fresh_database: str
) -> None:
    running = serve(fresh_database).ready()
    family = running.family()

    running.stop(signal.SIGKILL)

    serve(fresh_database, PORT=running.port).ready()
    wait_until(lambda: not any(process.is_running() for process in family))


@pytest.mark.sqlite
@pytest.mark.parametrize("command", ["drain_queue", "deliver_webhooks"])
def test_what_runs_beside_the_server_is_started_again_when_it_was_killed(
    serve: StartServe, fresh_database: str, command: str
) -> None:
    running = serve(fresh_database).ready()
    (killed,) = wait_until(lambda: running.running(command))
    environment = wait_until(killed.environ)  # empty at the moment at which it becomes the command
    assert ("WEBHOOK_NETWORKS" in environment) is (command == "deliver_webhooks")
    os.kill(killed.pid, signal.SIGKILL)

    wait_until(lambda: [one for one in running.running(command) if one.pid != killed.pid])
    assert "it is started again" in running.output


@pytest.mark.once
@pytest.mark.parametrize(
    ("ip", "chosen", "used"),
    [
        ("127.0.0.1", None, "127.0.0.0/8,::1/128"),
        ("::1", None, "127.0.0.0/8,::1/128"),
        ("0.0.0.0", None, ""),
        ("192.168.0.7", None, ""),
        ("127.0.0.1", "10.0.0.0/8", "10.0.0.0/8"),
        ("127.0.0.1", "", ""),
    ],
)
def test_webhooks_may_call_this_machine_when_no_other_can_use_the_back_office(
    monkeypatch: pytest.MonkeyPatch, ip: str, chosen: str | None, used: str
) -> None:
    monkeypatch.delenv("WEBHOOK_NETWORKS", raising=False)
    if chosen is not None:
        monkeypatch.setenv("WEBHOOK_NETWORKS", chosen)

    assert webhooks_environment(Address(ip_address(ip), 8000)) == {"WEBHOOK_NETWORKS": used}


@pytest.mark.sqlite
def test_a_port_that_is_taken_is_told_before_anything_is_made(serve: StartServe, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        refused = serve(f"sqlite:///{tmp_path}/crm.db", PORT=port)

        assert refused.ended() == 1

    assert f"Port {port} is taken" in refused.output
    assert not list(tmp_path.iterdir())


def test_a_database_that_is_away_is_told(serve: StartServe) -> None:
    refused = serve(f"postgres://nobody@127.0.0.1:{free_port()}/crm")

    assert refused.ended() == 1
    assert "The database cannot be used" in refused.output


@pytest.mark.sqlite
def test_a_database_of_another_program_is_left_as_it_is(serve: StartServe, tmp_path: Path) -> None:
    path = tmp_path / "crm.db"
    path.write_text("a diary")

    refused = serve(f"sqlite:///{path}")

    assert refused.ended() == 1
    assert "not a database of this program" in refused.output
    assert path.read_text() == "a diary"
    assert [file.name for file in tmp_path.iterdir()] == ["crm.db"]


@pytest.mark.sqlite
def test_a_second_server_on_the_same_file_is_refused(serve: StartServe, fresh_database: str) -> None:
    database = fresh_database
    serve(database).ready()

    second = serve(database)

    assert second.ended() == 1
    assert "Another server already works on" in second.output
