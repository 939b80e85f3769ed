"""What is asked of a simulation, and the answer."""

import gc
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from distribution.history import WEIGHT
from distribution.period import Period
from distribution.simulation.errors import OperatorNotInvolved
from distribution.simulation.events import Key, Values
from distribution.simulation.history import MOST_CONTACTS, History, read_history
from distribution.simulation.house import House
from distribution.simulation.report import Report, report_on
from distribution.watching import Watch, unwatched
from leads.models import Source

SEED = 1


@dataclass(frozen=True)
class Question:
    """What if the source had had these `changes` of weights, limits, activity or strategy all through the period?"""

    source: Source
    period: Period
    changes: Values = field(default_factory=dict)
    seed: int = SEED


def answer(
    question: Question, *, most: int = MOST_CONTACTS, reading: Watch = unwatched, simulating: Watch = unwatched
) -> Report:
    """Read the period, replay it in memory and return what differs; nothing is written.

    `most` is how many contacts it may be; the two others see the steps pass. Raises
    TooManyContacts, PeriodNotRecorded and OperatorNotInvolved.
    """
    with _not_collecting():
        history = _read(question, most, reading)
        house = House(history.opening, question.changes, question.seed)
        for _step in simulating(house.run(history.events, history.period), len(history.events)):
            pass
        return report_on(question.source.pk, history, house, question.changes)


def command_line(question: Question) -> str:
    """Return the command that asks the same."""
    arguments = ["--source", question.source.code]
    arguments += ["--from", question.period.start.isoformat(), "--to", question.period.end.isoformat()]
    for key, value in question.changes.items():
        arguments += _arguments(key, value)
    if question.seed != SEED:
        arguments += ["--seed", str(question.seed)]
    return shlex.join(["manage.py", "simulate", *arguments])


@contextmanager
def _not_collecting() -> Iterator[None]:
    """Let the collector of cycles rest: it would look over and over through many small values that make none."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _read(question: Question, most: int, reading: Watch) -> History:
    changes = question.changes
    weights = [key for key in changes if key.setting == WEIGHT]
    history = read_history(question.source.pk, question.period, beside=weights, most=most, watch=reading)
    for key in changes:
        if key.operator_id is not None and key.operator_id not in history.operators:
            raise OperatorNotInvolved
    return history


def _arguments(key: Key, value: Any) -> list[str]:
    match key.setting:
        case "weight":
            return ["--weight", f"{key.operator_id}={value}"]
        case "max_load":
            return ["--limit", f"{key.operator_id}={value}"]
        case "is_active":
            return ["--activate" if value else "--deactivate", str(key.operator_id)]
    return ["--strategy", str(value)]
