"""The house in memory: it takes the recorded events, and gives the contacts by the rules that the product goes by."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from heapq import heappop, heappush
from itertools import count
from random import Random
from typing import Any

from distribution.counting import Count, counted, given_among
from distribution.draw import draw
from distribution.history import EXISTS, WEIGHT
from distribution.period import Period
from distribution.simulation.events import (
    Appeal,
    Arrival,
    Closing,
    Event,
    Key,
    MoveByDraw,
    MoveByHand,
    Opening,
    Present,
    Reopening,
    Return,
    SettingsChange,
    Step,
    Values,
)
from distribution.standing import Obstacle, Standing, available
from distribution.strategy import STRATEGIES
from leads.models import DEFAULT_STRATEGY, ContactStatus

STRATEGY = "strategy"
WAITING, ACTIVE, CLOSED = ContactStatus.WAITING, ContactStatus.ACTIVE, ContactStatus.CLOSED


@dataclass(slots=True)
class Seat:
    """An operator; the fields of settings bear the settings' names."""

    is_active: bool = True
    is_paused: bool = False
    max_load: int = 0
    load: int = 0

    def standing(self, operator_id: int, weight: int) -> Standing:
        """Return how they stand with the weight."""
        return Standing(operator_id, weight, self.load, self.max_load, self.is_active, self.is_paused)


@dataclass(slots=True)
class Channel:
    """A source: weights and roster by operator id, and the queue, a heap of (age, contact id) cleared as it is read."""

    is_active: bool = True
    strategy: str = DEFAULT_STRATEGY
    prefer_same_operator: bool = False
    weights: dict[int, int | None] = field(default_factory=dict)
    roster: dict[int, Standing] = field(default_factory=dict)
    queue: list[tuple[datetime, int]] = field(default_factory=list)


@dataclass(slots=True)
class Case:
    """A contact. `closing` numbers the closing that it is due for; `drawn` counts the recorded draws it has used."""

    appeal: Appeal
    status: ContactStatus
    operator_id: int | None
    handling: timedelta | None
    closing: int = 0
    drawn: int = 0


