"""How everybody stands on some sources, all under lock, while one contact after the other is given in memory."""

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import replace
from functools import partial

from distribution.assignment import Choice, drawn
from distribution.availability import rosters_of
from distribution.counting import Count, counted, given_among
from distribution.counts import count_of, keep
from distribution.locks import lock_operators_of
from distribution.records import Account
from distribution.rounds import Outcome, Round
from distribution.selectors import operators_waited_for
from distribution.standing import Standing
from distribution.strategy import STRATEGIES
from distribution.transactions import StartAnew
from leads.models import Source


class RosterChanged(StartAnew):
    """Somebody came on the list between the locks and the look: the next attempt locks them too."""


class LockedRosters:
    """The rosters of some sources, whose operators nobody else changes until the transaction ends.

    Sources whose strategy counts are locked before. Raises RosterChanged.
    """

    def __init__(self, source_ids: Collection[int]) -> None:
        self._operators = lock_operators_of(source_ids)
        # Looked at after the locks, in new statements: so whoever was committed as waiting before is seen.
        self._rosters = rosters_of(source_ids)
        self._waited_for = operators_waited_for(source_ids)
        self._counts: dict[int, Count | None] = {}
        self._places: dict[int, list[tuple[int, int]]] = defaultdict(list)
        for source_id, roster in self._rosters.items():
            for place, standing in enumerate(roster):
                self._places[standing.operator_id].append((source_id, place))
                if standing.obstacle is None and standing.operator_id not in self._operators:
                    raise RosterChanged

    def choose(self, source: Source, returning_to: int | None) -> Choice:
        """Give one contact of the source by draw, or leave it to the queue, and remember it for the next."""
        opening = Round(roster=list(self._rosters[source.pk]), outcome=Outcome.NOBODY)
        counts = STRATEGIES[source.strategy].counts
        given = partial(self._given, source.pk) if counts else None
        round_, preferred = drawn(source.strategy, opening, given, returning_to)
        if round_.drawn is None or round_.drawn in self._waited_for:
            self._leave_to_queue(source.pk)
            outcome = Outcome.NOBODY if round_.drawn is None else Outcome.LEFT_TO_QUEUE
            return Choice(None, Account(rounds=[replace(round_, outcome=outcome)], preferred=preferred))
        self._count_up(round_.drawn)
        if counts and round_.is_draw:
            self._counts[source.pk] = counted(round_.candidates, round_.given, round_.drawn)
        account = Account(rounds=[replace(round_, outcome=Outcome.TAKEN)], preferred=preferred)
        return Choice(self._operators[round_.drawn], account)

    def store_counts(self) -> None:
        """Store what the strategies that count have given."""
        for source_id, count in self._counts.items():
            if count is not None:
                keep(source_id, count)

    def _given(self, source_id: int, candidates: Sequence[Standing]) -> list[int] | None:
        if source_id not in self._counts:
            self._counts[source_id] = count_of(source_id)
        return given_among(self._counts[source_id], candidates)

    def _count_up(self, operator_id: int) -> None:
        for source_id, place in self._places[operator_id]:
            roster = self._rosters[source_id]
            roster[place] = roster[place]._replace(load=roster[place].load + 1)

    def _leave_to_queue(self, source_id: int) -> None:
        """Let nobody who draws from the source pass the contact that waits there from now on."""
        self._waited_for |= {standing.operator_id for standing in self._rosters[source_id] if standing.weight > 0}
