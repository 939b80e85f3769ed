"""Each source: the shares that its weights promise now, beside the shares of what came lately. Reads only."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from django.db.models import Count

from distribution.availability import rosters_of
from distribution.overview import came_since
from distribution.selectors import names_of
from distribution.standing import Obstacle, Standing, available
from distribution.strategy import STRATEGIES
from leads.models import Source


@dataclass(frozen=True)
class OperatorShares:
    """An operator's part of a source, 0 to 1: expected by weight among those available, and actual.

    `name` is None for one who was deleted, `expected` where the strategy does not go by weight; `obstacle` says why an
    operator is not available now; `contacts` is how many of the period they have.
    """

    operator_id: int
    name: str | None
    expected: float | None
    obstacle: Obstacle | None
    actual: float
    contacts: int


@dataclass(frozen=True)
class SourceShares:
    """A source, how many contacts of the period have an operator, its largest shares, and how many more there are."""

    source: Source
    contacts: int
    operators: Sequence[OperatorShares]
    more: int


def shares_of_busiest(since: datetime, *, most_sources: int, most_operators: int) -> list[SourceShares]:
    """Return the active sources with the most contacts since then, each with its operators of the largest shares."""
    busiest = _busiest(since, most_sources)
    given = _given_since(since, busiest)
    rosters = rosters_of([source.pk for source in busiest])
    rows = {source: _compared(source, rosters[source.pk], given[source.pk]) for source in busiest}
    largest = {source: sorted(shares, key=_size, reverse=True)[:most_operators] for source, shares in rows.items()}
    names = names_of({row.operator_id for shares in largest.values() for row in shares})
    return [
        SourceShares(
            source=source,
            contacts=given[source.pk].total(),
            operators=[replace(row, name=names.get(row.operator_id)) for row in shares],
            more=len(rows[source]) - len(shares),
        )
        for source, shares in largest.items()
    ]


def _busiest(since: datetime, most: int) -> list[Source]:
    """Return the active sources of which operators have the most contacts since then."""
    sources = Source.objects.filter(is_active=True).order_by("name", "pk")
    contacts = came_since(since, sources).filter(operator__isnull=False)
    counted = dict(contacts.values_list("source").annotate(count=Count("*")))
    return sorted(sources, key=lambda source: -counted.get(source.pk, 0))[:most]


def _given_since(since: datetime, sources: Sequence[Source]) -> defaultdict[int, Counter[int]]:
    """Return for each source how many of its contacts since then each operator has."""
    among = Source.objects.filter(pk__in=[source.pk for source in sources])
    contacts = came_since(since, among).filter(operator__isnull=False)
    given: defaultdict[int, Counter[int]] = defaultdict(Counter)
    for source_id, operator_id, count in contacts.values_list("source", "operator").annotate(count=Count("*")):
        given[source_id][operator_id] = count
    return given


def _compared(source: Source, roster: Sequence[Standing], given: Counter[int]) -> list[OperatorShares]:
    """Return the shares of everybody who takes part in the draws of the source, or has contacts of it."""
    standings = {
        standing.operator_id: standing for standing in roster if standing.weight or standing.operator_id in given
    }
    expected = _expected(source, roster)
    total = given.total() or 1
    return [
        OperatorShares(
            operator_id=key,
            name=None,
            expected=None if expected is None else expected.get(key, 0.0),
            obstacle=standings[key].obstacle if key in standings else Obstacle.NOT_LISTED,
            actual=given[key] / total,
            contacts=given[key],
        )
        for key in standings.keys() | given.keys()
    ]


def _expected(source: Source, roster: Sequence[Standing]) -> Mapping[int, float] | None:
    if not STRATEGIES[source.strategy].by_weight:
        return None
    candidates = available(roster)
    total = sum(candidate.weight for candidate in candidates)
    return {candidate.operator_id: candidate.weight / total for candidate in candidates}


def _size(row: OperatorShares) -> tuple[float, int]:
    return max(row.expected or 0.0, row.actual), -row.operator_id
