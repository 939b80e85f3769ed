"""Weighted random: each candidate's probability is weight / sum of the weights, whatever went before."""

from collections.abc import Sequence

from distribution.standing import Standing


def tickets(candidates: Sequence[Standing], given: Sequence[int] | None) -> list[int]:
    """Return how many tickets each candidate holds: as many as their weight."""
    return [candidate.weight for candidate in candidates]
