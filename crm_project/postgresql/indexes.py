"""Indexes made while the table is in use."""

from typing import Any

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db.migrations import AddIndex


class AddIndexInUse(AddIndex):
    """Adds an index and keeps nobody from writing meanwhile: PostgreSQL makes it beside its work.

    It does so outside transactions only: the migration is `atomic = False`. Broken off, it leaves an invalid index of
    the same name, to be dropped by hand before it is run again.
    """

    def database_forwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        """Make the index."""
        add = super().database_forwards
        if schema_editor.connection.vendor == "postgresql":
            add = AddIndexConcurrently(self.model_name, self.index).database_forwards
        add(app_label, schema_editor, from_state, to_state)

    def database_backwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        """Drop the index."""
        remove = super().database_backwards
        if schema_editor.connection.vendor == "postgresql":
            remove = AddIndexConcurrently(self.model_name, self.index).database_backwards
        remove(app_label, schema_editor, from_state, to_state)
