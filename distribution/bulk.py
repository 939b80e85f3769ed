"""Moving many contacts off one operator, each by a service call of its own."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

from django.utils import timezone

from crm_project.api.refusals import Refusal
from distribution.errors import (
    ContactClosed,
    ContactNotFound,
    NoLongerTheirs,
    OperatorStillActive,
)
from distribution.handling import reassign_by_draw, reassign_to_operator, return_to_queue
from distribution.models import Trigger
from distribution.roster import change_operator
from leads.models import Contact, Source
from operators.models import Operator


@dataclass(frozen=True, kw_only=True)
class BulkMove:
    """Which contacts of an operator are to move, and where: to an operator, to the queue, else each by draw."""

    from_operator: Operator
    to_operator: Operator | None = None
    to_queue: bool = False
    deactivate: bool = False
    source: Source | None = None
    older_than: timedelta | None = None
    limit: int | None = None


@dataclass(frozen=True)
class Moved:
    """The contact left the operator; `receiver` has it now, or nobody while it waits in the queue."""

    receiver: Operator | None


@dataclass(frozen=True)
class Stayed:
    """The contact found no place, and why."""

    refusal: Refusal


@dataclass(frozen=True)
class Skipped:
    """Somebody else closed or moved the contact meanwhile."""


type Result = Moved | Stayed | Skipped


def prepare(move: BulkMove) -> None:
    """Deactivate the operator if that is asked for. Raises what `check` raises."""
    check(move)
    if move.deactivate:
        change_operator(move.from_operator.pk, is_active=False)


def check(move: BulkMove) -> None:
    """Raise OperatorStillActive when the queue would give the contacts right back."""
    if move.to_queue and move.from_operator.takes_contacts and not move.deactivate:
        raise OperatorStillActive


def chosen_contacts(move: BulkMove) -> list[Contact]:
    """Return the contacts to move, the oldest first; `older_than` asks how long ago the operator got them."""
    contacts = Contact.objects.active().filter(operator=move.from_operator)
    if move.source is not None:
        contacts = contacts.filter(source=move.source)
    if move.older_than is not None:
        contacts = contacts.filter(assigned_at__lte=timezone.now() - move.older_than)
    return list(contacts.oldest_first().only("source")[: move.limit])


def carry_out(move: BulkMove, contacts: Iterable[Contact]) -> Iterator[Result]:
    """Move the contacts one after another, and yield what became of each once it is committed."""
    service = _service(move)
    for contact in contacts:
        yield _result(service, contact.pk)


def _result(service: Callable[[int], Operator | None], contact_id: int) -> Result:
    try:
        return Moved(service(contact_id))
    except (ContactNotFound, ContactClosed, NoLongerTheirs):
        return Skipped()
    except Refusal as refusal:
        return Stayed(refusal)


def _service(move: BulkMove) -> Callable[[int], Operator | None]:
    if move.to_queue:
        return partial(_to_queue, move.from_operator.pk)
    if move.to_operator is None:
        return partial(_by_draw, move.from_operator.pk)
    return partial(_to_operator, move.from_operator.pk, move.to_operator.pk)


def _to_operator(from_operator_id: int, to_operator_id: int, contact_id: int) -> Operator | None:
    return reassign_to_operator(
        contact_id, to_operator_id, from_operator_id=from_operator_id, trigger=Trigger.BULK
    ).operator


def _by_draw(from_operator_id: int, contact_id: int) -> Operator | None:
    return reassign_by_draw(contact_id, from_operator_id=from_operator_id, trigger=Trigger.BULK).operator


def _to_queue(from_operator_id: int, contact_id: int) -> Operator | None:
    return_to_queue(contact_id, from_operator_id=from_operator_id, trigger=Trigger.BULK)
    # The drain after the commit may have given it to somebody.
    return Operator.objects.filter(contacts=contact_id).first()
