"""The probability that each operator has in the next draw of a source, as its strategy has it now.

Nothing here writes or locks, and every page and call that shows a share asks here.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from django.db.models import OuterRef, Prefetch, QuerySet, Subquery, Sum

from distribution.availability import is_available, obstacle, standing_of
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


def with_rosters(weights: QuerySet[Weight]) -> QuerySet[Weight]:
    """Return the weights with what `share` needs, however many sources they belong to, in two more statements."""
    return weights.select_related("operator").prefetch_related(Prefetch("source", _with_roster(Source.objects.all())))


def share(weight: Weight) -> float:
    """Return the probability of a weight, from `with_rosters`, in a draw now; 0 when not available."""
    return _probabilities(weight.source).get(weight.operator_id, 0.0)


def available_weight(source_ids: Collection[int], *, without: Collection[int] = ()) -> dict[int, int]:
    """Return by source id the sum of the weights of its available operators, those in `without` left out."""
    weights = Weight.objects.filter(is_available(), source__in=source_ids).exclude(operator__in=without)
    sums = dict(weights.order_by().values("source").annotate(sum=Sum("weight")).values_list("source", "sum"))
    return {source_id: sums.get(source_id, 0) for source_id in source_ids}


def _source_with_roster(source_id: int) -> Any:
    source = _with_roster(Source.objects.filter(pk=source_id)).first()
    if source is None:
        raise SourceNotFound
    return source


def _with_roster(sources: QuerySet[Source]) -> QuerySet[Any]:
    """Return the sources with all their weights, and with what their strategy has counted."""
    weights = Weight.objects.select_related("operator").order_by("operator_id")
    count = DrawCount.objects.filter(pk=OuterRef("pk"))
    return sources.prefetch_related(Prefetch("weights", weights, to_attr="roster")).annotate(
        counted_weights=Subquery(count.values("weights")), counted_given=Subquery(count.values("given"))
    )


def _shares(source: Any) -> list[Share]:
    chances = _probabilities(source)
    return [Share(row.operator, row.weight, chances.get(row.operator_id, 0.0)) for row in source.roster]


def _probabilities(source: Any) -> Any:
    """Return the candidates' probabilities by operator id; they are kept with the source, for all its weights."""
    if "probabilities" not in vars(source):
        strategy, candidates = STRATEGIES[source.strategy], _candidates(source)
        given = given_among(_count(source), candidates) if strategy.counts else None
        exact = probabilities(strategy, candidates, given)
        source.probabilities = {operator_id: float(chance) for operator_id, chance in exact.items()}
    return source.probabilities


def _count(source: Any) -> Count | None:
    weights, given = source.counted_weights, source.counted_given
    return None if weights is None else Count(weights, given)


def _candidates(source: Any) -> list[Standing]:
    return available([standing_of(row.operator, row.weight) for row in source.roster])


def _nobody(source: Any) -> Nobody | None:
    if not source.is_active:
        return Nobody.SOURCE_INACTIVE
    candidates = {candidate.operator_id for candidate in _candidates(source)}
    if not candidates:
        return Nobody.NOBODY_AVAILABLE
    return Nobody.LEFT_TO_QUEUE if candidates <= operators_waited_for(source.pk) else None
