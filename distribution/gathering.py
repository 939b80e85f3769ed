"""Arrivals that come at the same time, registered together.

A transaction for ten contacts costs little more than for one: its ways to the database, its locks and its wait for
the disk are the same. So while some arrivals of one caller on one source are under way, those who come next wait, and
once they are many enough they are registered in one; databases call it group commit. Few at a time do not wait: each
goes alone, by a transaction that locks the operator drawn and no other.
"""

import logging
import threading
from collections.abc import Collection, Sequence
from copy import copy
from dataclasses import dataclass, field
from queue import SimpleQueue
from typing import NamedTuple

from django.db import InterfaceError, OperationalError

from crm_project.access.acting import Actor, actor
from crm_project.access.idempotency import Keeping, doing
from distribution.intake import Intake, Registration, register_contact
from distribution.intake_in_bulk import MOST_IN_A_CHUNK, Call, Result, register_calls

# Measured (docs/performance.md): so many together cost less than each alone, and so few alone keep a process busy.
FEWEST_TOGETHER = 4
MOST_ALONE = 3

logger = logging.getLogger(__name__)

type Outcome = Result | OperationalError | InterfaceError | None


class Way(NamedTuple):
    """What arrivals have in common that may be registered together."""

    source_code: str
    among: Collection[int] | None
    actor: Actor


@dataclass(eq=False)
class Arrival:
    """A contact on its way: whom it takes along when it starts, or what became of it when it was taken along."""

    call: Call
    taken_along: list["Arrival"] = field(default_factory=list)
    outcome: Outcome = None
    is_settled: bool = False
    starts: bool = False
    turn: SimpleQueue[None] = field(default_factory=SimpleQueue)


@dataclass
class Traffic:
    """What goes on on a way: who waits, how many go alone, and whether some go together."""

    waiting: list[Arrival] = field(default_factory=list)
    alone: int = 0
    together: bool = False

    @property
    def is_over(self) -> bool:
        """Whether nobody is on the way."""
        return not (self.waiting or self.alone or self.together)

    def start(self) -> None:
        """Let start whoever may, while there is room: those who wait together when they are enough, else each alone.

        Nobody else starts beside those who go together, for they lock everybody whom they could draw.
        """
        if self.together or self.alone >= MOST_ALONE:
            return
        if len(self.waiting) < FEWEST_TOGETHER:
            for arrival in self._first(MOST_ALONE - self.alone):
                self.alone += 1
                _begin(arrival)
        else:
            self.together = True
            leader, *leader.taken_along = self._first(MOST_IN_A_CHUNK)
            _begin(leader)

    def end(self, arrival: Arrival) -> None:
        """Count off an arrival that had started."""
        if arrival.taken_along:
            self.together = False
        else:
            self.alone -= 1

    def _first(self, most: int) -> list[Arrival]:
        first, self.waiting = self.waiting[:most], self.waiting[most:]
        return first


class Gathering:
    """The arrivals that a process has to register."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._traffic: dict[Way, Traffic] = {}

    def register(
        self, intake: Intake, *, among: Collection[int] | None = None, keeping: Keeping | None = None
    ) -> Registration:
        """Return and raise what `register_contact` does when the answer is kept so, None for not at all."""
        way = Way(intake.source_code, among, actor())
        arrival = self._called(way, Arrival(Call(intake, keeping)))
        if arrival.taken_along:
            self._lead(way, arrival)
        elif arrival.starts:
            try:
                return _register_alone(arrival.call, among)
            finally:
                self._end(way, arrival)
        return _result(arrival, among)

    def _called(self, way: Way, arrival: Arrival) -> Arrival:
        """Return the arrival as soon as it starts, or was taken along."""
        with self._lock:
            traffic = self._traffic.setdefault(way, Traffic())
            traffic.waiting.append(arrival)
            traffic.start()
        arrival.turn.get()
        return arrival

    def _lead(self, way: Way, leader: Arrival) -> None:
        """Register the leader and those it takes along, and say what became of each as soon as that is committed."""
        arrivals = [leader, *leader.taken_along]
        try:
            register_calls(
                [arrival.call for arrival in arrivals],
                among=way.among,
                committed=lambda outcomes: self._settle(way, arrivals, outcomes),
            )
        except Exception as error:
            logger.exception("Registering %d arrivals together failed", len(arrivals))
            if not leader.is_settled:
                # Only a database that is away may have committed all the same; else each finds out whose fault it was.
                away = error if isinstance(error, OperationalError | InterfaceError) else None
                self._settle(way, arrivals, [away] * len(arrivals))

    def _settle(self, way: Way, arrivals: Sequence[Arrival], outcomes: Sequence[Outcome]) -> None:
        for arrival, outcome in zip(arrivals, outcomes, strict=True):
            arrival.outcome, arrival.is_settled = outcome, True
        self._end(way, arrivals[0])

    def _end(self, way: Way, arrival: Arrival) -> None:
        """Count off an arrival that had started, and let go on whoever waited for it."""
        with self._lock:
            traffic = self._traffic[way]
            traffic.end(arrival)
            traffic.start()
            if traffic.is_over:
                del self._traffic[way]
        for one in arrival.taken_along:
            one.turn.put(None)


def _begin(arrival: Arrival) -> None:
    arrival.starts = True
    arrival.turn.put(None)


def _register_alone(call: Call, among: Collection[int] | None) -> Registration:
    with doing(call.keeping):
        return register_contact(call.intake, among=among)


def _result(arrival: Arrival, among: Collection[int] | None) -> Registration:
    """Return what became of an arrival that did not go alone, or raise it; register it now if that is not known."""
    if arrival.outcome is None:
        return _register_alone(arrival.call, among)
    if isinstance(arrival.outcome, Registration):
        return arrival.outcome
    raise copy(arrival.outcome)  # Others raise it, too, each in a thread of their own.


gathering = Gathering()
