"""The plain values of a simulation: what happened, in which order, and what became of the contacts."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from distribution.counting import Count
from leads.models import ContactStatus


class Key(NamedTuple):
    """Which setting: of an operator, of a source, or with both ids a weight; the names are those of the history."""

    setting: str
    operator_id: int | None = None
    source_id: int | None = None


type Values = Mapping[Key, Any]


class Appeal(NamedTuple):
    """A contact as it stays through all that happens.

    `draws` are its recorded tickets in their order, each as the fraction (ticket + 1/2) / W of the W that there were.
    """

    contact_id: int
    source_id: int
    lead_id: int
    created_at: datetime
    draws: tuple[float, ...] = ()


class Arrival(NamedTuple):
    """A contact comes in. `handling` is how long whoever takes it works on it; None when it was never closed."""

    at: datetime
    appeal: Appeal
    handling: timedelta | None


class Closing(NamedTuple):
    """A contact that waited is closed."""

    at: datetime
    contact_id: int


class Reopening(NamedTuple):
    """A closed contact is opened again, and takes `handling` from then on."""

    at: datetime
    contact_id: int
    handling: timedelta | None


class Return(NamedTuple):
    """A contact is put back in the queue, and takes `handling` from its next operator."""

    at: datetime
    contact_id: int
    handling: timedelta | None


class MoveByHand(NamedTuple):
    """A contact is given to the operator named."""

    at: datetime
    contact_id: int
    operator_id: int


class MoveByDraw(NamedTuple):
    """A contact is given to another operator of its source by draw."""

    at: datetime
    contact_id: int
    draw: float | None


class SettingsChange(NamedTuple):
    """Settings get other values, all of them before anybody draws; None takes a weight off the list."""

    at: datetime
    values: Values


type Event = Arrival | Closing | Reopening | Return | MoveByHand | MoveByDraw | SettingsChange


class Present(NamedTuple):
    """A contact that was there at the beginning; an active one is closed at `closes_at`, as it was in truth.

    `since` is the moment it got into this status, or came in.
    """

    appeal: Appeal
    status: ContactStatus
    operator_id: int | None
    since: datetime
    handling: timedelta | None
    closes_at: datetime | None


@dataclass(frozen=True, kw_only=True)
class Opening:
    """How everything stood at the beginning.

    `earlier` are the operators of each lead's contacts that were closed for good by then, by contact id; `counts` are
    what the strategies that count had given, by source id.
    """

    values: Values
    present: list[Present]
    earlier: Mapping[int, Mapping[int, int]]
    counts: Mapping[int, Count]


class Step(NamedTuple):
    """What became of a contact at a moment: its status, and its operator if it has one."""

    at: datetime
    contact_id: int
    status: ContactStatus
    operator_id: int | None
