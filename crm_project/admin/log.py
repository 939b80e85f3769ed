"""What the log of the back office calls a row."""

from collections.abc import Iterable
from typing import Any

from django.db.models import Model

from leads.models import Contact, Lead


class Numbered:
    """Stands for a row that is known by its number alone."""

    def __init__(self, row: Model) -> None:
        self.pk = row.pk
        self._meta = row._meta

    def __str__(self) -> str:
        return f"№ {self.pk}"


def as_logged(rows: Iterable[Model]) -> list[Any]:
    """Return the rows as the log names them: people by number, for the log is kept when their data is erased."""
    return [Numbered(row) if isinstance(row, Contact | Lead) else row for row in rows]
