"""Django's SQLite backend, set up for one server process with many threads.

Five things differ from Django's own:

* every transaction is IMMEDIATE, so a reader that goes on to write never fails half-way;
* the threads of a process take turns in the order they came, where SQLite lets them poll and some starve;
* a commit is on the disk when it returns: what was answered with 201 survives a power cut;
* LIKE folds the case of every alphabet, not only of ASCII: a search for «иван» finds «Иван»;
* the placeholders of a statement that runs again and again are looked for once.
"""

import sqlite3
from functools import lru_cache
from typing import Any

from django.db.backends.sqlite3 import base

from crm_project.sqlite.fair_lock import FairLock
from crm_project.sqlite.like import like

PRAGMAS = "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON;"

_turns = FairLock()


@lru_cache(maxsize=128)
def with_question_marks(query: str) -> str:
    """Return the query with SQLite's placeholders in the place of Django's."""
    return base.FORMAT_QMARK_REGEX.sub("?", query).replace("%%", "%")


class Cursor(base.SQLiteCursorWrapper):
    """A cursor that remembers what the latest queries look like in SQLite's words."""

    def convert_query(self, query: str, *, param_names: list[str] | None = None) -> str:
        """Return the query with SQLite's placeholders."""
        if param_names is None:
            return with_question_marks(query)
        return super().convert_query(query, param_names=param_names)


class DatabaseWrapper(base.DatabaseWrapper):
    """A connection whose transactions wait for their turn."""

    holds_turn = False

    def get_connection_params(self) -> dict[str, Any]:
        self.settings_dict["OPTIONS"] = {"transaction_mode": "IMMEDIATE", "init_command": PRAGMAS} | self.settings_dict[
            "OPTIONS"
        ]
        return super().get_connection_params()

    def get_new_connection(self, conn_params: dict[str, Any]) -> sqlite3.Connection:
        connection = super().get_new_connection(conn_params)
        connection.create_function("like", 2, like, deterministic=True)
        connection.create_function("like", 3, like, deterministic=True)
        return connection

    def create_cursor(self, name: str | None = None) -> Cursor:
        return self.connection.cursor(factory=Cursor)

    def plain_cursor(self, _sql: str) -> Cursor:
        """Return a cursor for the statement, without what Django puts around it."""
        return self.create_cursor()

    def _start_transaction_under_autocommit(self) -> None:
        self._take_turn()
        try:
            super()._start_transaction_under_autocommit()  # type: ignore[misc]
        except BaseException:
            self._pass_turn()
            raise

    def _commit(self) -> None:
        super()._commit()  # type: ignore[misc]
        self._pass_turn()

    def _rollback(self) -> None:
        try:
            super()._rollback()  # type: ignore[misc]
        finally:
            self._pass_turn()

    def _close(self) -> None:
        try:
            super()._close()  # type: ignore[misc]
        finally:
            self._pass_turn()

    def _take_turn(self) -> None:
        if not _turns.acquire(timeout=self.settings_dict["OPTIONS"]["timeout"]):
            with self.wrap_database_errors:
                raise sqlite3.OperationalError("database is locked")
        self.holds_turn = True

    def _pass_turn(self) -> None:
        if self.holds_turn:
            self.holds_turn = False
            _turns.release()
