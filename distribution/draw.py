"""The weighted draw: a pure function of the candidates and a ticket."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate


@dataclass(frozen=True, slots=True)
class Candidate:
    """An available operator and their weight, above 0, on the source."""

    operator_id: int
    weight: int


def total_weight(candidates: Sequence[Candidate]) -> int:
    """Return W, the number of tickets: the sum of the candidates' weights."""
    return sum(candidate.weight for candidate in candidates)


def draw(candidates: Sequence[Candidate], ticket: int) -> Candidate:
    """Return the candidate who holds `ticket`.

    The candidates hold the tickets 0…W−1 in their order, each as many as their weight. So with a ticket drawn
    evenly from them, the probability of each is exactly weight / W.

    Raises ValueError for a ticket outside 0…W−1, and so for an empty list.
    """
    if ticket >= 0:
        for candidate, first_ticket_of_next in zip(candidates, accumulate(c.weight for c in candidates), strict=True):
            if ticket < first_ticket_of_next:
                return candidate
    raise ValueError(f"ticket {ticket} is not among the {total_weight(candidates)} of these candidates")
