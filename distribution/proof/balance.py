"""Following an operator's ledger from row to row: what in it contradicts itself or the rules. Pure, but for names."""

from collections.abc import Iterator
from typing import NamedTuple

from django.db import models
from django.utils.translation import pgettext_lazy

from distribution.models import LoadChange

Cause = LoadChange.Cause
STEPS: dict[str, int] = {Cause.GIVEN: 1, Cause.CLOSED: -1, Cause.LEFT: -1, Cause.LIMIT: 0}


class Position(NamedTuple):
    """Where a ledger stands after its row `number`; `max_load` is None as long as nothing was said of it."""

    number: int
    load: int
    max_load: int | None


class Entry(NamedTuple):
    """A row of a ledger as it was read; `decided_for` is the contact of the decision that names it, if one does."""

    number: int
    cause: str
    load: int
    max_load: int
    contact_id: int | None
    decided_for: int | None

    @property
    def position(self) -> Position:
        """Where the ledger stands after the row."""
        return Position(self.number, self.load, self.max_load)


class LedgerFlaw(models.TextChoices):
    """What is wrong with a row of a ledger; the labels go on after «Ledger of operator 3, row 5: »."""

    GAP = "gap", pgettext_lazy("flaw of a ledger", "it does not have the number after that of the row before")
    LOAD = "load", pgettext_lazy("flaw of a ledger", "the load does not follow from the row before")
    LIMIT = "limit", pgettext_lazy("flaw of a ledger", "the limit changed although it was not set")
    BEYOND = "beyond", pgettext_lazy("flaw of a ledger", "a contact was given beyond the limit")
    DECISION = "decision", pgettext_lazy("flaw of a ledger", "no decision explains it, or one that explains another")


def flaw_of(entry: Entry, before: Position) -> LedgerFlaw | None:
    """Return the first thing that is wrong with the row after `before`, None when nothing is."""
    try:
        return next(_flaws(entry, before), None)
    except TypeError:  # SQLite lets anybody write a text into a column of numbers
        return LedgerFlaw.LOAD


def _flaws(entry: Entry, before: Position) -> Iterator[LedgerFlaw]:
    is_given = entry.cause == Cause.GIVEN
    if entry.number != before.number + 1:
        yield LedgerFlaw.GAP
    if entry.cause != Cause.COUNTED and entry.load - before.load != STEPS.get(entry.cause):
        yield LedgerFlaw.LOAD
    if entry.cause != Cause.LIMIT and before.max_load not in (None, entry.max_load):
        yield LedgerFlaw.LIMIT
    if is_given and entry.load > entry.max_load:
        yield LedgerFlaw.BEYOND
    if entry.decided_for != (entry.contact_id if is_given else None):
        yield LedgerFlaw.DECISION
