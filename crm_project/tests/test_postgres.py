import os
import signal
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from crm_project.setup.children import BASE_DIR
from crm_project.testing.postgres import Postgres, PostgresError
from crm_project.testing.waiting import wait_until

pytestmark = pytest.mark.once


def directory_of(url: str) -> Path:
    return Path(str(psycopg.conninfo.conninfo_to_dict(url)["host"]))


def test_it_answers_and_knows_every_alphabet_and_leaves_nothing() -> None:
    server = Postgres.start()
    try:
        with psycopg.connect(server.url) as connection:
            assert connection.execute("SELECT upper('иван')").fetchone() == ("ИВАН",)
    finally:
        server.stop()

    assert not directory_of(server.url).exists()


def url_of_killed(code: str) -> str:
    """Run code that prints the address of a server it started, and kill it with -9 when the server has answered."""
    command = [sys.executable, "-c", code]
    with subprocess.Popen(command, cwd=BASE_DIR, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout
        url = parent.stdout.readline().strip()
        psycopg.connect(url).close()
        os.kill(parent.pid, signal.SIGKILL)
    return url


def test_it_stops_when_the_process_that_started_it_is_killed() -> None:
    url = url_of_killed(
        "from crm_project.testing.postgres import Postgres; print(Postgres.start().url, flush=True); input()"
    )

    wait_until(lambda: not directory_of(url).exists())
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(url)


def test_programs_that_are_not_there_are_an_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PG_BIN", str(tmp_path))

    with pytest.raises(PostgresError):
        Postgres.start()


def test_a_run_on_postgresql_without_postgresql_fails(tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("DATABASE", "PYTEST"))}
    command = [sys.executable, "-m", "pytest", "--database", "postgresql", "--collect-only", __file__]

    run = subprocess.run(
        command, env={**environment, "PG_BIN": str(tmp_path)}, cwd=BASE_DIR, capture_output=True, text=True, check=False
    )

    assert run.returncode == pytest.ExitCode.USAGE_ERROR
    assert f"PG_BIN={tmp_path} holds no PostgreSQL" in run.stderr
