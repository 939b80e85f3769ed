"""The house at a glance: what waits, who has how much, what came in, and whether set-up is done. Reads only.

Every function takes the same number of statements however many rows there are.
"""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db.models import Case, Count, F, IntegerField, Min, Q, QuerySet, Sum, Value, When, Window
from django.db.models.functions import Coalesce, NullIf
from django.utils.timezone import localtime

from distribution.availability import can_take
from leads.models import Contact, Source
from operators.models import Operator, Weight

HOURS = 24
ONE_HOUR = timedelta(hours=1)


@dataclass(frozen=True)
class Queue:
    """How many contacts wait, since when the oldest does (None without any), and how many wait too long."""

    waiting: int
    oldest_at: datetime | None
    too_long: int


@dataclass(frozen=True)
class Places:
    """How many contacts all operators have and could take now, who is active, who has room, who is at the limit."""

    taken: int
    free: int
    active_operators: int
    operators_with_room: int
    operators_at_limit: int


@dataclass(frozen=True)
class Arrivals:
    """How many contacts came in the last 24 hours: by the hour that began at `hours`, for each source that had some."""

    hours: Sequence[datetime]
    of_sources: Sequence[tuple[Source, Sequence[int]]]


@dataclass(frozen=True)
class Setup:
    """Which steps of setting up are done, and whether anything came in already."""

    has_operators: bool
    has_sources: bool
    has_weights: bool
    has_contacts: bool

    @property
    def is_done(self) -> bool:
        """Whether contacts can be distributed, or were."""
        return self.has_contacts or (self.has_operators and self.has_sources and self.has_weights)


def queue_now(now: datetime, longest: timedelta) -> Queue:
    """Return what waits; what waits longer than `longest` waits too long."""
    figures = Contact.objects.waiting().aggregate(
        waiting=Count("pk"), oldest_at=Min("created_at"), too_long=Count("pk", filter=Q(created_at__lt=now - longest))
    )
    return Queue(**figures)


def places_now() -> Places:
    """Return the places of all operators; the load of an operator is the number of their active contacts."""
    figures = Operator.objects.aggregate(
        taken=Coalesce(Sum("load"), 0),
        free=Coalesce(Sum(F("max_load") - F("load"), filter=can_take()), 0),
        active_operators=Count("pk", filter=Q(is_active=True)),
        operators_with_room=Count("pk", filter=can_take()),
        operators_at_limit=Count("pk", filter=at_limit()),
    )
    return Places(**figures)


def at_limit() -> Q:
    """Return the filter of active operators who have as many contacts as they may, or more."""
    return Q(is_active=True, load__gte=F("max_load"))


def working() -> QuerySet[Operator]:
    """Return the operators who take contacts or still have some."""
    return Operator.objects.filter(Q(is_active=True) | Q(load__gt=0))


def fullest_operators(most: int) -> tuple[list[Operator], int]:
    """Return those of `working` with the highest load / limit, and how many there are in all.

    Whoever has a limit of 0 comes last.
    """
    fullness = F("load") * 1.0 / NullIf("max_load", 0)
    rows = working().annotate(count=Window(Count("pk")))
    operators: list[Any] = list(rows.order_by(fullness.desc(nulls_last=True), "-load", "name", "pk")[:most])
    return operators, operators[0].count if operators else 0


def arrivals(now: datetime) -> Arrivals:
    """Return what came in the hour of `now`, by the clock of the active time zone, and in the 23 before it."""
    hours = _hours_before(now)
    counted = _counted_by_hour(hours)
    sources = Source.objects.in_bulk(list(counted))
    busiest_first = sorted(counted, key=lambda source_id: (-counted[source_id].total(), source_id))
    rows = [(sources[key], [counted[key][hour] for hour in range(HOURS)]) for key in busiest_first if key in sources]
    return Arrivals(hours, rows)


def came_since(since: datetime, sources: QuerySet[Source]) -> QuerySet[Contact]:
    """Return the contacts of the sources that came since then, in no order.

    Naming the sources, be it all, lets the database look into the index of each instead of reading all contacts; and
    what counts them as `*` is answered by that index alone.
    """
    return Contact.objects.filter(source__in=sources.order_by().values("pk"), created_at__gte=since).order_by()


def setup() -> Setup:
    """Return how far setting up has come; where contacts came in already, nobody asks for the rest."""
    if Contact.objects.exists():
        return Setup(has_operators=True, has_sources=True, has_weights=True, has_contacts=True)
    return Setup(
        has_operators=Operator.objects.exists(),
        has_sources=Source.objects.exists(),
        has_weights=Weight.objects.filter(weight__gt=0).exists(),
        has_contacts=False,
    )


def _hours_before(now: datetime) -> list[datetime]:
    # Counted in UTC: an hour that the clock skips or repeats is an hour all the same.
    last = localtime(now).replace(minute=0, second=0, microsecond=0).astimezone(UTC)
    return [last - ONE_HOUR * back for back in reversed(range(HOURS))]


def _counted_by_hour(hours: Sequence[datetime]) -> dict[int, Counter[int]]:
    """Return for each source how many contacts came in each hour, by its place in `hours`."""
    latest_first = reversed(list(enumerate(hours)))
    hour = Case(*_whens(latest_first), default=Value(0), output_field=IntegerField())
    rows = came_since(hours[0], Source.objects.all()).annotate(hour=hour)
    counted: defaultdict[int, Counter[int]] = defaultdict(Counter)
    for source_id, place, count in rows.values_list("source", "hour").annotate(count=Count("*")):
        counted[source_id][place] = count
    return counted


def _whens(latest_first: Any) -> list[When]:
    return [When(created_at__gte=begins, then=Value(place)) for place, begins in latest_first]
