"""Reading ledgers in a stream and following each from row to row."""

from collections.abc import Generator, Iterator
from itertools import zip_longest
from typing import Any

from django.db.models import OuterRef, QuerySet, Subquery

from distribution.models import Checkpoint, Decision, LoadChange, SettingChange
from distribution.proof.balance import Cause, Entry, Position, flaw_of
from distribution.proof.findings import Finding, WrongEnd, WrongEntry, WrongLimits
from distribution.proof.texts import as_text, parsed
from operators.models import Operator

ROWS_AT_A_TIME = 1_000
MISSING = object()


def examined_ledgers() -> Iterator[Finding | None]:
    """Look at one row of one operator after another; yield what is wrong with each, or None."""
    for operator in Operator.objects.order_by("pk").iterator(ROWS_AT_A_TIME):
        start = beginning(operator.pk)
        end = yield from _followed(operator, start)
        yield None if _is_end(operator, end) else WrongEnd(operator.pk)
        yield None if _limits_agree(operator.pk, is_pruned=start.number > 0) else WrongLimits(operator.pk)


def beginning(operator_id: int) -> Position:
    """Return where the operator's ledger begins: at its checkpoint, else with nothing and the limit of the first day.

    That limit is known when the services stored the operator.
    """
    checkpoint = Checkpoint.objects.filter(operator=operator_id).first()
    if checkpoint is not None:
        return Position(checkpoint.number, checkpoint.load, checkpoint.max_load)
    first = _limits_set(operator_id).filter(before__isnull=True).order_by("pk").first()
    return Position(0, 0, parsed(first))


def entries(operator_id: int) -> QuerySet[Any, Any]:
    """Return the columns of `Entry` of the operator's rows, in their order."""
    naming = Decision.objects.filter(operator=OuterRef("operator"), ledger_number=OuterRef("number")).order_by()
    rows = LoadChange.objects.filter(operator=operator_id).order_by("number")
    return rows.annotate(decided_for=Subquery(naming.values("contact")[:1])).values_list(*Entry._fields)


def _followed(operator: Operator, position: Position) -> Generator[Finding | None, None, Position]:
    """Yield what is wrong with each row, and return where the ledger ends."""
    for values in entries(operator.pk).iterator(ROWS_AT_A_TIME):
        entry = Entry._make(values)
        flaw = flaw_of(entry, position)
        yield None if flaw is None else WrongEntry(operator.pk, entry.number, flaw)
        position = entry.position
    return position


def _is_end(operator: Operator, end: Position) -> bool:
    limit = operator.max_load if end.max_load is None else end.max_load
    return end._replace(max_load=limit) == (operator.ledger_length, operator.load, operator.max_load)


def _limits_agree(operator_id: int, *, is_pruned: bool) -> bool:
    """Return whether the ledger, from its end back to its beginning, has the limits that the history has."""
    rows = LoadChange.objects.filter(operator=operator_id, cause=Cause.LIMIT).order_by("-number")
    noted = rows.values_list("max_load", flat=True).iterator(ROWS_AT_A_TIME)
    changes = _limits_set(operator_id).filter(before__isnull=False).order_by("-pk").iterator(ROWS_AT_A_TIME)
    for limit, was_set in zip_longest(noted, map(parsed, changes), fillvalue=MISSING):
        if limit is MISSING:
            return is_pruned
        if limit != was_set:
            return False
    return True


def _limits_set(operator_id: int) -> QuerySet[Any, Any]:
    changes = SettingChange.objects.filter(operator_id=operator_id, source_id=None, setting="max_load")
    return changes.annotate(text=as_text("after")).values_list("text", flat=True)
