"""Who is available: the one list of conditions, as a filter and as a reason."""

from collections.abc import Collection
from enum import StrEnum
from typing import Any

from django.db.models import F, Q, QuerySet

from crm_project.statements import KeptStatement
from distribution.draw import Candidate
from operators.models import Operator, Weight


class Obstacle(StrEnum):
    """Why an operator of a source is not available; the values are stable codes."""

    INACTIVE = "inactive"
    ZERO_WEIGHT = "zero_weight"
    AT_LIMIT = "at_limit"


def can_take(operator: str = "") -> Q:
    """Return the filter of operators who are active and below their limit.

    `operator` is the path to them with its double underscore, such as `operator__`; empty on Operator itself.
    """
    return Q(**{f"{operator}is_active": True, f"{operator}load__lt": F(f"{operator}max_load")})


def is_available() -> Q:
    """Return the filter of weights whose operator is available on their source."""
    return Q(weight__gt=0) & can_take("operator__")


def can_take_as_read(operator: Operator) -> bool:
    """Return what `can_take` asks, of an operator as they were read."""
    return operator.is_active and operator.has_room


def obstacle(operator: Operator, weight: int) -> Obstacle | None:
    """Return what keeps `operator`, as read, from being available with `weight`; None when nothing does."""
    if not operator.is_active:
        return Obstacle.INACTIVE
    if weight == 0:
        return Obstacle.ZERO_WEIGHT
    if not operator.has_room:
        return Obstacle.AT_LIMIT
    return None


def candidates(source_id: int, *, excluding: Collection[int] = ()) -> list[Candidate]:
    """Return who is available on the source now, by operator id, without the operators `excluding` names."""
    rows = _available_weights(source_id)
    return [Candidate(operator_id, weight) for operator_id, weight in rows if operator_id not in excluding]


def has_weight(source_id: int, operator_id: int) -> bool:
    """Return whether the operator still takes part in the draws of the source."""
    return bool(_drawing_weight(source_id, operator_id))


@KeptStatement
def _available_weights(source_id: Any) -> QuerySet[Any, Any]:
    weights = Weight.objects.filter(is_available(), source=source_id)
    return weights.order_by("operator_id").values_list("operator_id", "weight")


@KeptStatement
def _drawing_weight(source_id: Any, operator_id: Any) -> QuerySet[Any, Any]:
    weights = Weight.objects.filter(source=source_id, operator=operator_id, weight__gt=0)
    return weights.order_by().values_list("pk")
