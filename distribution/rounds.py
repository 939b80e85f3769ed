"""One round of a decision: how everybody stood, whom the ticket named, and what came of it. Pure, but for names."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from fractions import Fraction

from distribution.draw import draw
from distribution.standing import Obstacle, Standing, available
from distribution.strategy import Strategy


class Outcome(StrEnum):
    """What came of a round; the values are stable codes."""

    TAKEN = "taken"
    UNAVAILABLE = "unavailable"  # the one drawn was not available any more under the lock
    LEFT_TO_QUEUE = "left_to_queue"  # the one drawn was left to whoever waits longer
    NOBODY = "nobody"  # nobody was available, so nobody was drawn


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """Who stood how, whom the ticket named, and what came of it.

    `excluded` gives the reason for whoever must not be drawn, `given` what the strategy counts. A round without a
    ticket that names somebody all the same went back to the operator whom a returning lead had before.
    """

    roster: Sequence[Standing]
    outcome: Outcome
    excluded: Mapping[int, Obstacle] = field(default_factory=dict)
    given: Sequence[int] | None = None
    ticket: int | None = None
    drawn: int | None = None

    @property
    def candidates(self) -> list[Standing]:
        """The operators who could be drawn, by id."""
        return available(self.roster, self.excluded)

    @property
    def is_draw(self) -> bool:
        """Whether a ticket was drawn."""
        return self.ticket is not None

    def obstacle_of(self, operator_id: int) -> Obstacle | None:
        """Return why the operator is not available, be it that they are not on the roster; None for a candidate."""
        return self.obstacles().get(operator_id, Obstacle.NOT_LISTED)

    def obstacles(self) -> dict[int, Obstacle | None]:
        """Return for each operator of the roster why they were not available; None for a candidate."""
        return {
            standing.operator_id: self.excluded.get(standing.operator_id, standing.obstacle) for standing in self.roster
        }


def drawn_by(strategy: Strategy, candidates: Sequence[Standing], given: Sequence[int] | None, ticket: int) -> int:
    """Return the id of the operator whom the ticket names. Raises ValueError for a ticket that nobody holds."""
    return candidates[draw(strategy.tickets(candidates, given), ticket)].operator_id


def probabilities(
    strategy: Strategy, candidates: Sequence[Standing], given: Sequence[int] | None
) -> dict[int, Fraction]:
    """Return each candidate's probability, by operator id; together they are 1 when there is anybody."""
    held = strategy.tickets(candidates, given)
    total = sum(held)
    return {
        candidate.operator_id: Fraction(tickets, total) for candidate, tickets in zip(candidates, held, strict=True)
    }