class House:
    """Operators, sources and contacts of one run; `changes` are the settings that stay other than they were.

    `steps` is what became of the contacts, `impossible` how many actions by hand could not be repeated, and
    `drawn_anew` how many draws had no recorded ticket and took a number that repeats with the seed.
    """

    def __init__(self, opening: Opening, changes: Values, seed: int) -> None:
        self.steps: list[Step] = []
        self.impossible = 0
        self.drawn_anew = 0
        self._random = Random(seed)
        self._changes = changes
        self._seats: dict[int, Seat] = {}
        self._channels: dict[int, Channel] = defaultdict(Channel)
        self._counts: dict[int, Count] = dict(opening.counts)
        self._had: dict[int, dict[int, int]] = defaultdict(dict, {k: dict(v) for k, v in opening.earlier.items()})
        self._cases: dict[int, Case] = {}
        self._closings: list[tuple[datetime, int, int]] = []
        self._numbers = count(1)
        self._set_up(opening)

    def run(self, events: Iterable[Event], period: Period) -> Iterator[None]:
        """Let the events happen, with a step for each, and whatever falls due before the end of the period."""
        self._now = period.start
        self._drain()
        for event in events:
            self._close_due(event.at)
            self._now = event.at
            self._replay(event)
            yield
        self._close_due(period.end - timedelta.resolution)

    def _set_up(self, opening: Opening) -> None:
        for key, value in opening.values.items():
            self._set(key, value)
        # Whoever is given a limit is there from the first moment on, the others from when they came.
        there = self._seats.keys() | {key.operator_id for key in self._changes if key.setting == "max_load"}
        for key, value in self._changes.items():
            if key.operator_id is None or key.source_id is not None or key.operator_id in there:
                self._set(key, value)
                if key.setting == STRATEGY and opening.values.get(key) != value:
                    self._counts.pop(key.source_id or 0, None)
        self._draw_up_rosters()
        for present in opening.present:
            self._take_in(present)

    def _take_in(self, present: Present) -> None:
        appeal, status, operator_id, _since, handling, closes_at = present
        case = self._cases[appeal.contact_id] = Case(appeal, status, operator_id, handling)
        if operator_id is not None:
            self._had[appeal.lead_id][appeal.contact_id] = operator_id
        if status is WAITING:
            self._join_queue(case)
        elif status is ACTIVE and operator_id is not None:
            self._change_load(operator_id, 1)
            self._close_at(case, closes_at)

    def _set(self, key: Key, value: Any) -> None:
        value = self._changes.get(key, value)
        setting, operator_id, source_id = key
        if setting == EXISTS:
            self._seats.pop(operator_id or 0, None)
            self._channels.pop(source_id or 0, None)
        elif setting == WEIGHT:
            self._channels[source_id or 0].weights[operator_id or 0] = value
        elif operator_id is not None:
            setattr(self._seats.setdefault(operator_id, Seat()), setting, value)
        else:
            setattr(self._channels[source_id or 0], setting, value)

    def _draw_up_rosters(self) -> None:
        for channel in self._channels.values():
            channel.roster = {
                operator_id: seat.standing(operator_id, weight)
                for operator_id, weight in sorted(channel.weights.items())
                if weight is not None and (seat := self._seats.get(operator_id)) is not None
            }

    def _change_load(self, operator_id: int, by: int) -> None:
        seat = self._seats[operator_id]
        seat.load += by
        for channel in self._channels.values():
            standing = channel.roster.get(operator_id)
            if standing is not None:
                channel.roster[operator_id] = standing._replace(load=seat.load)

    # What happens

    def _replay(self, event: Event) -> None:
        happens: Mapping[type[Any], Callable[[Any], bool]] = {
            Arrival: self._arrive,
            Closing: self._close_waiting,
            Reopening: self._reopen,
            Return: self._return,
            MoveByHand: self._move_by_hand,
            MoveByDraw: self._move_by_draw,
            SettingsChange: self._change_settings,
        }
        if not happens[type(event)](event):
            self.impossible += 1
        # Nobody waits beside an available operator, so what takes room away or none needs no drain.
        if not isinstance(event, Arrival):
            self._drain()

    def _arrive(self, event: Arrival) -> bool:
        case = self._cases[event.appeal.contact_id] = Case(event.appeal, CLOSED, None, event.handling)
        self._assign(case)
        return True

    def _close_waiting(self, event: Closing) -> bool:
        case = self._cases[event.contact_id]
        if case.status is not CLOSED:
            self._close(case)
        return True

    def _reopen(self, event: Reopening) -> bool:
        case = self._cases[event.contact_id]
        if case.status is not CLOSED:
            return False
        case.handling = event.handling
        if self._can_take(case.operator_id):
            self._give(case, case.operator_id or 0)
        else:
            self._put_in_queue(case)
        return True

    def _return(self, event: Return) -> bool:
        case = self._cases[event.contact_id]
        case.handling = event.handling
        if case.status is not ACTIVE or case.operator_id is None:
            return False
        seat = self._seats[case.operator_id]
        if seat.is_active and not seat.is_paused:
            self._close_after_handling(case)
            return False
        self._put_in_queue(case)
        return True

    def _move_by_hand(self, event: MoveByHand) -> bool:
        case = self._cases[event.contact_id]
        if case.status is ACTIVE and case.operator_id == event.operator_id:
            return True
        if case.status is CLOSED or not self._can_take(event.operator_id):
            return False
        self._give(case, event.operator_id)
        return True

    def _move_by_draw(self, event: MoveByDraw) -> bool:
        case = self._cases[event.contact_id]
        if case.status is CLOSED:
            return False
        leaving = {} if case.operator_id is None else {case.operator_id: Obstacle.EXCLUDED}
        channel = self._channels[case.appeal.source_id]
        candidates = available(list(channel.roster.values()), leaving)
        if not candidates:
            return False
        held = STRATEGIES[channel.strategy].tickets(candidates, None)
        self._give(case, candidates[draw(held, self._ticket(event.draw, sum(held)))].operator_id)
        return True

    def _change_settings(self, event: SettingsChange) -> bool:
        for key, value in event.values.items():
            self._set(key, value)
            if key.setting == STRATEGY and key not in self._changes:
                self._counts.pop(key.source_id or 0, None)
        self._draw_up_rosters()
        return True

    # The rules

    def _assign(self, case: Case) -> None:
        """Give the contact, new or waiting, to its lead's last operator or by draw; else let it wait."""
        operator_id = self._chosen(case)
        if operator_id is not None:
            self._give(case, operator_id)
        elif case.status is not WAITING:
            self._put_in_queue(case)

    def _chosen(self, case: Case) -> int | None:
        channel = self._channels[case.appeal.source_id]
        candidates = available(list(channel.roster.values()))
        if not candidates:
            return None
        if channel.prefer_same_operator:
            before = self._operator_to_return_to(case.appeal)
            if any(candidate.operator_id == before for candidate in candidates):
                return before
        return self._drawn(case, channel, candidates)

    def _drawn(self, case: Case, channel: Channel, candidates: list[Standing]) -> int:
        source_id, strategy = case.appeal.source_id, STRATEGIES[channel.strategy]
        given = given_among(self._counts.get(source_id), candidates) if strategy.counts else None
        held = strategy.tickets(candidates, given)
        recorded = case.appeal.draws[case.drawn] if case.drawn < len(case.appeal.draws) else None
        case.drawn += 1
        winner_id = candidates[draw(held, self._ticket(recorded, sum(held)))].operator_id
        if strategy.counts:
            self._counts[source_id] = counted(candidates, given, winner_id)
        return winner_id

    def _ticket(self, recorded: float | None, total: int) -> int:
        if recorded is None:
            self.drawn_anew += 1
            return self._random.randrange(total)
        return int(recorded * total)

    def _operator_to_return_to(self, appeal: Appeal) -> int | None:
        others = self._had[appeal.lead_id].keys() - {appeal.contact_id}
        return self._had[appeal.lead_id][max(others)] if others else None

    def _can_take(self, operator_id: int | None) -> bool:
        seat = self._seats.get(operator_id or 0)
        return seat is not None and seat.standing(0, 1).obstacle is None

    def _drain(self) -> None:
        """Give the oldest contact that waits on an active source with somebody available, until there is none."""
        while (case := self._next_in_queue()) is not None:
            self._assign(case)

    def _next_in_queue(self) -> Case | None:
        queues = [channel for channel in self._channels.values() if channel.is_active and self._somebody_waits(channel)]
        for channel in sorted(queues, key=lambda channel: channel.queue[0]):
            if available(list(channel.roster.values())):
                return self._cases[channel.queue[0][1]]
        return None

    def _somebody_waits(self, channel: Channel) -> bool:
        while channel.queue and self._cases[channel.queue[0][1]].status is not WAITING:
            heappop(channel.queue)
        return bool(channel.queue)

    # What becomes of a contact

    def _give(self, case: Case, operator_id: int) -> None:
        if case.status is ACTIVE:
            self._change_load(case.operator_id or 0, -1)
        else:
            self._close_after_handling(case)
        self._change_load(operator_id, 1)
        self._had[case.appeal.lead_id][case.appeal.contact_id] = operator_id
        self._step(case, ACTIVE, operator_id)

    def _put_in_queue(self, case: Case) -> None:
        if case.status is ACTIVE:
            self._change_load(case.operator_id or 0, -1)
        case.closing = 0
        self._had[case.appeal.lead_id].pop(case.appeal.contact_id, None)
        self._step(case, WAITING, None)
        self._join_queue(case)

    def _close(self, case: Case) -> None:
        if case.status is ACTIVE:
            self._change_load(case.operator_id or 0, -1)
        self._step(case, CLOSED, case.operator_id)

    def _join_queue(self, case: Case) -> None:
        heappush(self._channels[case.appeal.source_id].queue, (case.appeal.created_at, case.appeal.contact_id))

    def _close_after_handling(self, case: Case) -> None:
        self._close_at(case, None if case.handling is None else self._now + case.handling)

    def _close_at(self, case: Case, moment: datetime | None) -> None:
        case.closing = next(self._numbers)
        if moment is not None:
            heappush(self._closings, (moment, case.closing, case.appeal.contact_id))

    def _close_due(self, until: datetime) -> None:
        while self._closings and self._closings[0][0] <= until:
            self._now, number, contact_id = heappop(self._closings)
            case = self._cases[contact_id]
            if case.status is ACTIVE and case.closing == number:
                self._close(case)
                self._drain()

    def _step(self, case: Case, status: ContactStatus, operator_id: int | None) -> None:
        case.status, case.operator_id = status, operator_id
        self.steps.append(Step(self._now, case.appeal.contact_id, status, operator_id))
