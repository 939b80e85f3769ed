"""Giving one contact to one operator: the rounds of a draw, and the only writes of operator, status and load."""

import secrets
from collections.abc import Callable, Collection
from contextlib import suppress

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from distribution.availability import candidates, has_weight
from distribution.draw import draw, total_weight
from distribution.locks import lock_operator_with_room
from leads.models import Contact, ContactStatus
from operators.models import Operator


class Unconfirmed(Exception):
    """The operator drawn is no longer available: the lock is given back and the others draw again."""


def draw_operator(
    source_id: int, *, confirm: Callable[[int], Operator], excluding: Collection[int] = ()
) -> Operator | None:
    """Draw among the available operators until one is confirmed; return them locked, or None when nobody is left.

    `confirm` takes the id drawn and returns the operator under lock, or raises Unconfirmed. A savepoint stands
    around it, so that a refusal, or any other exception, gives the lock back.
    """
    remaining = candidates(source_id, excluding=excluding)
    while remaining:
        drawn = draw(remaining, secrets.randbelow(total_weight(remaining)))
        with suppress(Unconfirmed), transaction.atomic():
            return confirm(drawn.operator_id)
        remaining.remove(drawn)
    return None


def confirm_available(source_id: int, operator_id: int) -> Operator:
    """Lock the operator and return them if still available on the source. Raises Unconfirmed."""
    operator = lock_operator_with_room(operator_id)
    # In a statement of its own: a join would show the weight as it was before the wait for the lock.
    if operator is None or not has_weight(source_id, operator_id):
        raise Unconfirmed
    return operator


def give(contact: Contact, operator: Operator) -> None:
    """Make the contact, new or locked, active with the operator, who is locked and has room."""
    _release(contact)
    contact.operator = operator
    contact.status = ContactStatus.ACTIVE
    contact.assigned_at = timezone.now()
    contact.closed_at = None
    _store(contact)
    _change_load(operator.pk, +1)


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
        _change_load(contact.operator_id, -1)


def _store(contact: Contact) -> None:
    if contact._state.adding:
        # Its age counts from after the waits for locks, so that whoever joined the queue meanwhile is older.
        contact.created_at = contact.assigned_at or timezone.now()
        contact.save(force_insert=True)
    else:
        contact.save(update_fields=["operator", "status", "assigned_at", "closed_at"])


def _change_load(operator_id: int, by: int) -> None:
    Operator.objects.filter(pk=operator_id).update(load=F("load") + by)
