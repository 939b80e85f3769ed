"""The probability that each operator has in the next draw of a source, as its strategy has it now.

Nothing here writes or locks, and every page and call that shows a share asks here.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from django.db.models import OuterRef, Prefetch, QuerySet, Subquery, Sum

from distribution.availability import is_available, obstacle, rosters_of, standing_of
from distribution.counting import Count, given_among
from distribution.errors import NobodyAvailable, SourceInactive, SourceNotFound
from distribution.models import DrawCount
from distribution.rounds import Outcome, probabilities
from distribution.selectors import operators_waited_for
from distribution.standing import Obstacle, Standing, available
from distribution.strategy import STRATEGIES
from leads.models import Source
from operators.models import Operator, Weight


class Nobody(StrEnum):
    """Why the next contact of a source goes to nobody; the values are stable codes."""

    SOURCE_INACTIVE = SourceInactive.code
    NOBODY_AVAILABLE = NobodyAvailable.code
    LEFT_TO_QUEUE = Outcome.LEFT_TO_QUEUE.value


@dataclass(frozen=True)
class Share:
    """An operator's weight on a source and what it comes to: the probability in a draw now, 0 to 1."""

    operator: Operator
    weight: int
    share: float

    @property
    def reason(self) -> Obstacle | None:
        """Why the operator is not available; None when nothing keeps them."""
        return obstacle(self.operator, self.weight)


@dataclass(frozen=True)
class Preview:
    """What the next contact of a source will meet: the shares by its strategy, or why it will go to nobody."""

    source: Source
    nobody: Nobody | None
    operators: Sequence[Share]


def preview(source_id: int) -> Preview:
    """Return what a contact would meet that came now, from a lead who goes back to nobody. Raises SourceNotFound."""
    source = _source_with_roster(source_id)
    return Preview(source, _nobody(source), _shares(source))


def shares(source_id: int) -> list[Share]:
    """Return every weight of the source, by operator id, with its probability in a draw now. Raises SourceNotFound."""
    return _shares(_source_with_roster(source_id))


def shares_of(weights: Collection[Weight]) -> dict[int, float]:
    """Return by the key of each weight its probability in a draw now, 0 when not available.

    Takes two statements, however many sources the weights belong to.
    """
    sources = _counted(Source.objects.filter(pk__in={weight.source_id for weight in weights})).in_bulk()
    rosters = rosters_of(sources)
    chances = {key: _chances(source, available(rosters[key])) for key, source in sources.items()}
    return {weight.pk: chances.get(weight.source_id, {}).get(weight.operator_id, 0.0) for weight in weights}


def available_weight(source_ids: Collection[int], *, without: Collection[int] = ()) -> dict[int, int]:
    """Return by source id the sum of the weights of its available operators, those in `without` left out."""
    weights = Weight.objects.filter(is_available(), source__in=source_ids).exclude(operator__in=without)
    sums = dict(weights.order_by().values("source").annotate(sum=Sum("weight")).values_list("source", "sum"))
    return {source_id: sums.get(source_id, 0) for source_id in source_ids}


def _source_with_roster(source_id: int) -> Any:
    """Return the source with all its weights, and their candidates. Raises SourceNotFound."""
    weights = Weight.objects.select_related("operator").order_by("operator_id")
    sources = _counted(Source.objects.filter(pk=source_id)).prefetch_related(Prefetch("weights", weights, "roster"))
    source: Any = sources.first()
    if source is None:
        raise SourceNotFound
    source.candidates = available([standing_of(row.operator, row.weight) for row in source.roster])
    return source


def _counted(sources: QuerySet[Source]) -> QuerySet[Any]:
    """Return the sources with what their strategy has counted."""
    count = DrawCount.objects.filter(pk=OuterRef("pk"))
    return sources.annotate(
        counted_weights=Subquery(count.values("weights")), counted_given=Subquery(count.values("given"))
    )


def _shares(source: Any) -> list[Share]:
    chances = _chances(source, source.candidates)
    return [Share(row.operator, row.weight, chances.get(row.operator_id, 0.0)) for row in source.roster]


def _chances(source: Any, candidates: Sequence[Standing]) -> dict[int, float]:
    """Return the probabilities of the candidates by operator id."""
    strategy = STRATEGIES[source.strategy]
    given = given_among(_count(source), candidates) if strategy.counts else None
    exact = probabilities(strategy, candidates, given)
    return {operator_id: float(chance) for operator_id, chance in exact.items()}


def _count(source: Any) -> Count | None:
    weights, given = source.counted_weights, source.counted_given
    return None if weights is None else Count(weights, given)


def _nobody(source: Any) -> Nobody | None:
    if not source.is_active:
        return Nobody.SOURCE_INACTIVE
    candidates = {candidate.operator_id for candidate in source.candidates}
    if not candidates:
        return Nobody.NOBODY_AVAILABLE
    return Nobody.LEFT_TO_QUEUE if candidates <= operators_waited_for([source.pk]) else None
