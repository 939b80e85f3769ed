"""Smooth weighted: after any number of contacts each candidate has had their share of them, to within one.

With n contacts given since the candidates last changed, x of them to somebody with weight w of the sum W, the share is
n·w/W, and |x − n·w/W| < 1 for everybody, always. That is the chairman assignment problem (R. Tijdeman, Discrete
Mathematics 32, 1980); the rule is that of proportionate fairness (S. Baruah, N. Cohen, C. Plaxton, D. Varvel,
Algorithmica 15, 1996): the contact number x + 1 of a candidate may not come too early, nor after a deadline, and of
those for whom it is not too early the earliest deadline goes first.

The first contact after a change goes to anybody, with the probability of their weight: were it always the heaviest,
a house whose operators come and go would flood that one. The bound holds all the same. A contact given before its
deadline only takes a slot; by the time t the deadlines of all the others ask for at most the sum of ⌊t·w/W⌋, which is
less than t as long as the one who came first is not due.
"""

from collections.abc import Sequence

from distribution.standing import Standing


def tickets(candidates: Sequence[Standing], given: Sequence[int] | None) -> list[int]:
    """Return how many tickets each candidate holds: one for each whose deadline is the earliest.

    `given` says how many contacts each candidate got since they last changed; None when they just did.
    """
    weights = [candidate.weight for candidate in candidates]
    if given is None:
        return weights
    total, number = sum(weights), sum(given) + 1
    deadlines = [
        -(-(had + 1) * total // weight) if number * weight > had * total else None
        for weight, had in zip(weights, given, strict=True)
    ]
    earliest = min((deadline for deadline in deadlines if deadline is not None), default=None)
    return [int(deadline is not None and deadline == earliest) for deadline in deadlines]
