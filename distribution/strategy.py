"""The strategies that a source can choose from: one line each."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from distribution.standing import Standing
from distribution.strategies import least_loaded, smooth_weighted, weighted_random

type Tickets = Callable[[Sequence[Standing], Sequence[int] | None], list[int]]


@dataclass(frozen=True)
class Strategy:
    """How a source chooses among its available operators.

    `tickets` is a pure function of the candidates, by operator id, and of how many contacts each got since they last
    changed; it returns how many tickets of the draw each holds. Only for a strategy that `counts` are these numbers
    kept, under a lock on the source; the others get None. `by_weight` says whether shares follow the weights.
    """

    name: str | Promise
    tickets: Tickets
    counts: bool = False
    by_weight: bool = True


STRATEGIES = {
    "weighted_random": Strategy(_("at random, by weight"), weighted_random.tickets),
    "smooth_weighted": Strategy(_("in turn, by weight"), smooth_weighted.tickets, counts=True),
    "least_loaded": Strategy(_("the least loaded first"), least_loaded.tickets, by_weight=False),
}


def choices() -> list[tuple[str, str | Promise]]:
    """Return the codes with their names, for forms and fields."""
    return [(code, strategy.name) for code, strategy in STRATEGIES.items()]
