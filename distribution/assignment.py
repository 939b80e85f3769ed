"""Giving contacts to operators: the rounds of a draw, and the only writes of operator and status."""

import secrets
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial

from django.utils import timezone

from crm_project.sending import together
from crm_project.statements import KeptInsert
from crm_project.statements_for_many import KeptInserts
from crm_project.webhooks.models import EventKind
from distribution import ledger
from distribution.availability import has_weight, roster_of
from distribution.counts import count_draw, given_so_far
from distribution.decisions import Attempt, record, record_all
from distribution.draw import draw
from distribution.events import record_at_limit, record_event, record_events
from distribution.locks import lock_operator_with_room
from distribution.models import LoadChange
from distribution.records import Account
from distribution.rounds import Outcome, Round
from distribution.standing import Obstacle, Standing
from distribution.strategy import STRATEGIES
from distribution.transactions import StartAnew, given_up
from leads.models import Contact, ContactStatus, Source
from operators.models import Operator

type Confirm = Callable[[int], Operator | None]
type Given = Callable[[Sequence[Standing]], Sequence[int] | None]
type Preferred = tuple[int, Obstacle | None]


class Unconfirmed(StartAnew):
    """The operator drawn is no longer available: the lock is given back, and the others draw again."""

    round: Round | None = None


@dataclass(frozen=True)
class Before:
    """Who had a contact, and the kind of event that its going elsewhere is."""

    kind: EventKind
    operator_id: int | None


@dataclass(frozen=True)
class Placement:
    """A new contact, the operator who gets it, None for the queue, and why."""

    contact: Contact
    operator: Operator | None
    attempt: Attempt


@dataclass(frozen=True)
class Choice:
    """Whom the draw took, confirmed and locked, or nobody; and the rounds that led there."""

    operator: Operator | None
    account: Account


def draw_operator(
    source: Source,
    *,
    confirm: Confirm,
    leaving: int | None = None,
    returning_to: int | None = None,
    counted: bool = True,
) -> Choice:
    """Choose one of the available operators by the strategy of the source.

    `confirm` takes the id drawn and returns the operator under lock, None to leave them to others, or raises
    Unconfirmed. That ends the round and, as the only way to give the lock back, the transaction: the next round is
    drawn in a new one, among who is available by then and was not refused before.

    `leaving` is not drawn. `returning_to` is chosen without a draw if available. A draw that is `counted`, by a
    strategy that counts, wants the source locked.
    """
    rounds = _refused_rounds()
    excluded = {round_.drawn: Obstacle.REFUSED for round_ in rounds if round_.drawn is not None}
    if leaving is not None:
        excluded[leaving] = Obstacle.EXCLUDED
    opening = Round(roster=roster_of(source.pk), excluded=excluded, outcome=Outcome.NOBODY)
    counts = counted and STRATEGIES[source.strategy].counts
    given = partial(given_so_far, source.pk) if counts else None
    round_, preferred = drawn(source.strategy, opening, given, returning_to)
    operator, outcome = _confirmed(round_, confirm)
    if counts and operator is not None and round_.is_draw:
        count_draw(source.pk, round_.candidates, round_.given, operator.pk)
    return Choice(operator, Account(rounds=[*rounds, replace(round_, outcome=outcome)], preferred=preferred))


def drawn(
    strategy: str, opening: Round, given: Given | None, returning_to: int | None = None
) -> tuple[Round, Preferred | None]:
    """Return the round with whom it names, without a ticket when that is the one to return to, and whether it is.

    A round in which nobody is available stays as it is. `given` tells what the candidates got, where that counts.
    """
    preferred = None if returning_to is None else (returning_to, opening.obstacle_of(returning_to))
    if preferred and preferred[1] is None:
        return replace(opening, drawn=returning_to), preferred
    candidates = opening.candidates
    if not candidates:
        return opening, preferred
    so_far = given(candidates) if given else None
    held = STRATEGIES[strategy].tickets(candidates, so_far)
    ticket = secrets.randbelow(sum(held))
    named = candidates[draw(held, ticket)].operator_id
    return replace(opening, given=so_far, ticket=ticket, drawn=named), preferred


def left_to_queue(source: Source) -> Choice:
    """Choose nobody, whoever is available: somebody else waits for longer."""
    last = Round(roster=roster_of(source.pk), outcome=Outcome.LEFT_TO_QUEUE)
    return Choice(None, Account(rounds=[*_refused_rounds(), last]))


