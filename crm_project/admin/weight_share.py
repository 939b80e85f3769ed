"""What a weight comes to, beside the field that it is typed into: by the server, and for `weights.js`."""

from distribution.availability import obstacle_by_hand
from distribution.phrases import WHY_NOT, percent
from distribution.shares import available_weight
from distribution.strategy import STRATEGIES
from leads.models import Source
from operators.models import Operator


def why_not(operator: Operator) -> str:
    """Return why the operator could not be drawn, whatever the weight; empty when nothing keeps them."""
    reason = obstacle_by_hand(operator)
    return str(WHY_NOT[reason]) if reason else ""


def share_told(weight: int | None, why: str, total: int) -> str:
    """Return the share of `total`, the sum of the weights of the available operators, in per cent.

    `why` the operator is not available makes it 0; without a weight there is nothing to tell.
    """
    if weight is None:
        return ""
    return percent(0 if why or not total else weight / total)


def goes_by_weight(source: Source) -> bool:
    """Return whether the shares of the source follow the weights."""
    return STRATEGIES[source.strategy].by_weight


def others_by_source(sources: list[Source], operator_ids: list[int]) -> dict[int, int]:
    """Return by source id the available weight of everybody else, for the sources that go by weight."""
    by_weight = [source.pk for source in sources if goes_by_weight(source)]
    return available_weight(by_weight, without=operator_ids)
