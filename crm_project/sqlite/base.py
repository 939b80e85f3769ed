"""Django's SQLite backend, set up for one server process with many threads.

Four things differ from Django's own:

* every transaction is IMMEDIATE, so a reader that goes on to write never fails half-way;
* the threads of a process take turns in the order they came, where SQLite lets them poll and some starve;
* a commit is on the disk when it returns: what was answered with 201 survives a power cut;
* LIKE folds the case of every alphabet, not only of ASCII: a search for «иван» finds «Иван».
"""

import sqlite3
from typing import Any

from django.db.backends.sqlite3 import base

from crm_project.sqlite.fair_lock import FairLock
from crm_project.sqlite.like import like

PRAGMAS = "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON;"

_turns = FairLock()


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
