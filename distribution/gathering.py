"""Arrivals that come at the same time, registered together.

A transaction for ten contacts costs little more than for one: its ways to the database, its locks and its wait for
the disk are the same. So while some arrivals of one caller on one source are under way, those who come next wait, and
once they are many enough they are registered in one; databases call it group commit. Few at a time do not wait: each
goes alone, by a transaction that locks the operator drawn and no other.
"""

import logging
import threading
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import NamedTuple

from crm_project.access.acting import Actor, actor
from crm_project.access.idempotency import answer_is_kept
from crm_project.api.refusals import Refusal
from distribution.intake import Intake, Registration, register_contact
from distribution.intake_in_bulk import MOST_IN_A_CHUNK, register_chunk

# Measured (docs/performance.md): so many together cost less than each alone, and so few alone keep a process busy.
FEWEST_TOGETHER = 4
MOST_ALONE = 3

logger = logging.getLogger(__name__)


class Way(NamedTuple):
    """What arrivals have in common that may be registered together, unless each has an answer to keep."""

    source_code: str
    among: Collection[int] | None
    actor: Actor
    keeps_answers: bool


@dataclass(eq=False)
class Arrival:
    """A contact on its way: whom it takes along when it starts, or what became of it when it was taken along."""

    intake: Intake
    taken_along: list["Arrival"] = field(default_factory=list)
    outcome: Registration | Refusal | None = None
    starts: bool = False
    woken: threading.Event = field(default_factory=threading.Event)


@dataclass
class Traffic:
    """What goes on on a way: who waits, how many go alone, and whether some go together."""

    may_go_together: bool
    waiting: list[Arrival] = field(default_factory=list)
    alone: int = 0
    together: bool = False

    @property
    def is_over(self) -> bool:
        """Whether nobody is on the way."""
        return not (self.waiting or self.alone or self.together)

    def start(self) -> None:
        """Let start whoever may: those who wait together when they are enough, else a few of them alone.

        One kind waits for the other to end, for what goes together locks everybody whom it could draw.
        """
        if self.together:
            return
        if not self.may_go_together or len(self.waiting) < FEWEST_TOGETHER:
            for arrival in self._first(MOST_ALONE - self.alone):
                self.alone += 1
                _begin(arrival)
        elif not self.alone:
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


def _begin(arrival: Arrival) -> None:
    arrival.starts = True
    arrival.woken.set()


class Gathering:
    """The arrivals that a process has to register."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._traffic: dict[Way, Traffic] = {}

    def register(self, intake: Intake, *, among: Collection[int] | None = None) -> Registration:
        """Return and raise what `register_contact` does; a call whose answer its own transaction keeps goes alone."""
        way = Way(intake.source_code, among, actor(), answer_is_kept())
        arrival = self._called(way, Arrival(intake))
        if not arrival.starts:
            return _result(arrival, among)
        try:
            if arrival.taken_along:
                _register([arrival, *arrival.taken_along], among)
            return _result(arrival, among)
        finally:
            self._end(way, arrival)

    def _called(self, way: Way, arrival: Arrival) -> Arrival:
        """Return the arrival as soon as it starts, or was taken along."""
        with self._lock:
            traffic = self._traffic.setdefault(way, Traffic(may_go_together=not way.keeps_answers))
            traffic.waiting.append(arrival)
            traffic.start()
        arrival.woken.wait()
        return arrival

    def _end(self, way: Way, arrival: Arrival) -> None:
        with self._lock:
            traffic = self._traffic[way]
            traffic.end(arrival)
            traffic.start()
            if traffic.is_over:
                del self._traffic[way]
        for one in arrival.taken_along:
            one.woken.set()


def _register(arrivals: list[Arrival], among: Collection[int] | None) -> None:
    """Register them in one transaction; when that fails, each is left to find out alone whose fault it was."""
    try:
        outcomes = register_chunk([arrival.intake for arrival in arrivals], among=among)
    except Exception:
        logger.exception("%d arrivals could not be registered together: each goes alone.", len(arrivals))
        return
    for arrival, outcome in zip(arrivals, outcomes, strict=True):
        arrival.outcome = outcome


def _result(arrival: Arrival, among: Collection[int] | None) -> Registration:
    """Return what became of the arrival, which is registered now if that is not known; raises a Refusal."""
    if arrival.outcome is None:
        return register_contact(arrival.intake, among=among)
    if isinstance(arrival.outcome, Refusal):
        raise arrival.outcome
    return arrival.outcome


gathering = Gathering()
