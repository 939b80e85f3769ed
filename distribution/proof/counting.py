"""Following what a strategy that counts has counted, from draw to draw. Pure."""

from distribution.records import Account
from distribution.rounds import Outcome, Round

type Weights = list[tuple[int, int]]


class Counting:
    """What each source had given after its last draw that counts, as far as its decisions were followed.

    Between two decisions others may have been pruned. So a draw goes on from more than was known, but never from
    less, nor from other numbers with the same sum; and from nothing when it starts anew.
    """

    def __init__(self) -> None:
        self._known: dict[int, tuple[Weights, list[int]]] = {}

    def follow(self, source_id: int, account: Account) -> bool:
        """Go on to the next counted draw of the source; return whether it fits what was known."""
        last = account.rounds[-1]
        if not last.is_draw:
            return True
        weights = _weights(last)
        before = list(last.given or [0] * len(weights))
        fits = last.given is None or self.fits(source_id, weights, before)
        if last.outcome == Outcome.TAKEN:
            places = [operator_id for operator_id, _weight in weights]
            before[places.index(last.drawn or 0)] += 1
            self._known[source_id] = weights, before
        return fits

    def fits(self, source_id: int, weights: Weights, given: list[int]) -> bool:
        """Return whether that much given to candidates with these weights can follow what was known."""
        known_weights, known = self._known.get(source_id, (weights, [0] * len(weights)))
        if known_weights != weights:
            return True
        grown = all(now >= then for now, then in zip(given, known, strict=True))
        return grown and (sum(given) > sum(known) or given == known)


def _weights(round_: Round) -> Weights:
    return [(candidate.operator_id, candidate.weight) for candidate in round_.candidates]
