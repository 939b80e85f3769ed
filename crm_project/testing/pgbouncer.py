"""A PgBouncer in transaction mode over the PostgreSQL of the run, with fewer connections than it has clients."""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from crm_project.environment import session_settings
from crm_project.testing.postgres import unprivileged_identity
from crm_project.testing.server import free_port

POOL_SIZE = 4
LOCK_TIMEOUT_SECONDS = 10
SECONDS_TO_START = 15
HOW_TO_INSTALL = (
    "There is no PgBouncer for the tests that go through it. As root on Debian or Ubuntu: apt-get install pgbouncer. "
    "Elsewhere install it, or name the program in PGBOUNCER_PROGRAM."
)
CONFIGURATION = """
[databases]
* = {server}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = {pool_size}
max_client_conn = 300
query_wait_timeout = {patience}
logfile = {log}
"""
# Becoming another user, PgBouncer forgets whom it should die with. So a shell stops it and removes its files when its
# own input closes, because its owner stopped it or was killed.
GUARD = '"$@" & read -r _; kill "$!"; wait; rm -rf "$0"'


class PgBouncerError(Exception):
    """There is no PgBouncer to start, or it did not start."""


class PgBouncer:
    """A PgBouncer over a server of PostgreSQL, with its files in `directory`."""

    def __init__(self, server_url: str, directory: Path, pool_size: int) -> None:
        self._port = free_port()
        self._log = directory / "log"
        self._command = [program(), "-q", *user_options(directory), str(directory / "pgbouncer.ini")]
        (directory / "pgbouncer.ini").write_text(
            CONFIGURATION.format(
                server=server_of(server_url),
                port=self._port,
                pool_size=pool_size,
                patience=LOCK_TIMEOUT_SECONDS,
                log=self._log,
            )
        )

    def start(self) -> None:
        """Start the process and wait until it listens. Raises PgBouncerError."""
        self._guard = subprocess.Popen(
            ["sh", "-c", GUARD, str(self._log.parent), *self._command], stdin=subprocess.PIPE, start_new_session=True
        )
        deadline = time.monotonic() + SECONDS_TO_START
        while not self._listens():
            if time.monotonic() > deadline:
                self.stop()
                raise PgBouncerError(f"PgBouncer did not start: {self._log.read_text()}")
            time.sleep(0.03)

    def stop(self) -> None:
        """Stop the process."""
        self._guard.communicate()

    def through(self, url: str) -> str:
        """Return the DATABASE_URL that leads through it to the database of `url`."""
        return f"postgres://postgres@127.0.0.1:{self._port}{urlsplit(url).path}"

    def _listens(self) -> bool:
        with suppress(OSError), socket.create_connection(("127.0.0.1", self._port), timeout=1):
            return True
        return False


def program() -> str:
    """Return the path of PgBouncer. Raises PgBouncerError with the way to get one."""
    path = os.pathsep.join([os.environ["PATH"], "/usr/sbin"])
    found = shutil.which(os.environ.get("PGBOUNCER_PROGRAM", "pgbouncer"), path=path)
    if found is None:
        raise PgBouncerError(HOW_TO_INSTALL)
    return found


def user_options(directory: Path) -> list[str]:
    """Return whom PgBouncer is told to become, as it refuses to be root, and make the directory theirs."""
    identity = unprivileged_identity()
    if not identity:
        return []
    os.chown(directory, identity["user"], identity["group"])
    return ["-u", pwd.getpwuid(identity["user"]).pw_name]


def server_of(url: str) -> str:
    """Return where the server of `url` is and as whom to log in there, as PgBouncer writes it."""
    known = conninfo_to_dict(url)
    return " ".join(f"{name}='{known[name]}'" for name in ("host", "port", "user", "password") if name in known)


@contextmanager
def running(server_url: str, pool_size: int = POOL_SIZE) -> Iterator[PgBouncer]:
    """Keep a PgBouncer running. Raises PgBouncerError."""
    with tempfile.TemporaryDirectory(prefix="crm-pgbouncer-") as directory:
        pgbouncer = PgBouncer(server_url, Path(directory), pool_size)
        pgbouncer.start()
        try:
            yield pgbouncer
        finally:
            pgbouncer.stop()


def set_for_pgbouncer(url: str, lock_timeout_seconds: int = LOCK_TIMEOUT_SECONDS) -> None:
    """Give a database the limits of time and the costs that no connection through PgBouncer can set."""
    database = urlsplit(url).path.removeprefix("/")
    with psycopg.connect(url, autocommit=True) as connection:
        for name, value in session_settings(lock_timeout_seconds).items():
            connection.execute(f"ALTER DATABASE {database} SET {name} = {value}")


@pytest.fixture(scope="module")
def pgbouncer() -> Iterator[PgBouncer]:
    """Keep one PgBouncer for a module; without any the test fails with the way to install it."""
    try:
        with running(os.environ["DATABASE_URL"]) as pgbouncer:
            yield pgbouncer
    except PgBouncerError as error:
        pytest.fail(str(error))
