"""Least loaded: whoever has the lowest load / limit; ties by chance."""

from collections.abc import Sequence
from fractions import Fraction

from distribution.standing import Standing


def tickets(candidates: Sequence[Standing], given: Sequence[int] | None) -> list[int]:
    """Return how many tickets each candidate holds: one for each of the least loaded.

    Fractions compare exactly where 1/3 and 3/9 as floats might not. A candidate has room, so no limit is 0.
    """
    shares = [Fraction(candidate.load, candidate.max_load) for candidate in candidates]
    lowest = min(shares, default=None)
    return [int(share == lowest) for share in shares]
