"""Where things are measured: SQLite with one server process, and PostgreSQL with two."""

import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import psycopg

from benchmarks.postgres import DurablePostgres
from crm_project.testing.databases import Databases, Files, OnServer


@dataclass(frozen=True)
class Installation:
    """A kind of database by its name, where new ones come from, and how many server processes use one."""

    name: str
    databases: Databases
    processes: int


def installations() -> Iterator[Installation]:
    """Yield each kind, which lasts until the next is asked for."""
    yield from on_files()
    yield from on_a_server()


def on_files() -> Iterator[Installation]:
    """Yield SQLite on files of a directory that is removed afterwards."""
    with tempfile.TemporaryDirectory(prefix="crm-benchmarks-") as directory:
        yield Installation(f"SQLite {sqlite3.sqlite_version}", Files(Path(directory)), 1)


def on_a_server() -> Iterator[Installation]:
    """Yield PostgreSQL on a server that is started for this."""
    with ExitStack() as stack:
        postgres = DurablePostgres.start()
        stack.callback(postgres.stop)
        with psycopg.connect(postgres.url) as connection:
            version = (connection.info.parameter_status("server_version") or "").split()[0]
        yield Installation(f"PostgreSQL {version}", OnServer(postgres.url, stack), 2)
