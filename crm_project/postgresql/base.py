"""Django's PostgreSQL backend, with a cursor that keeps plans, and without asking every time if a connection lives.

Django asks every time, with a SELECT before each request. But whoever closes an idle connection, the server or the
keepalives of this machine (`crm_project.environment`), leaves word at its socket, and to look there costs nothing.
"""

import select
from typing import Any

import psycopg
from django.db.backends.postgresql import base
from psycopg.pq import TransactionStatus


class DatabaseWrapper(base.DatabaseWrapper):
    """A connection that is asked whether it lives when something went wrong or has come in unasked."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._cursors: dict[str, psycopg.Cursor[Any]] = {}

    def get_new_connection(self, conn_params: dict[str, Any]) -> psycopg.Connection[Any]:
        self._cursors.clear()
        return super().get_new_connection(conn_params)

    def plain_cursor(self, sql: str) -> psycopg.Cursor[Any]:
        """Return the cursor of a statement that runs often on the same connection.

        It lets PostgreSQL keep the plan, where Django's own cursors put the values into the text, so that each call is
        planned anew; and the driver keeps how the values are converted, which it works out anew for a new cursor.
        """
        cursor = self._cursors.get(sql)
        if cursor is None:
            cursor = self._cursors[sql] = psycopg.Cursor(self.connection)
        return cursor

    def is_usable(self) -> bool:
        """Return whether statements can be sent."""
        return self._is_quiet() or super().is_usable()

    def _is_quiet(self) -> bool:
        if self.connection is None or self.connection.closed or self.errors_occurred:
            return False
        if self.connection.info.transaction_status not in {TransactionStatus.IDLE, TransactionStatus.INTRANS}:
            return False
        socket = select.poll()
        socket.register(self.connection, select.POLLIN)
        return not socket.poll(0)
