"""What becomes of a contact after it came in: closing, reopening, moving."""

from collections.abc import Collection
from enum import Enum, auto
from functools import partial

from distribution.assignment import Unconfirmed, draw_operator, end, give, left_to_queue, put_in_queue
from distribution.availability import can_take_as_read, has_weight, obstacle_by_hand, standing_of
from distribution.decisions import Attempt, record
from distribution.errors import (
    ContactClosed,
    NobodyAvailable,
    NoLongerTheirs,
    OperatorNotFound,
    OperatorStillActive,
    unavailable,
)
from distribution.locks import lock_contact, lock_operator, lock_operator_with_room, lock_operators
from distribution.models import Trigger
from distribution.queue import drain_after_commit
from distribution.records import Account
from distribution.selectors import (
    on_list_of,
    somebody_waits_for,
    somebody_waits_longer,
    sources_of_operator,
    sources_sharing_operators,
    weight_of,
)
from distribution.transactions import after_refusal, in_transaction
from leads.models import Contact
from operators.models import Operator


class Whoever(Enum):
    """Who has a contact, for a caller who does not mind; None would mean that nobody has it, for it waits."""

    HAS_IT = auto()


type Holder = int | Whoever | None


@in_transaction
def close_contact(contact_id: int, *, from_operator_id: Holder = Whoever.HAS_IT) -> Contact:
    """Close the contact and return it; a closed one is returned unchanged.

    Raises ContactNotFound, and NoLongerTheirs when `from_operator_id` does not have it; then nothing changes.
    """
    contact = _lock_contact_of(from_operator_id, contact_id)
    if not contact.is_closed:
        end(contact)
        _drain_for(contact.operator_id)
    return contact


@in_transaction
def close_waiting(contact_id: int) -> Contact:
    """Close the contact if it still waits, and return it. Raises ContactNotFound."""
    contact = lock_contact(contact_id)
    if contact.is_waiting:
        end(contact)
    return contact


@in_transaction
def reopen_contact(contact_id: int) -> Contact:
    """Reopen the contact and return it; an open one is returned unchanged.

    It goes back to its operator if they can take it, else into the queue with its first age.
    Raises ContactNotFound.
    """
    contact = lock_contact(contact_id)
    if not contact.is_closed:
        return contact
    operator = None if contact.operator_id is None else lock_operator_with_room(contact.operator_id)
    if operator is None:
        put_in_queue(contact, Attempt(trigger=Trigger.REOPENING, account=Account()))
        drain_after_commit(sources_sharing_operators(contact.source_id))
    else:
        give(contact, operator, _by_hand(contact, operator, Trigger.REOPENING))
    return contact


@in_transaction
def reassign_to_operator(
    contact_id: int,
    operator_id: int,
    *,
    from_operator_id: Holder = Whoever.HAS_IT,
    among: Collection[int] | None = None,
    trigger: Trigger = Trigger.REASSIGNMENT,
) -> Contact:
    """Move the contact to the operator named, ahead of the queue and without asking for a weight; return it.

    With the operator who has it already, nothing changes. `among` are the sources that exist for the caller, None
    for all: an operator on the list of none of them does not exist for the caller either.

    Raises ContactNotFound, ContactClosed, OperatorNotFound and OperatorUnavailable, and NoLongerTheirs when
    `from_operator_id` does not have it; then nothing changes.
    """
    contact = _lock_open_contact(contact_id, from_operator_id)
    previous_id = contact.operator_id
    if previous_id == operator_id:
        return contact
    operator = _lock_with_previous(previous_id, operator_id)
    if operator is None or not Operator.objects.filter(on_list_of(among), pk=operator_id).exists():
        raise OperatorNotFound
    attempt = _by_hand(contact, operator, trigger)
    if (obstacle := obstacle_by_hand(operator)) is not None:
        after_refusal(_record_failure, contact, attempt)
        raise unavailable(obstacle)
    give(contact, operator, attempt)
    _drain_for(previous_id)
    return contact


@in_transaction
def reassign_by_draw(
    contact_id: int, *, from_operator_id: Holder = Whoever.HAS_IT, trigger: Trigger = Trigger.REASSIGNMENT
) -> Contact:
    """Move the contact to another operator of its source by draw; return it.

    A waiting contact takes nobody from an older one of its source. Raises ContactNotFound, ContactClosed and
    NobodyAvailable, and NoLongerTheirs when `from_operator_id` does not have it; then nothing changes.
    """
    contact = _lock_open_contact(contact_id, from_operator_id)
    source, previous_id = contact.source, contact.operator_id
    if contact.is_waiting and somebody_waits_longer(contact):
        choice = left_to_queue(source)
    else:
        confirm = partial(_confirm_move, source.pk, previous_id)
        choice = draw_operator(source, confirm=confirm, leaving=previous_id, counted=False)
    attempt = Attempt(trigger=trigger, account=choice.account, strategy=source.strategy)
    if choice.operator is None:
        after_refusal(_record_failure, contact, attempt)
        raise NobodyAvailable
    give(contact, choice.operator, attempt)
    _drain_for(previous_id)
    return contact


@in_transaction
def return_to_queue(contact_id: int, *, from_operator_id: int, trigger: Trigger = Trigger.REASSIGNMENT) -> Contact:
    """Take the contact from that operator, put it back in the queue with its first age and return it.

    Raises ContactNotFound, ContactClosed, NoLongerTheirs, and OperatorStillActive when the operator could be given
    it again; then nothing changes.
    """
    contact = _lock_open_contact(contact_id, from_operator_id)
    if lock_operator(from_operator_id).takes_contacts:
        raise OperatorStillActive
    put_in_queue(contact, Attempt(trigger=trigger, account=Account()))
    drain_after_commit(sources_sharing_operators(contact.source_id))
    return contact


def _lock_open_contact(contact_id: int, from_operator_id: Holder) -> Contact:
    contact = _lock_contact_of(from_operator_id, contact_id)
    if contact.is_closed:
        raise ContactClosed
    return contact


def _lock_contact_of(holder: Holder, contact_id: int) -> Contact:
    contact = lock_contact(contact_id)
    if holder not in (Whoever.HAS_IT, contact.operator_id):
        raise NoLongerTheirs
    return contact


def _lock_with_previous(previous_id: int | None, operator_id: int) -> Operator | None:
    # Both in one ordered statement: two moves in opposite directions would deadlock otherwise.
    pair = [operator_id] if previous_id is None else [previous_id, operator_id]
    return lock_operators(pair).get(operator_id)


def _confirm_move(source_id: int, previous_id: int | None, operator_id: int) -> Operator:
    operator = _lock_with_previous(previous_id, operator_id)
    if operator is None or not can_take_as_read(operator) or not has_weight(source_id, operator_id):
        raise Unconfirmed(operator_id)
    return operator


def _by_hand(contact: Contact, operator: Operator, trigger: Trigger) -> Attempt:
    """Return the attempt to give the contact to the operator who was named."""
    weight = weight_of(contact.source_id, operator.pk)
    passed = somebody_waits_for(operator.pk, longer_than=contact)
    return Attempt(trigger=trigger, account=Account(by_hand=standing_of(operator, weight), passed_queue=passed))


@in_transaction
def _record_failure(contact: Contact, attempt: Attempt) -> None:
    record(contact, attempt)


def _drain_for(operator_id: int | None) -> None:
    if operator_id is not None:
        drain_after_commit(sources_of_operator(operator_id))
