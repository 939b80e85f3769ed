"""What the steps of a period come to: shares, waiting times, peak loads, and who was left waiting. Pure."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from math import ceil
from typing import NamedTuple

from distribution.period import Period
from distribution.simulation.events import Appeal, Present, Step
from leads.models import ContactStatus


class Waits(NamedTuple):
    """How long contacts waited: half of them no longer than `median`, 95 in a hundred no longer than `most`."""

    median: timedelta
    most: timedelta
    longest: timedelta


@dataclass
class Figures:
    """What one course of the period comes to.

    `given` counts by (source id, operator id) how often a contact was given to somebody, `waits` holds by source id
    each time that one waited, 0 for those given at once. Who still waits at the end has waited until then, and is
    counted in `unassigned`. `peaks` are the highest loads by operator id.
    """

    given: Counter[tuple[int, int]] = field(default_factory=Counter)
    waits: dict[int, list[timedelta]] = field(default_factory=lambda: defaultdict(list))
    unassigned: Counter[int] = field(default_factory=Counter)
    peaks: dict[int, int] = field(default_factory=lambda: defaultdict(int))

    def shares(self, source_id: int) -> dict[int, float]:
        """Return by operator id the part of the source's contacts that they were given, together 1."""
        given = {operator_id: number for (source, operator_id), number in self.given.items() if source == source_id}
        return {operator_id: number / sum(given.values()) for operator_id, number in given.items()}

    def waited(self, source_id: int) -> Waits:
        """Return how long the contacts of the source waited; 0 when there were none."""
        waits = sorted(self.waits.get(source_id, [])) or [timedelta()]
        return Waits(_quantile(waits, 0.5), _quantile(waits, 0.95), waits[-1])


class Counting:
    """The contacts on their way through the steps."""

    def __init__(self, appeals: Mapping[int, Appeal], present: Iterable[Present]) -> None:
        self.figures = Figures()
        self._appeals = appeals
        self._holders: dict[int, int] = {}
        self._loads: Counter[int] = Counter()
        self._waiting: dict[int, datetime] = {}
        for contact in present:
            if contact.status is ContactStatus.WAITING:
                self._waiting[contact.appeal.contact_id] = contact.since
            elif contact.status is ContactStatus.ACTIVE and contact.operator_id is not None:
                self._take(contact.appeal.contact_id, contact.operator_id)

    def add(self, step: Step) -> None:
        """Count one step."""
        source_id = self._appeals[step.contact_id].source_id
        holder = self._holders.pop(step.contact_id, None)
        if holder is not None:
            self._loads[holder] -= 1
        if step.status is ContactStatus.WAITING:
            self._waiting[step.contact_id] = step.at
            return
        if holder is None:
            self._end_waiting(step, source_id)
        if step.status is ContactStatus.ACTIVE and step.operator_id is not None:
            self.figures.given[source_id, step.operator_id] += 1
            self._take(step.contact_id, step.operator_id)

    def end(self, moment: datetime) -> Figures:
        """Count who still waits, and return the figures."""
        for contact_id, since in self._waiting.items():
            source_id = self._appeals[contact_id].source_id
            self.figures.unassigned[source_id] += 1
            self.figures.waits[source_id].append(moment - since)
        return self.figures

    def _end_waiting(self, step: Step, source_id: int) -> None:
        self.figures.waits[source_id].append(step.at - self._waiting.pop(step.contact_id, step.at))

    def _take(self, contact_id: int, operator_id: int) -> None:
        self._holders[contact_id] = operator_id
        self._loads[operator_id] += 1
        self.figures.peaks[operator_id] = max(self.figures.peaks[operator_id], self._loads[operator_id])


def figures_of(
    steps: Iterable[Step], appeals: Mapping[int, Appeal], present: Iterable[Present], period: Period
) -> Figures:
    """Return what the steps come to."""
    counting = Counting(appeals, present)
    for step in steps:
        counting.add(step)
    return counting.end(period.end)


def _quantile(ordered: Sequence[timedelta], part: float) -> timedelta:
    """Return the smallest value that at least `part` of the values do not exceed (the nearest rank)."""
    return ordered[max(ceil(part * len(ordered)) - 1, 0)]
