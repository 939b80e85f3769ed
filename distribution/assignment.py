"""Giving one contact to one operator: the rounds of a draw, and the only writes of operator, status and load."""

import secrets
from collections.abc import Callable, Collection
from typing import Any

from django.db.models import F
from django.utils import timezone

from crm_project.statements import Change, KeptInsert, KeptUpdate
from distribution.availability import candidates, has_weight
from distribution.draw import draw, total_weight
from distribution.locks import lock_operator_with_room
from distribution.transactions import StartAnew, given_up
from leads.models import Contact, ContactStatus
from operators.models import Operator


class Unconfirmed(StartAnew):
    """The operator drawn is no longer available: the lock is given back, and the others draw again."""

    def __init__(self, operator_id: int) -> None:
        super().__init__(operator_id)
        self.operator_id = operator_id


def draw_operator(
    source_id: int, *, confirm: Callable[[int], Operator | None], excluding: Collection[int] = ()
) -> Operator | None:
    """Draw one of the available operators and return them, confirmed and locked; None when nobody is available.

    `confirm` takes the id drawn and returns the operator under lock, None to leave them to others, or raises
    Unconfirmed. That ends the round and, as the only way to give the lock back, the transaction: the next round is
    drawn in a new one, among who is available by then and was not refused before.
    """
    refused = [reason.operator_id for reason in given_up() if isinstance(reason, Unconfirmed)]
    available = candidates(source_id, excluding=[*excluding, *refused])
    if not available:
        return None
    return confirm(draw(available, secrets.randbelow(total_weight(available))).operator_id)


def confirm_available(source_id: int, operator_id: int) -> Operator:
    """Lock the operator and return them if still available on the source. Raises Unconfirmed."""
    operator = lock_operator_with_room(operator_id)
    # In a statement of its own: a join would show the weight as it was before the wait for the lock.
    if operator is None or not has_weight(source_id, operator_id):
        raise Unconfirmed(operator_id)
    return operator


def give(contact: Contact, operator: Operator) -> None:
    """Make the contact, new or locked, active with the operator, who is locked and has room."""
    _release(contact)
    contact.operator = operator
    contact.status = ContactStatus.ACTIVE
    contact.assigned_at = timezone.now()
    contact.closed_at = None
    _store(contact)
    _count_up(operator.pk)


def put_in_queue(contact: Contact) -> None:
    """Make the contact, new or locked, wait; it keeps its age. An operator it has is locked."""
    _release(contact)
    contact.operator = None
    contact.status = ContactStatus.WAITING
    contact.assigned_at = None
    contact.closed_at = None
    _store(contact)


def end(contact: Contact) -> None:
    """Make the locked contact closed. An operator it has is locked, and stays named on it."""
    _release(contact)
    contact.status = ContactStatus.CLOSED
    contact.closed_at = timezone.now()
    _store(contact)


def _release(contact: Contact) -> None:
    """Take the contact, if it is active, off its operator's load."""
    if contact.status == ContactStatus.ACTIVE and contact.operator_id is not None:
        _count_down(contact.operator_id)


def _store(contact: Contact) -> None:
    if contact._state.adding:
        # Its age counts from after the waits for locks, so that whoever joined the queue meanwhile is older.
        contact.created_at = contact.assigned_at or timezone.now()
        _insert_contact(contact)
    else:
        contact.save(update_fields=["operator", "status", "assigned_at", "closed_at"])


_insert_contact = KeptInsert(Contact)


@KeptUpdate
def _count_up(operator_id: Any) -> Change:
    return Operator.objects.filter(pk=operator_id), {"load": F("load") + 1}


@KeptUpdate
def _count_down(operator_id: Any) -> Change:
    return Operator.objects.filter(pk=operator_id), {"load": F("load") - 1}
