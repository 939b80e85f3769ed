"""Who is available: the one list of conditions, as a filter of rows and as read."""

from collections.abc import Collection
from typing import Any

from django.db.models import F, Q, QuerySet

from crm_project.statements import KeptStatement
from crm_project.statements_for_many import packed
from distribution.standing import Obstacle, Standing, available
from operators.models import Operator, Weight

# The fields of a Standing, in its order, as columns of a weight.
STANDING_COLUMNS = (
    *("operator_id", "weight"),
    *(f"operator__{name}" for name in ("load", "max_load", "is_active", "is_paused")),
)


def can_take(operator: str = "") -> Q:
    """Return the filter of operators who are active, not paused and below their limit.

    `operator` is the path to them with its double underscore, such as `operator__`; empty on Operator itself.
    """
    below_limit = Q(**{f"{operator}load__lt": F(f"{operator}max_load")})
    return Q(**{f"{operator}is_active": True, f"{operator}is_paused": False}) & below_limit


def is_available() -> Q:
    """Return the filter of weights whose operator is available on their source."""
    return Q(weight__gt=0) & can_take("operator__")


def can_take_as_read(operator: Operator) -> bool:
    """Return what `can_take` asks, of an operator as they were read."""
    return obstacle_by_hand(operator) is None


def standing_of(operator: Operator, weight: int) -> Standing:
    """Return how the operator, as read, stands with `weight`."""
    return Standing(operator.pk, weight, operator.load, operator.max_load, operator.is_active, operator.is_paused)


def obstacle(operator: Operator, weight: int) -> Obstacle | None:
    """Return what keeps `operator`, as read, from being available with `weight`; None when nothing does."""
    return standing_of(operator, weight).obstacle


def obstacle_by_hand(operator: Operator) -> Obstacle | None:
    """Return what keeps `operator`, as read, from being given a contact without a draw; None when nothing does."""
    return standing_of(operator, 0).obstacle_by_hand


def roster_of(source_id: int) -> list[Standing]:
    """Return how every operator of the source stands now, by operator id."""
    return [Standing._make(row) for row in _roster(source_id)]


def rosters_of(source_ids: Collection[int]) -> dict[int, list[Standing]]:
    """Return for each of the sources how every operator stands now, by operator id, in one statement."""
    rosters: dict[int, list[Standing]] = {source_id: [] for source_id in source_ids}
    for source_id, *standing in _rosters(packed(source_ids)):
        rosters[source_id].append(Standing._make(standing))
    return rosters


def anybody_available(source_id: int) -> bool:
    """Return whether a draw on the source would find somebody now."""
    return bool(available(roster_of(source_id)))


def has_weight(source_id: int, operator_id: int) -> bool:
    """Return whether the operator still takes part in the draws of the source."""
    return bool(_drawing_weight(source_id, operator_id))


@KeptStatement
def _roster(source_id: Any) -> QuerySet[Any, Any]:
    return Weight.objects.filter(source=source_id).order_by("operator_id").values_list(*STANDING_COLUMNS)


@KeptStatement
def _rosters(source_ids: Any) -> QuerySet[Any, Any]:
    weights = Weight.objects.filter(source__among=source_ids).order_by("source_id", "operator_id")
    return weights.values_list("source_id", *STANDING_COLUMNS)


@KeptStatement
def _drawing_weight(source_id: Any, operator_id: Any) -> QuerySet[Any, Any]:
    weights = Weight.objects.filter(source=source_id, operator=operator_id, weight__gt=0)
    return weights.order_by().values_list("pk")
