"""Sending statements over the connection of the thread: each by itself, or several writes as one."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import chain, zip_longest
from typing import Any, NamedTuple

from django.db import DEFAULT_DB_ALIAS, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import Model

type Row = Sequence[Any]


class Returned(NamedTuple):
    """A value that an earlier part of the same statement returns."""

    part: int
    column: str

    @property
    def sql(self) -> str:
        """Return the value as an expression."""
        return f"(SELECT {self.column} FROM part_{self.part})"  # noqa: S608, both are names of ours


# The same few bundles are sent again and again: their texts, and so what the driver makes of them, are kept.
@lru_cache(maxsize=1024)
def _with_returned(sql: str, *values: Returned | None) -> str:
    """Return the statement with what earlier parts return in the places of the values, None for all others."""
    return filled(sql, [value and value.sql for value in values])


@lru_cache(maxsize=256)
def _joined(parts: tuple[str, ...], keys: tuple[Returned, ...]) -> str:
    """Return the parts as one statement that returns the keys."""
    named = ", ".join(f"part_{number} AS ({sql})" for number, sql in enumerate(parts))
    return f"WITH {named} SELECT {', '.join(key.sql for key in keys) or 'NULL'}"


@dataclass
class Bundle:
    """Writes that are sent as one statement, each a part of it by its number."""

    parts: list[str] = field(default_factory=list)
    parameters: list[Any] = field(default_factory=list)
    inserted: list[tuple[Model, Returned]] = field(default_factory=list)

    def add(self, sql: str, parameters: Sequence[Any]) -> int:
        """Add a write; return the number of its part."""
        returned = [value if type(value) is Returned else None for value in parameters]
        if any(returned):
            sql = _with_returned(sql, *returned)
            parameters = [value for value, known in zip(parameters, returned, strict=True) if known is None]
        self.parts.append(sql)
        self.parameters += parameters
        return len(self.parts) - 1

    def insert(self, sql: str, parameters: Sequence[Any], key_column: str, row: Model | None) -> Returned:
        """Add the write of a row; return its key, which the row gets when it is there."""
        key = Returned(self.add(sql, parameters), key_column)
        if row is not None:
            self.inserted.append((row, key))
        return key

    def run(self) -> None:
        """Send the writes."""
        keys = tuple(key for _row, key in self.inserted)
        [found] = run_on(database_of_thread(), _joined(tuple(self.parts), keys), self.parameters)
        for (row, _key), value in zip(self.inserted, found, strict=False):
            row.pk = value


class OfThread(threading.local):
    """What a thread keeps: its connection, and the writes that it sends together."""

    database: BaseDatabaseWrapper | None = None
    bundle: Bundle | None = None


of_thread = OfThread()


@contextmanager
def together() -> Iterator[None]:
    """Send the kept writes of the block as one statement where the database takes several in one.

    That is PostgreSQL, which saves the way there and back for each; SQLite, which is no way off, runs them one by one.
    They must be different rows: all writes see the database as it was before, and of each other what is returned.
    What ignores conflicts, stores rows of a model by the dozen or goes by the ORM runs at once; a block within another
    belongs to that.
    """
    if database_of_thread().vendor != "postgresql" or of_thread.bundle is not None:
        yield
        return
    bundle = of_thread.bundle = Bundle()
    try:
        yield
    finally:
        of_thread.bundle = None
    if bundle.parts:
        bundle.run()


@contextmanager
def at_once() -> Iterator[None]:
    """Run the kept writes of the block each by itself, within `together` too: so they return what was stored."""
    bundle, of_thread.bundle = of_thread.bundle, None
    try:
        yield
    finally:
        of_thread.bundle = bundle


def database_of_thread() -> BaseDatabaseWrapper:
    """Return the connection of the thread, which Django looks up anew for each use."""
    if of_thread.database is None:
        of_thread.database = connections[DEFAULT_DB_ALIAS]
    return of_thread.database


def run_on(database: Any, sql: str, values: Sequence[Any], *, returns: bool = True) -> list[Row]:
    """Run a statement on the driver's own cursor and return its rows, none for one that returns nothing.

    Django wraps each cursor for those who listen to what is run, a log or a wrapper: without them it is left bare.
    """
    if database.connection is None:
        database.ensure_connection()
    database.validate_no_broken_transaction()
    with database.wrap_database_errors:
        cursor = database.plain_cursor(sql)
        if database.execute_wrappers or database.queries_logged:
            cursor = database._prepare_cursor(cursor)
        cursor.execute(sql, values)
        return cursor.fetchall() if returns else []


def filled(sql: str, places: Sequence[str | None]) -> str:
    """Return the statement with the texts in the places of its parameters; None leaves a place as it is."""
    return "".join(chain(*zip_longest(sql.split("%s"), [text or "%s" for text in places], fillvalue="")))
