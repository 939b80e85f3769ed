"""Who waits, why, and what would help, as things stand now."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import Count, Min, QuerySet
from django.utils.translation import gettext as _

from distribution.availability import STANDING_COLUMNS, roster_of
from distribution.phrases import Names, nobody_available
from distribution.selectors import names_of, queue_position
from distribution.standing import Obstacle, Standing, available
from leads.models import Contact, ContactStatus, Source
from operators.models import Weight

# What would be otherwise in the standing of an operator whom the obstacle no longer stops.
REMOVED_BY: Mapping[Obstacle, Mapping[str, Any]] = {
    Obstacle.INACTIVE: {"is_active": True},
    Obstacle.PAUSED: {"is_paused": False},
    Obstacle.ZERO_WEIGHT: {"weight": 1},
    Obstacle.AT_LIMIT: {"load": 0, "max_load": 1},
}


@dataclass(frozen=True)
class Wait:
    """The place in the queue, 1 the next, and why it waits, in a sentence; both None when it does not wait."""

    position: int | None = None
    because: str | None = None


@dataclass(frozen=True)
class Hindered:
    """An operator of a source, and everything that keeps them from its contacts."""

    standing: Standing
    name: str
    obstacles: Sequence[Obstacle]


@dataclass(frozen=True)
class Standstill:
    """Why the contacts of a source wait, in a sentence, and whom something keeps from taking them.

    First those of whom the least would have to change, then the highest weight; nobody when somebody is available.
    """

    because: str
    hindered: Sequence[Hindered]
    has_operators: bool


def wait_of(contact: Contact) -> Wait:
    """Return how the contact, read with its source, waits."""
    position = queue_position(contact)
    return Wait() if position is None else Wait(position, why_waiting(contact))


def why_waiting(contact: Contact) -> str:
    """Return why a contact that waits has nobody yet, in a sentence."""
    roster = roster_of(contact.source_id) if contact.source.is_active else []
    names = {} if available(roster) else names_of([standing.operator_id for standing in roster])
    return _because(contact.source, roster, names)


def sources_waited_on() -> QuerySet[Any]:
    """Return the sources on which somebody waits, the longest wait first.

    Each has `waiting_count`, how many there are, and `oldest_at`, since when the oldest waits.
    """
    waiting = Source.objects.filter(contacts__status=ContactStatus.WAITING)
    counted = waiting.annotate(waiting_count=Count("contacts"), oldest_at=Min("contacts__created_at"))
    return counted.order_by("oldest_at", "pk")


def standstills(sources: Collection[Source]) -> dict[int, Standstill]:
    """Return by source id why each of the sources has contacts that wait, in one statement for all of them."""
    rosters: dict[int, list[Standing]] = {source.pk: [] for source in sources}
    names: dict[int, str] = {}
    weights = Weight.objects.filter(source__in=list(rosters)).order_by("operator_id")
    for source_id, name, *standing in weights.values_list("source_id", "operator__name", *STANDING_COLUMNS):
        rosters[source_id].append(Standing._make(standing))
        names[standing[0]] = name
    return {source.pk: _standstill(source, rosters[source.pk], names) for source in sources}


def obstacles_of(standing: Standing) -> Iterator[Obstacle]:
    """Yield everything that keeps an operator from being available: the first obstacle, then what stands behind it."""
    while (obstacle := standing.obstacle) is not None:
        yield obstacle
        if obstacle not in REMOVED_BY:
            return
        standing = standing._replace(**REMOVED_BY[obstacle])


def _standstill(source: Source, roster: Sequence[Standing], names: Mapping[int, str]) -> Standstill:
    because = _because(source, roster, names)
    if available(roster):
        return Standstill(because, [], has_operators=True)
    hindered = [Hindered(one, names[one.operator_id], list(obstacles_of(one))) for one in roster]
    hindered.sort(key=lambda one: (len(one.obstacles), -one.standing.weight, one.name))
    return Standstill(because, hindered, has_operators=bool(roster))


def _because(source: Source, roster: Sequence[Standing], names: Names) -> str:
    if not source.is_active:
        return _("The source is switched off, and its queue rests.")
    if available(roster):
        return _("Somebody is available: the queue is given within seconds, the oldest contact first.")
    return nobody_available(roster, {standing.operator_id: standing.obstacle for standing in roster}, names)
