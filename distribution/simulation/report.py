"""Before and after, in rows for a table: what happened in truth beside what would have happened."""

from collections import Counter
from dataclasses import dataclass
from datetime import timedelta
from typing import NamedTuple

from distribution.history import WEIGHT
from distribution.simulation.events import Arrival, SettingsChange, Values
from distribution.simulation.figures import Figures, Waits, figures_of
from distribution.simulation.history import History
from distribution.simulation.house import House
from leads.models import Source
from operators.models import Operator


class Pair[T](NamedTuple):
    """A value in truth and in the simulation."""

    before: T
    after: T


@dataclass(frozen=True)
class OperatorRow:
    """An operator: their weight on the source at the beginning, their part of its contacts, their highest load."""

    operator_id: int
    name: str
    weight: Pair[int | None]
    given: Pair[int]
    share: Pair[float]
    peak: Pair[int]


@dataclass(frozen=True)
class SourceRow:
    """A source: how many contacts came, how long they waited, and how many waited at the end."""

    source_id: int
    name: str
    contacts: int
    waits: Pair[Waits]
    unassigned: Pair[int]

    @property
    def differs(self) -> bool:
        """Whether anything is another in the simulation."""
        return any(side.before != side.after for side in (self.waits, self.unassigned))


@dataclass(frozen=True)
class Report:
    """What a simulation says; the source that was asked about comes first."""

    sources: list[SourceRow]
    operators: list[OperatorRow]
    impossible: int
    drawn_anew: int

    @property
    def source(self) -> SourceRow:
        """The source that was asked about."""
        return self.sources[0]

    @property
    def largest_shift(self) -> float:
        """By how much the share of an operator differs at most, 0 to 1."""
        return max((abs(row.share.after - row.share.before) for row in self.operators), default=0.0)


def report_on(source_id: int, history: History, house: House, changes: Values) -> Report:
    """Return the report on a house that has run."""
    appeals, present = history.appeals, history.opening.present
    figures = Pair(
        figures_of(history.steps, appeals, present, history.period),
        figures_of(house.steps, appeals, present, history.period),
    )
    return Report(
        sources=_source_rows(source_id, history, figures),
        operators=_operator_rows(source_id, history, figures, changes),
        impossible=house.impossible,
        drawn_anew=house.drawn_anew,
    )


def clock(time: timedelta) -> str:
    """Return hours, minutes and seconds, as in 30:05:00; a day is no unit of it."""
    minutes, seconds = divmod(int(time.total_seconds()), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{seconds:02}"


def _source_rows(source_id: int, history: History, figures: Pair[Figures]) -> list[SourceRow]:
    names = dict(Source.objects.filter(pk__in=history.sources).values_list("pk", "name"))
    contacts = Counter(event.appeal.source_id for event in history.events if isinstance(event, Arrival))
    others = sorted(one for one in names if one != source_id and any(one in side.waits for side in figures))
    return [
        SourceRow(
            one,
            names.get(one, _number(one)),
            contacts[one],
            Pair(*(side.waited(one) for side in figures)),
            Pair(*(side.unassigned[one] for side in figures)),
        )
        for one in [source_id, *others]
    ]


def _operator_rows(source_id: int, history: History, figures: Pair[Figures], changes: Values) -> list[OperatorRow]:
    """Return those of the source, and of the others those whose highest load differs."""
    names = dict(Operator.objects.filter(pk__in=history.operators).values_list("pk", "name"))
    shares = Pair(*(side.shares(source_id) for side in figures))
    weights = _recorded_weights(source_id, history), _weights(source_id, changes)
    concerned = weights[0].keys() | weights[1].keys() | shares.before.keys() | shares.after.keys()
    concerned |= {one for one in history.operators if len({side.peaks.get(one, 0) for side in figures}) > 1}
    return [
        OperatorRow(
            one,
            names.get(one, _number(one)),
            Pair(weights[0].get(one), weights[1].get(one, weights[0].get(one))),
            Pair(*(side.given[source_id, one] for side in figures)),
            Pair(*(side.get(one, 0.0) for side in shares)),
            Pair(*(side.peaks.get(one, 0) for side in figures)),
        )
        for one in sorted(concerned)
    ]


def _recorded_weights(source_id: int, history: History) -> dict[int, int]:
    """Return the weights at the beginning, and the first ones of those who had none then."""
    later = [event.values for event in history.events if isinstance(event, SettingsChange)]
    weights: dict[int, int] = {}
    for values in reversed([history.opening.values, *later]):
        weights |= _weights(source_id, values)
    return weights


def _weights(source_id: int, values: Values) -> dict[int, int]:
    return {
        key.operator_id or 0: value
        for key, value in values.items()
        if key.setting == WEIGHT and key.source_id == source_id and value is not None
    }


def _number(row_id: int) -> str:
    return f"#{row_id}"
