"""The real application in processes of its own, on a database of its own, as a test needs it."""

import socket
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from typing import Any, Protocol

import psycopg
import pytest

from crm_project.setup.children import APPLICATION, Child, answers, server_command, sweep_command
from crm_project.testing.databases import Databases, manage

SECONDS_TO_ANSWER = 30


class Server:
    """A server on a free loopback port; `base_url` and `database_url` say where it and its data are."""

    def __init__(
        self, database_url: str, application: str, workers: int, drain: bool, environment: dict[str, str]
    ) -> None:
        self.database_url = database_url
        self.environment = {"OPEN_API": "1", **environment, "DATABASE_URL": database_url}
        self.port = free_port()
        self.base_url = f"http://127.0.0.1:{self.port}"
        serve = server_command("127.0.0.1", self.port, workers, application)
        commands = [serve, *([sweep_command(every=1)] if drain else [])]
        self._children = [Child(command, self.environment) for command in commands]

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

    def manage(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a management command on the server's database."""
        return manage(*arguments, **self.environment)

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """Return what a statement finds in the server's database, past the application."""
        if self.database_url.startswith("sqlite"):
            connection: Any = sqlite3.connect(self.database_url.removeprefix("sqlite:///"))
        else:
            connection = psycopg.connect(self.database_url)
        with closing(connection):
            return list(connection.execute(sql).fetchall())


class StartServer(Protocol):
    """What the fixture `server` gives a test."""

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
        ...


@pytest.fixture
def server(databases: Databases) -> Iterator[StartServer]:
    """Start real servers on migrated databases; they stop when the test ends."""
    with ExitStack() as stack:

        def start(
            *,
            application: str = APPLICATION,
            database_url: str = "",
            workers: int | None = None,
            drain: bool = False,
            **environment: str,
        ) -> Server:
            url = database_url or databases.migrated()
            usual = 1 if url.startswith("sqlite") else 2
            server = Server(url, application, workers or usual, drain, environment)
            stack.callback(server.kill)
            server.start()
            return server

        yield start


def free_port() -> int:
    """Return a loopback port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
