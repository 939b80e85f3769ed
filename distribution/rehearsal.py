"""What a bulk move would do, worked out in memory: nothing is written and nothing is locked."""

import secrets
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator

from crm_project.api.refusals import Refusal
from distribution.availability import obstacle_by_hand, standing_of
from distribution.bulk import BulkMove, Moved, Result, Stayed
from distribution.draw import draw
from distribution.errors import NobodyAvailable, unavailable
from distribution.standing import Obstacle, Standing, available
from distribution.strategy import STRATEGIES
from leads.models import Contact, Source
from operators.models import Operator, Weight


class Rehearsal:
    """The operators as they are now, filling up in memory as the contacts of a bulk move are given to them.

    `leaving` are the ids of those who are deactivated with the one whose contacts move. What is drawn is one outcome
    of many, and what others do meanwhile cannot be known.
    """

    def __init__(self, move: BulkMove, leaving: Collection[int] = ()) -> None:
        self._move = move
        self._operators = Operator.objects.in_bulk()
        for operator_id in {*leaving, *([move.from_operator.pk] if move.deactivate else [])}:
            self._operators[operator_id].is_active = False
        self._weights: dict[int, list[Weight]] = defaultdict(list)
        for weight in Weight.objects.order_by("operator_id"):
            self._weights[weight.source_id].append(weight)
        self._sources = Source.objects.in_bulk()

    def room(self, contacts: Iterable[Contact]) -> dict[Operator, int]:
        """Return who could take some of the contacts, by id, and how many each has room for."""
        sources = {contact.source_id for contact in contacts}
        receivers = sorted({candidate.operator_id for source in sources for candidate in self._candidates(source)})
        operators = [self._operators[operator_id] for operator_id in receivers]
        return {operator: operator.max_load - operator.load for operator in operators}

    def run(self, contacts: Iterable[Contact]) -> Iterator[Result]:
        """Yield what would become of each contact."""
        for contact in contacts:
            receiver = self._receiver(contact.source_id)
            if receiver is not None:
                receiver.load += 1
            yield self._result(receiver)

    def _receiver(self, source_id: int) -> Operator | None:
        candidates = self._candidates(source_id)
        if not candidates:
            return None
        held = STRATEGIES[self._sources[source_id].strategy].tickets(candidates, None)
        return self._operators[candidates[draw(held, secrets.randbelow(sum(held)))].operator_id]

    def _candidates(self, source_id: int) -> list[Standing]:
        if self._move.to_operator is not None:
            return available([standing_of(self._operators[self._move.to_operator.pk], 1)])
        if self._move.to_queue and not self._sources[source_id].is_active:
            return []
        weights = self._weights[source_id]
        roster = [standing_of(self._operators[weight.operator_id], weight.weight) for weight in weights]
        return available(roster, {self._move.from_operator.pk: Obstacle.EXCLUDED})

    def _result(self, receiver: Operator | None) -> Result:
        if receiver is not None or self._move.to_queue:
            return Moved(receiver)
        return Stayed(self._refusal())

    def _refusal(self) -> Refusal:
        if self._move.to_operator is None:
            return NobodyAvailable()
        obstacle = obstacle_by_hand(self._operators[self._move.to_operator.pk])
        return unavailable(obstacle or Obstacle.AT_LIMIT)
