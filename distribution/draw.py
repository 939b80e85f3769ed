"""The draw: a pure function of tickets."""

from collections.abc import Sequence
from itertools import accumulate


def draw(held: Sequence[int], ticket: int) -> int:
    """Return the place of whoever holds `ticket`, when each holds as many tickets as `held` says.

    They hold the tickets 0…W−1 in their order, W the sum. So with a ticket drawn evenly from them, the probability of
    each is exactly held / W.

    Raises ValueError for a ticket outside 0…W−1, and so for an empty list.
    """
    if ticket >= 0:
        for place, first_ticket_of_next in enumerate(accumulate(held)):
            if ticket < first_ticket_of_next:
                return place
    raise ValueError(f"ticket {ticket} is not among the {sum(held)} of these candidates")
