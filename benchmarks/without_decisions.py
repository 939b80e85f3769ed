"""The application that records nothing beside the contact and the load: what decisions are compared with."""

from typing import Any

from crm_project.wsgi import application
from distribution import assignment, ledger


def record_nothing(*_what: Any) -> bool:
    """Store no row."""
    return True


assignment.record = record_nothing
ledger._insert_change = record_nothing

__all__ = ["application"]
