"""Databases that a test has to itself, of the same kind as the run's, for processes beside the test."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from functools import cached_property
from itertools import count
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

import psycopg
import pytest

from crm_project.setup.children import BASE_DIR

SECONDS_TO_MANAGE = 600


class Databases(Protocol):
    """Where new databases come from; each is named by the DATABASE_URL that leads to it."""

    def empty(self) -> str:
        """Make one without tables."""

    def migrated(self) -> str:
        """Make one with our tables, and nothing in them."""


class Files:
    """SQLite files in a directory."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._numbers = count(1)

    def empty(self) -> str:
        """Name a file that is not there yet."""
        return f"sqlite:///{self._directory}/{next(self._numbers)}.db"

    def migrated(self) -> str:
        """Copy the file that was migrated once."""
        url = self.empty()
        shutil.copy(self._template.removeprefix("sqlite:///"), url.removeprefix("sqlite:///"))
        return url

    @cached_property
    def _template(self) -> str:
        return migrate(self.empty())


class OnServer:
    """Databases on a PostgreSQL server; the stack drops them."""

    def __init__(self, url: str, stack: ExitStack) -> None:
        self._url = urlsplit(url)
        self._stack = stack
        self._connection = stack.enter_context(psycopg.connect(url, autocommit=True))
        self._numbers = count(1)

    def empty(self) -> str:
        """Create a database."""
        return self._create("template1")

    def migrated(self) -> str:
        """Create a database from the one that was migrated once."""
        return self._create(urlsplit(self._template).path.removeprefix("/"))

    @cached_property
    def _template(self) -> str:
        return migrate(self.empty())

    def _create(self, template: str) -> str:
        name = f"server_{os.getpid()}_{next(self._numbers)}"
        self._connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        self._stack.callback(self._connection.execute, f"DROP DATABASE {name} WITH (FORCE)")
        return self._url._replace(path=f"/{name}").geturl()


@pytest.fixture(scope="session")
def databases(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Databases]:
    """Make databases of the run's kind."""
    if pytestconfig.getoption("database") == "sqlite":
        yield Files(tmp_path_factory.mktemp("databases"))
    else:
        with ExitStack() as stack:
            yield OnServer(os.environ["DATABASE_URL"], stack)


@pytest.fixture
def empty_database(databases: Databases) -> str:
    """The address of a new database without tables."""
    return databases.empty()


@pytest.fixture
def fresh_database(databases: Databases) -> str:
    """The address of a new database with our tables, and nothing in them."""
    return databases.migrated()


def migrate(url: str) -> str:
    """Make our tables in an empty database; return its address."""
    done = manage("migrate", "--verbosity", "0", DATABASE_URL=url)
    assert done.returncode == 0, done.stderr
    return url


def manage(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a management command in a process of its own and return how it ended and what it said."""
    return subprocess.run(
        [sys.executable, str(BASE_DIR / "manage.py"), *arguments],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=SECONDS_TO_MANAGE,
        check=False,
    )
