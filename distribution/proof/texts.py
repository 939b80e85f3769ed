"""JSON as text, read so that a value of any shape, or none at all, is found and never fails."""

import json
from typing import Any

from django.db.models import TextField
from django.db.models.functions import Cast

UNREADABLE = object()


def as_text(column: str) -> Cast:
    """Return the JSON column as text."""
    return Cast(column, TextField())


def parsed(text: str | None) -> Any:
    """Return the value of the text, None for none, and UNREADABLE, which equals nothing, when it has no value."""
    try:
        return None if text is None else json.loads(text)
    except (RecursionError, ValueError):
        return UNREADABLE
