"""Indexes made while the table is in use."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db.migrations import AddIndex

LIMITS = ("lock_timeout", "statement_timeout")


class AddIndexInUse(AddIndex):
    """Adds an index and keeps nobody from writing meanwhile: PostgreSQL makes it beside its work.

    It does so outside transactions only: the migration is `atomic = False`. It takes the time it takes, for it waits
    for whoever reads. Broken off, it leaves an invalid index, which the next attempt removes.
    """

    def database_forwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        """Make the index."""
        if schema_editor.connection.vendor != "postgresql":
            super().database_forwards(app_label, schema_editor, from_state, to_state)
            return
        with _without_limits(schema_editor):
            schema_editor.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {schema_editor.quote_name(self.index.name)}")
            self._beside_the_work.database_forwards(app_label, schema_editor, from_state, to_state)

    def database_backwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        """Drop the index."""
        if schema_editor.connection.vendor != "postgresql":
            super().database_backwards(app_label, schema_editor, from_state, to_state)
            return
        with _without_limits(schema_editor):
            self._beside_the_work.database_backwards(app_label, schema_editor, from_state, to_state)

    @property
    def _beside_the_work(self) -> AddIndexConcurrently:
        return AddIndexConcurrently(self.model_name, self.index)


@contextmanager
def _without_limits(schema_editor: Any) -> Iterator[None]:
    """Let statements wait and run as long as they must; afterwards the limits of the connection hold again."""
    for limit in LIMITS:
        schema_editor.execute(f"SET {limit} = 0")
    try:
        yield
    finally:
        for limit in LIMITS:
            schema_editor.execute(f"RESET {limit}")
