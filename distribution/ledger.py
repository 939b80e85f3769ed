"""The only writes of an operator's load, each with a row in their ledger that says why."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from django.db.models import F

from crm_project.statements import Change, KeptInsert, kept_update
from crm_project.statements_for_many import KeptInserts, NumberFor, packed, packed_by_key
from distribution.models import LoadChange
from leads.models import Contact
from operators.models import Operator

COUNTS = ("load", "max_load", "ledger_length")


def count_up(operator_id: int, contact: Contact) -> Any:
    """Count the stored contact on the load of the operator, who is locked; return the number of the ledger's row."""
    return _note(operator_id, LoadChange.Cause.GIVEN, contact.pk, _up(operator_id))


def count_up_all(given: Sequence[tuple[Operator, Contact]]) -> list[int]:
    """Count many stored contacts on the loads of operators, as they were locked; return the numbers of the rows."""
    if not given:
        return []
    more = Counter[int]()
    changes = [_change_in_turn(operator, contact, more) for operator, contact in given]
    _up_by(packed_by_key(more), packed(more))
    _insert_changes.values(changes)
    return [change["number"] for change in changes]


def _change_in_turn(operator: Operator, contact: Contact, more: Counter[int]) -> dict[str, Any]:
    """Return the ledger's row of one more contact for the operator, and count it."""
    more[operator.pk] += 1
    return {
        "operator_id": operator.pk,
        "number": operator.ledger_length + more[operator.pk],
        "cause": LoadChange.Cause.GIVEN,
        "load": operator.load + more[operator.pk],
        "max_load": operator.max_load,
        "contact_id": contact.pk,
    }


def count_down(operator_id: int, contact: Contact, cause: LoadChange.Cause) -> None:
    """Take the contact off the load of the operator, who is locked by this at the latest."""
    _note(operator_id, cause, contact.pk, _down(operator_id))


def note_limit(operator_id: int) -> None:
    """Note in the ledger the limit of the operator, who is locked, as it is now."""
    _note(operator_id, LoadChange.Cause.LIMIT, None, _unchanged(operator_id))


def set_load(operator_id: int, load: int) -> None:
    """Set the load of the operator, who is locked, to what was counted."""
    _note(operator_id, LoadChange.Cause.COUNTED, None, _counted(load, operator_id))


def _note(operator_id: int, cause: LoadChange.Cause, contact_id: int | None, counts: list[Any]) -> Any:
    [(load, max_load, number)] = counts
    _insert_change.values(
        operator_id=operator_id, number=number, cause=cause, load=load, max_load=max_load, contact_id=contact_id
    )
    return number


_insert_change = KeptInsert(LoadChange)
_insert_changes = KeptInserts(LoadChange)


@kept_update(returning=COUNTS)
def _up(operator_id: Any) -> Change:
    return _with(operator_id, load=F("load") + 1)


@kept_update(returning=())
def _up_by(more: Any, operator_ids: Any) -> Change:
    one_s = NumberFor(more, F("pk"))
    counts = {"load": F("load") + one_s, "ledger_length": F("ledger_length") + one_s}
    return Operator.objects.filter(pk__among=operator_ids), counts


@kept_update(returning=COUNTS)
def _down(operator_id: Any) -> Change:
    return _with(operator_id, load=F("load") - 1)


@kept_update(returning=COUNTS)
def _unchanged(operator_id: Any) -> Change:
    return _with(operator_id)


@kept_update(returning=COUNTS)
def _counted(load: Any, operator_id: Any) -> Change:
    return _with(operator_id, load=load)


def _with(operator_id: Any, **changes: Any) -> Change:
    return Operator.objects.filter(pk=operator_id), {**changes, "ledger_length": F("ledger_length") + 1}
