"""The real application in processes of its own, on a database of its own, as a test needs it."""

import socket
import sqlite3
import ssl
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from typing import Any

import httpx
import psutil
import psycopg
import pytest

from crm_project.setup.children import APPLICATION, Child, answers, server_command, sweep_command
from crm_project.testing.databases import Databases, manage

SECONDS_TO_ANSWER = 30
SECONDS_FOR_A_CALL = 60
NO_CERTIFICATES = ssl.SSLContext(
    ssl.PROTOCOL_TLS_CLIENT
)  # to read them takes longer than ten calls, and no call is TLS


class Server:
    """A server on a free loopback port; `base_url` and `database_url` say where it and its data are."""

    def __init__(
        self, database_url: str, application: str, workers: int, drain: bool, environment: dict[str, str]
    ) -> None:
        self.database_url = database_url
        self.environment = {"OPEN_API": "1", **environment, "DATABASE_URL": database_url}
        self.port = free_port()
        self.base_url = f"http://127.0.0.1:{self.port}"
        commands = [self.command(workers, application), *([sweep_command(every=1)] if drain else [])]
        self._children = [Child(command, self.environment) for command in commands]

    def command(self, workers: int, application: str) -> list[str]:
        """Return the command that serves the application."""
        return server_command("127.0.0.1", self.port, workers, application)

    def start(self) -> None:
        """Start the processes and wait until the server answers."""
        for child in self._children:
            child.start()
        deadline = time.monotonic() + SECONDS_TO_ANSWER
        while not answers("127.0.0.1", self.port):
            assert self._children[0].runs, "the server ended while it started"
            assert time.monotonic() < deadline, "the server does not answer"
            time.sleep(0.05)

    def stop(self) -> None:
        """Stop the processes, letting them finish what they do."""
        for child in self._children:
            child.stop()

    def kill(self) -> None:
        """Kill the processes at once, as kill -9 does."""
        for child in self._children:
            child.kill()

    @property
    def processes(self) -> list[psutil.Process]:
        """The process that was started, and then those that it has started, which answer."""
        process = self._children[0].process
        if process is None:
            raise RuntimeError("The server was not started.")
        main = psutil.Process(process.pid)
        return [main, *main.children()]

    def client(self, **options: Any) -> httpx.Client:
        """Return what calls the server."""
        return httpx.Client(base_url=self.base_url, timeout=SECONDS_FOR_A_CALL, verify=NO_CERTIFICATES, **options)

    def manage(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a management command on the server's database."""
        return manage(*arguments, **self.environment)

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """Return what a statement finds in the server's database, past the application."""
        with closing(self._connection()) as connection:
            return list(connection.execute(sql).fetchall())

    def execute(self, sql: str) -> None:
        """Change the server's database, past the application."""
        with closing(self._connection()) as connection:
            connection.execute(sql)
            connection.commit()

    def _connection(self) -> Any:
        if self.database_url.startswith("sqlite"):
            return sqlite3.connect(self.database_url.removeprefix("sqlite:///"))
        return psycopg.connect(self.database_url)


class StartServer:
    """Starts servers on databases of a kind; the stack kills them."""

    def __init__(self, databases: Databases, stack: ExitStack) -> None:
        self._databases = databases
        self._stack = stack

    def __call__(
        self,
        *,
        application: str = APPLICATION,
        database_url: str = "",
        workers: int | None = None,
        drain: bool = False,
        **environment: str,
    ) -> Server:
        """Start a server with these environment variables, and with the sweep of the queue beside it if asked for.

        Without a `database_url` it gets a database of its own.
        """
        url = database_url or self._databases.migrated()
        usual = 1 if url.startswith("sqlite") else 2
        server = Server(url, application, workers or usual, drain, environment)
        self._stack.callback(server.kill)
        server.start()
        return server


@pytest.fixture
def server(databases: Databases) -> Iterator[StartServer]:
    """Start real servers on migrated databases; they stop when the test ends."""
    with ExitStack() as stack:
        yield StartServer(databases, stack)


@pytest.fixture(scope="module")
def lasting_server(databases: Databases) -> Iterator[StartServer]:
    """Start servers that the tests of a module share; they stop when the last of them ends."""
    with ExitStack() as stack:
        yield StartServer(databases, stack)


def free_port() -> int:
    """Return a loopback port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
