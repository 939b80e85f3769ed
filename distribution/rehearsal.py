"""What a bulk move would do, worked out in memory: nothing is written and nothing is locked."""

import secrets
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

from crm_project.api.refusals import Refusal
from distribution.availability import obstacle_by_hand, standing_of
from distribution.bulk import BulkMove, Moved, Result, Stayed
from distribution.draw import draw
from distribution.errors import NobodyAvailable, unavailable
from distribution.standing import Obstacle, Standing, available
from distribution.strategy import STRATEGIES
from leads.models import Contact, Source
from operators.models import Operator, Weight


@dataclass
class Candidates:
    """Who can be drawn on a source, by operator id, as they stood after so many contacts were given."""

    standings: dict[int, Standing]
    given: int


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
        self._weights: dict[int, list[tuple[int, int]]] = defaultdict(list)
        weights = Weight.objects.order_by("operator_id").values_list("source_id", "operator_id", "weight")
        for source_id, operator_id, weight in weights:
            self._weights[source_id].append((operator_id, weight))
        self._sources = Source.objects.in_bulk()
        self._candidates_on: dict[int, Candidates] = {}
        self._receivers: list[int] = []

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
                self._receivers.append(receiver.pk)
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
        if source_id not in self._candidates_on:
            self._candidates_on[source_id] = Candidates(self._available_on(source_id), len(self._receivers))
        return self._up_to_date(self._candidates_on[source_id])

    def _available_on(self, source_id: int) -> dict[int, Standing]:
        roster = [standing_of(self._operators[operator_id], weight) for operator_id, weight in self._weights[source_id]]
        candidates = available(roster, {self._move.from_operator.pk: Obstacle.EXCLUDED})
        return {candidate.operator_id: candidate for candidate in candidates}

    def _up_to_date(self, candidates: Candidates) -> list[Standing]:
        """Return the candidates after what was given since they were looked at last: nobody else stands otherwise."""
        standings = candidates.standings
        for operator_id in standings.keys() & self._receivers[candidates.given :]:
            standing = standings[operator_id]._replace(load=self._operators[operator_id].load)
            standings[operator_id] = standing
            if standing.obstacle is not None:
                del standings[operator_id]
        candidates.given = len(self._receivers)
        return list(standings.values())

    def _result(self, receiver: Operator | None) -> Result:
        if receiver is not None or self._move.to_queue:
            return Moved(receiver)
        return Stayed(self._refusal())

    def _refusal(self) -> Refusal:
        if self._move.to_operator is None:
            return NobodyAvailable()
        obstacle = obstacle_by_hand(self._operators[self._move.to_operator.pk])
        return unavailable(obstacle or Obstacle.AT_LIMIT)
