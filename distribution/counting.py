"""What a strategy that counts goes by: how many contacts each candidate got since they last changed. Pure."""

from collections.abc import Sequence
from typing import NamedTuple, Self

from distribution.standing import Standing


class Count(NamedTuple):
    """The candidates of the last draw as [operator id, weight], and how many contacts each got so far."""

    weights: list[list[int]]
    given: list[int]

    @classmethod
    def of(cls, candidates: Sequence[Standing], given: Sequence[int]) -> Self:
        """Return the count of what these candidates were given."""
        return cls(_weights(candidates), list(given))


def given_among(count: Count | None, candidates: Sequence[Standing]) -> list[int] | None:
    """Return how many contacts each candidate got; None when they are not the candidates of the last draw."""
    return None if count is None or count.weights != _weights(candidates) else count.given


def counted(candidates: Sequence[Standing], given: Sequence[int] | None, winner_id: int) -> Count:
    """Return the count with one more for the winner."""
    before = given or [0] * len(candidates)
    after = [
        number + (candidate.operator_id == winner_id) for candidate, number in zip(candidates, before, strict=True)
    ]
    return Count.of(candidates, after)


def _weights(candidates: Sequence[Standing]) -> list[list[int]]:
    return [[candidate.operator_id, candidate.weight] for candidate in candidates]
