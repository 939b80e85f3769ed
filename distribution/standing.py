"""How an operator stands on a source, and what keeps them from being drawn: pure, without Django."""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import NamedTuple


class Obstacle(StrEnum):
    """Why an operator of a source is not available; the values are stable codes."""

    INACTIVE = "inactive"
    PAUSED = "paused"
    ZERO_WEIGHT = "zero_weight"
    AT_LIMIT = "at_limit"
    EXCLUDED = "excluded"  # the contact is to leave them
    REFUSED = "refused"  # drawn in an earlier round, and no longer available under the lock
    NOT_LISTED = "not_listed"  # no weight on the source


class Standing(NamedTuple):
    """An operator on a source, as they were read."""

    operator_id: int
    weight: int
    load: int
    max_load: int
    is_active: bool
    is_paused: bool = False

    @property
    def obstacle(self) -> Obstacle | None:
        """What keeps them from being available; None when nothing does."""
        if not self.is_active:
            return Obstacle.INACTIVE
        if self.is_paused:
            return Obstacle.PAUSED
        if self.weight == 0:
            return Obstacle.ZERO_WEIGHT
        if self.load >= self.max_load:
            return Obstacle.AT_LIMIT
        return None

    @property
    def obstacle_by_hand(self) -> Obstacle | None:
        """The same for whoever is named by hand, who needs no weight."""
        return self._replace(weight=1).obstacle


def available(roster: Sequence[Standing], excluded: Mapping[int, Obstacle] | None = None) -> list[Standing]:
    """Return those of the roster who can be drawn, in its order, without the operators that `excluded` names."""
    without = excluded or {}
    return [standing for standing in roster if standing.operator_id not in without and standing.obstacle is None]
