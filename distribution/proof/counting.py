"""Following what a strategy that counts has counted, from draw to draw. Pure."""

from distribution.counting import Count, counted
from distribution.records import Account
from distribution.rounds import Outcome


class Counting:
    """What each source had given after its last draw that counts, as far as its decisions were followed.

    Between two decisions others may have been pruned. So a draw goes on from more than was known, but never from
    less, nor from other numbers with the same sum; and from nothing when it starts anew.
    """

    def __init__(self) -> None:
        self._known: dict[int, Count] = {}

    def follow(self, source_id: int, account: Account) -> bool:
        """Go on to the next counted draw of the source; return whether it fits what was known."""
        last = account.rounds[-1]
        if not last.is_draw:
            return True
        candidates = last.candidates
        fits = last.given is None or self.fits(source_id, Count.of(candidates, last.given))
        if last.outcome == Outcome.TAKEN and last.drawn is not None:
            self._known[source_id] = counted(candidates, last.given, last.drawn)
        return fits

    def fits(self, source_id: int, count: Count) -> bool:
        """Return whether that much given can follow what was known."""
        weights, given = count
        known_weights, known = self._known.get(source_id, Count(weights, [0] * len(weights)))
        if known_weights != weights:
            return True
        grown = all(now >= then for now, then in zip(given, known, strict=True))
        return grown and (sum(given) > sum(known) or given == known)
