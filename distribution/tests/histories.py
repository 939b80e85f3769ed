"""Histories of draws, made up in memory: honest ones and skewed ones, without a database unless they are stored."""

import random
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import batched

from django.utils import timezone

from crm_project.testing.rows import make_lead, make_operator, make_source
from distribution.decisions import LONGEST_ROSTER_IN_A_DECISION
from distribution.draw import draw
from distribution.fairness import Judgement, Tally, judged
from distribution.models import Decision, Kind, RosterVersion, Trigger
from distribution.records import Account, difference, rows, written
from distribution.rounds import Outcome, Round
from distribution.standing import Obstacle, Standing
from distribution.strategy import STRATEGIES, Strategy
from distribution.tallies import Tallies
from leads.models import Contact, Source

BY_WEIGHT = STRATEGIES["weighted_random"]
FAR_FROM_EVERY_LEDGER = 1_000_000_000


def standing(operator_id: int, weight: int = 1, load: int = 0, max_load: int = 10, *, active: bool = True) -> Standing:
    """Return how an operator stands."""
    return Standing(operator_id, weight, load, max_load, active)


def judgement_of(rounds: Mapping[str, Round], numbers: Mapping[str, int], strategy: Strategy = BY_WEIGHT) -> Judgement:
    """Return how the rounds are judged when each, by its name, came so many times.

    A tally is a sum: so each round is added once, and multiplied.
    """
    sums: defaultdict[int, Tally] = defaultdict(Tally)
    for name, times in numbers.items():
        tallies = Tallies()
        tallies.add(strategy, rounds[name])
        for operator_id, tally in tallies.result().items():
            for part in ("expected", "variance", "candidacies", "open", "certain", "drawn", "impossible"):
                setattr(sums[operator_id], part, getattr(sums[operator_id], part) + times * getattr(tally, part))
    return judged(sums)


class House:
    """Operators whose loads rise by draws and fall by chance, as a year of work would have it."""

    def __init__(self, roster: Sequence[Standing], chance: random.Random, strategy: Strategy = BY_WEIGHT) -> None:
        self.roster = {one.operator_id: one for one in roster}
        self.chance = chance
        self.strategy = strategy
        self.busy: list[int] = []

    def contact(self, refusing: Callable[[int], bool] = lambda _operator_id: False) -> list[Round]:
        """Let a contact come: return its rounds. `refusing` says whether somebody drawn is not available after all."""
        rounds: list[Round] = []
        excluded: dict[int, Obstacle] = {}
        while True:
            round_ = self._round(dict(excluded))
            if round_.drawn is None or not refusing(round_.drawn):
                break
            rounds.append(replace(round_, outcome=Outcome.UNAVAILABLE))
            excluded[round_.drawn] = Obstacle.REFUSED
        if round_.drawn is not None:
            self._change_load(round_.drawn, 1)
            self.busy.append(round_.drawn)
        return [*rounds, round_]

    def close(self) -> None:
        """Let any one of the contacts that somebody has be closed."""
        if self.busy:
            place = self.chance.randrange(len(self.busy))
            self.busy[place], self.busy[-1] = self.busy[-1], self.busy[place]
            self._change_load(self.busy.pop(), -1)

    def switch(self, operator_id: int) -> None:
        """Let an operator go or come back."""
        before = self.roster[operator_id]
        self.roster[operator_id] = before._replace(is_active=not before.is_active)

    def _round(self, excluded: dict[int, Obstacle]) -> Round:
        round_ = Round(roster=list(self.roster.values()), excluded=excluded, outcome=Outcome.NOBODY)
        candidates = round_.candidates
        if not candidates:
            return round_
        held = self.strategy.tickets(candidates, None)
        ticket = self.chance.randrange(sum(held))
        drawn = candidates[draw(held, ticket)].operator_id
        return replace(round_, ticket=ticket, drawn=drawn, outcome=Outcome.TAKEN)

    def _change_load(self, operator_id: int, change: int) -> None:
        before = self.roster[operator_id]
        self.roster[operator_id] = before._replace(load=before.load + change)


def make_staffed_source(weights: Sequence[int], **fields: object) -> tuple[Source, list[Standing]]:
    """Store a source with an operator for each weight; return it and how they stand, with a limit of ten."""
    operators = {make_operator(max_load=10): weight for weight in weights}
    source = make_source(operators, **fields)
    return source, [standing(operator.pk, weight) for operator, weight in operators.items()]


def store(source: Source, contacts: Iterable[list[Round]], start: datetime | None = None, strategy: str = "") -> None:
    """Store the rounds of each contact as a decision, a second apart, the first ten days ago unless told otherwise.

    The rows of the operators keep their loads, and all decisions are of one contact: only the decisions are read.
    """
    start = start or timezone.now() - timedelta(days=10)
    lead = make_lead(f"lead of {source.code} {start}")
    contact = Contact.objects.create(lead=lead, source=source, external_id=lead.external_id)
    versions = _Versions(source)
    stored = Decision.objects.count()
    decisions = (
        _decision(contact, rounds, versions, strategy or source.strategy, start + timedelta(seconds=second), number)
        for second, (number, rounds) in enumerate(enumerate(contacts, FAR_FROM_EVERY_LEDGER + stored))
    )
    for batch in batched(decisions, 5_000):
        Decision.objects.bulk_create(batch)


class _Versions:
    """The stored rosters that long rosters stand beside."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.last: tuple[int | None, Sequence[Standing]] = (None, ())

    def beside(self, roster: Sequence[Standing]) -> tuple[int | None, Sequence[Standing] | None]:
        if len(roster) <= LONGEST_ROSTER_IN_A_DECISION:
            return None, None
        if len(difference(self.last[1], roster)) > LONGEST_ROSTER_IN_A_DECISION:
            version = RosterVersion.objects.create(source=self.source, roster=rows(roster))
            self.last = version.pk, roster
        return self.last


def _decision(
    contact: Contact, rounds: list[Round], versions: _Versions, strategy: str, at: datetime, number: int
) -> Decision:
    roster_id, base = versions.beside(rounds[0].roster)
    winner = rounds[-1].drawn if rounds[-1].outcome == Outcome.TAKEN else None
    return Decision(
        contact=contact,
        source_id=contact.source_id,
        trigger=Trigger.ARRIVAL,
        kind=Kind.DRAW,
        strategy=strategy,
        operator_id=winner,
        ledger_number=None if winner is None else number,
        roster_id=roster_id,
        details=written(Account(rounds=rounds), base),
        at=at,
    )