def confirm_available(source_id: int, operator_id: int) -> Operator:
    """Lock the operator and return them if still available on the source. Raises Unconfirmed."""
    operator = lock_operator_with_room(operator_id)
    # In a statement of its own: a join would show the weight as it was before the wait for the lock.
    if operator is None or not has_weight(source_id, operator_id):
        raise Unconfirmed(operator_id)
    return operator


def give(contact: Contact, operator: Operator, attempt: Attempt) -> None:
    """Make the contact, new or locked, active with the operator, who is locked and has room."""
    before = _before(contact, EventKind.ASSIGNED, EventKind.REASSIGNED)
    _release(contact, LoadChange.Cause.LEFT)
    contact.operator = operator
    contact.status = ContactStatus.ACTIVE
    contact.assigned_at = timezone.now()
    contact.closed_at = None
    with together():
        _store(contact)
        record(contact, attempt, operator.pk, ledger.count_up(operator.pk, contact))
        record_event(before.kind, contact, before.operator_id)
        if operator.load + 1 >= operator.max_load:
            record_at_limit(operator.pk)


def put_in_queue(contact: Contact, attempt: Attempt) -> None:
    """Make the contact, new or locked, wait; it keeps its age. An operator it has is locked."""
    before = _before(contact, EventKind.WAITING, EventKind.WAITING)
    _release(contact, LoadChange.Cause.LEFT)
    contact.operator = None
    contact.status = ContactStatus.WAITING
    contact.assigned_at = None
    contact.closed_at = None
    with together():
        _store(contact)
        record(contact, attempt)
        record_event(before.kind, contact, before.operator_id)


def place(placements: Sequence[Placement]) -> None:
    """Store new contacts at once: each active with an operator, who is locked and has room, or waiting."""
    now = timezone.now()
    for placement in placements:
        _begin(placement.contact, placement.operator, now)
    _insert_contacts([placement.contact for placement in placements])
    with together():
        numbers = iter(ledger.count_up_all([(one.operator, one.contact) for one in placements if one.operator]))
        record_all((one.contact, one.attempt, next(numbers) if one.operator else None) for one in placements)
        record_events([(EventKind.ASSIGNED if one.operator else EventKind.WAITING, one.contact) for one in placements])
    for operator, more in Counter(one.operator for one in placements if one.operator).items():
        if operator.load + more >= operator.max_load:
            record_at_limit(operator.pk)


def end(contact: Contact) -> None:
    """Make the locked contact closed. An operator it has is locked, and stays named on it."""
    _release(contact, LoadChange.Cause.CLOSED)
    contact.status = ContactStatus.CLOSED
    contact.closed_at = timezone.now()
    _store(contact)
    record_event(EventKind.CLOSED, contact)


def _refused_rounds() -> list[Round]:
    return [reason.round for reason in given_up() if isinstance(reason, Unconfirmed) and reason.round is not None]


def _confirmed(round_: Round, confirm: Confirm) -> tuple[Operator | None, Outcome]:
    if round_.drawn is None:
        return None, Outcome.NOBODY
    try:
        operator = confirm(round_.drawn)
    except Unconfirmed as refusal:
        refusal.round = replace(round_, outcome=Outcome.UNAVAILABLE)
        raise
    return operator, Outcome.LEFT_TO_QUEUE if operator is None else Outcome.TAKEN


def _release(contact: Contact, cause: LoadChange.Cause) -> None:
    """Take the contact, if it is active, off its operator's load."""
    if contact.status == ContactStatus.ACTIVE and contact.operator_id is not None:
        ledger.count_down(contact.operator_id, contact, cause)


def _begin(contact: Contact, operator: Operator | None, at: datetime) -> None:
    contact.operator = operator
    contact.status = ContactStatus.WAITING if operator is None else ContactStatus.ACTIVE
    contact.assigned_at = None if operator is None else at
    contact.created_at = at
    contact.sequence = 1


def _before(contact: Contact, waiting: EventKind, active: EventKind) -> Before:
    """Return who has the contact so far, and what it is when it, `waiting` or `active` so far, goes elsewhere."""
    if contact.status == ContactStatus.CLOSED:
        return Before(EventKind.REOPENED, None)
    return Before(waiting if contact.operator_id is None else active, contact.operator_id)


def _store(contact: Contact) -> None:
    contact.sequence += 1
    if contact._state.adding:
        # Its age counts from after the waits for locks, so that whoever joined the queue meanwhile is older.
        contact.created_at = contact.assigned_at or timezone.now()
        _insert_contact(contact)
    else:
        contact.save(update_fields=["operator", "status", "assigned_at", "closed_at", "sequence"])


_insert_contact = KeptInsert(Contact)
_insert_contacts = KeptInserts(Contact)
