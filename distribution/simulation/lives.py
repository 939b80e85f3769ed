"""The life of one contact, put together from what was recorded of it. Pure."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum, auto
from typing import NamedTuple

from distribution.period import Period
from distribution.simulation.events import (
    Appeal,
    Arrival,
    Closing,
    Event,
    MoveByDraw,
    MoveByHand,
    Present,
    Reopening,
    Return,
    Step,
)
from leads.models import ContactStatus

WAITING, ACTIVE, CLOSED = ContactStatus.WAITING, ContactStatus.ACTIVE, ContactStatus.CLOSED


class Happened(Enum):
    """What a record says of a contact."""

    ARRIVED = auto()
    DRAINED = auto()
    REOPENED = auto()
    RETURNED = auto()
    MOVED_BY_HAND = auto()
    MOVED_BY_DRAW = auto()
    CLOSED = auto()
    LEFT = auto()


OPENING = {Happened.ARRIVED, Happened.REOPENED, Happened.RETURNED}


class Order(NamedTuple):
    """The place of a record among all: by time, and within a moment by table and number."""

    at: datetime
    table: int
    number: int


class Fact(NamedTuple):
    """One record: what happened, whom the contact was given to or taken from, and the draw as a fraction."""

    order: Order
    happened: Happened
    operator_id: int | None
    draw: float | None = None


class Kept(NamedTuple):
    """A contact as its row is now."""

    contact_id: int
    source_id: int
    lead_id: int
    created_at: datetime
    status: str
    operator_id: int | None
    closed_at: datetime | None


@dataclass(slots=True)
class Turn:
    """A record with the status that it led to.

    For one that opens a time of work, `taken_at` is when somebody first had the contact and `closed_at` when the work
    was closed.
    """

    fact: Fact
    status: ContactStatus
    operator_id: int | None
    was_waiting: bool = False
    taken_at: datetime | None = None
    closed_at: datetime | None = None

    @property
    def at(self) -> datetime:
        """When it happened."""
        return self.fact.order.at

    @property
    def handling(self) -> timedelta | None:
        """How long the contact was worked on; None when it was not taken, or not closed."""
        return None if self.taken_at is None or self.closed_at is None else self.closed_at - self.taken_at


class Life:
    """What became of a contact, turn by turn; `appeal` is the contact with its draws of the period."""

    def __init__(self, kept: Kept, facts: Sequence[Fact], period: Period) -> None:
        self._kept = kept
        self._period = period
        self._turns: list[Turn] = []
        self._opening: Turn | None = None
        if not any(fact.happened is Happened.ARRIVED for fact in facts):
            self._begin_before_the_record(next(iter(facts), None))
        for fact in facts:
            if fact.happened is not Happened.LEFT:
                self._tell(fact)
        if kept.status == CLOSED and kept.closed_at and self._turns[-1].status is not CLOSED:
            self._tell(Fact(Order(kept.closed_at, LEDGER, 0), Happened.CLOSED, None))
        drawn = (fact.draw for fact in facts if fact.order.at >= period.start and _is_drawn_by_itself(fact))
        known = tuple(draw for draw in drawn if draw is not None)
        self.appeal = Appeal(kept.contact_id, kept.source_id, kept.lead_id, kept.created_at, known)

    def present(self) -> Present | None:
        """Return how the contact stood at the beginning; None when it had not come in."""
        before = [turn for turn in self._turns if turn.at < self._period.start]
        if not before:
            return None
        last = before[-1]
        opening = next(turn for turn in reversed(before) if turn.fact.happened in OPENING)
        closes_at = opening.closed_at if last.status is ACTIVE else None
        return Present(self.appeal, last.status, last.operator_id, self._since(before), opening.handling, closes_at)

    def events(self) -> Iterator[tuple[Order, Event | None]]:
        """Yield what is to be replayed within the period, and None for what only followed from it."""
        for turn in self._turns:
            if turn.at in self._period:
                yield turn.fact.order, self._event(turn)

    def steps(self) -> Iterator[tuple[Order, Step]]:
        """Yield what became of the contact within the period."""
        for turn in self._turns:
            if turn.at in self._period:
                yield turn.fact.order, Step(turn.at, self._kept.contact_id, turn.status, turn.operator_id)

    def _begin_before_the_record(self, first: Fact | None) -> None:
        """Read from the first record, or from the row when there is none, how the contact stood before it."""
        kept = self._kept
        status, operator_id = WAITING, None
        if first is None and kept.operator_id is not None:
            status, operator_id = ACTIVE, kept.operator_id
        elif first is not None and first.happened in {Happened.CLOSED, Happened.LEFT}:
            status, operator_id = ACTIVE, first.operator_id
        elif first is not None and first.happened is Happened.REOPENED:
            status, operator_id = CLOSED, first.operator_id
        self._add(Turn(Fact(Order(kept.created_at, DECISIONS, 0), Happened.ARRIVED, operator_id), status, operator_id))

    def _tell(self, fact: Fact) -> None:
        last = self._turns[-1] if self._turns else None
        if fact.happened is Happened.REOPENED and last is not None and last.status is WAITING:
            # It was closed while it waited, and when is not recorded: it cannot have been given meanwhile.
            at = last.at + timedelta.resolution
            self._add(Turn(Fact(Order(at, LEDGER, 0), Happened.CLOSED, None), CLOSED, None, was_waiting=True))
        if fact.happened is Happened.CLOSED and last is not None:
            self._add(Turn(fact, CLOSED, last.operator_id, was_waiting=last.status is WAITING))
        else:
            self._add(Turn(fact, WAITING if fact.operator_id is None else ACTIVE, fact.operator_id))

    def _add(self, turn: Turn) -> None:
        if turn.fact.happened in OPENING or self._opening is None:
            self._opening = turn
        if turn.status is ACTIVE and self._opening.taken_at is None:
            self._opening.taken_at = turn.at
        if turn.status is CLOSED:
            self._opening.closed_at = turn.at
        self._turns.append(turn)

    def _event(self, turn: Turn) -> Event | None:
        contact_id = self._kept.contact_id
        event: Event | None = None
        match turn.fact.happened:
            case Happened.ARRIVED:
                event = Arrival(turn.at, self.appeal, turn.handling)
            case Happened.REOPENED:
                event = Reopening(turn.at, contact_id, turn.handling)
            case Happened.RETURNED:
                event = Return(turn.at, contact_id, turn.handling)
            case Happened.MOVED_BY_HAND if turn.operator_id is not None:
                event = MoveByHand(turn.at, contact_id, turn.operator_id)
            case Happened.MOVED_BY_DRAW:
                event = MoveByDraw(turn.at, contact_id, turn.fact.draw)
            case Happened.CLOSED if turn.was_waiting:
                event = Closing(turn.at, contact_id)
        return event

    @staticmethod
    def _since(turns: Sequence[Turn]) -> datetime:
        """Return when the contact got into the status of the last of the turns."""
        since = turns[-1]
        for turn in reversed(turns):
            if turn.status is not since.status:
                break
            since = turn
        return since.at


# The tables in the order in which they are read within one moment: what makes room goes first.
SETTINGS, LEDGER, DECISIONS, DRAINS = range(4)


def moments(facts: Iterable[Fact]) -> Iterator[datetime]:
    """Yield when something happened that is replayed, and from which drains follow."""
    following = {Happened.DRAINED, Happened.LEFT}
    return (fact.order.at for fact in facts if fact.happened not in following)


def _is_drawn_by_itself(fact: Fact) -> bool:
    return fact.happened in {Happened.ARRIVED, Happened.DRAINED}
