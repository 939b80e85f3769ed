"""The PostgreSQL backend through PgBouncer in transaction mode.

There a connection of ours has a connection of PostgreSQL only while a transaction runs, and another one the next time.
Whatever belongs to a session is therefore somebody else's: the limits of time, cursors that outlive a transaction, and
what a migration sets while it makes an index beside the work of others.
"""

from typing import Any, override

from django.db import NotSupportedError
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.backends.utils import CursorWrapper

from crm_project.environment import PLANNING
from crm_project.postgresql import base


class DatabaseWrapper(base.DatabaseWrapper):
    """A connection to PgBouncer; it is refused unless PostgreSQL itself limits how long its statements may take."""

    @override
    def init_connection_state(self) -> None:
        """Make the connection ready. Raises NotSupportedError when a limit is missing."""
        super().init_connection_state()
        limits = self.settings_dict["TIME_LIMITS"]
        if self._limits_in_force(list(limits)) != limits:
            self.close()
            raise NotSupportedError(how_to_set(self.ops.quote_name(self.settings_dict["USER"]), limits | PLANNING))

    @override
    def chunked_cursor(self) -> CursorWrapper:
        """Return a cursor that leaves the rows in the database, within a transaction only: it ends with it."""
        return super().chunked_cursor() if self.in_atomic_block else self.cursor()

    @override
    def schema_editor(self, *_args: Any, **_options: Any) -> BaseDatabaseSchemaEditor:
        """Raise NotSupportedError: a migration lifts the limits of its session, here those of somebody else."""
        raise NotSupportedError(
            "Migrations do not run through PgBouncer: run manage.py migrate without PGBOUNCER, "
            "with a DATABASE_URL that leads to PostgreSQL itself."
        )

    def _limits_in_force(self, names: list[str]) -> dict[str, int]:
        with self.cursor() as cursor:
            cursor.execute("SELECT name, setting::integer FROM pg_settings WHERE name = ANY(%s)", [names])
            return dict(cursor.fetchall())


def how_to_set(role: str, settings: dict[str, Any]) -> str:
    """Return what to do so that PostgreSQL itself has the settings for the role, the limits of time among them."""
    statements = " ".join(f"ALTER ROLE {role} SET {name} = {value};" for name, value in settings.items())
    return (
        "Through PgBouncer the limits that LOCK_TIMEOUT_SECONDS asks for are PostgreSQL's own. "
        f"Tell PostgreSQL: {statements} Then tell PgBouncer: RECONNECT;"
    )
