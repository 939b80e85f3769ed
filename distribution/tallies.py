"""Adding up the rounds of a period for each operator, without Django: what fairness is judged by.

A draw among hundreds costs only what has changed since another one. With a strategy whose tickets are the weights,
an operator's probability is w / W; over draws in which their weight stays while W changes, the sum of p is w·Σ1/W and
that of p² is w²·Σ1/W². So a base adds up 1/W and 1/W², and each draw corrects it for those who stand otherwise.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Self

from distribution.fairness import Tally
from distribution.rounds import Outcome, Round
from distribution.standing import Obstacle, Standing
from distribution.strategies import weighted_random
from distribution.strategy import Strategy

PARTS_KEPT = 16_384

# How many tickets a candidate holds, or why somebody is none.
type Part = int | Obstacle
type Parts = Mapping[int, Part]
type Changes = Mapping[int, Standing | None]


@dataclass
class Base:
    """A roster that draws stand beside, and the sums of 1/W and 1/W² over those not yet settled."""

    standings: Mapping[int, Standing]
    draws: int = 0
    inverses: float = 0.0
    squares: float = 0.0
    parts: Parts = field(init=False)
    gone: Parts = field(init=False)
    tickets: int = field(init=False)
    candidates: int = field(init=False)

    def __post_init__(self) -> None:
        self.parts = {key: _part(standing) for key, standing in self.standings.items()}
        self.gone = dict.fromkeys(self.parts, Obstacle.NOT_LISTED)
        self.tickets = sum(map(_tickets, self.parts.values()))
        self.candidates = sum(map(_is_one, self.parts.values()))

    @classmethod
    def of(cls, roster: Sequence[Standing]) -> Self:
        """Return the base that the roster makes."""
        return cls({standing.operator_id: standing for standing in roster})

    def with_changes(self, changes: Changes) -> list[Standing]:
        """Return the roster that the changes make of it, by operator id; None is for whoever is gone."""
        merged = {**self.standings, **changes}
        return [standing for _key, standing in sorted(merged.items()) if standing is not None]

    def part_of(self, operator_id: int) -> Part:
        """Return the part that the operator has in it."""
        return self.parts.get(operator_id, Obstacle.NOT_LISTED)

    def differing(self, parts: Parts) -> Parts:
        """Return those of the parts that are not as in it."""
        known = self.parts.get
        return {key: part for key, part in parts.items() if known(key, Obstacle.NOT_LISTED) != part}

    def add(self, tickets: int) -> None:
        """Add a draw of so many tickets."""
        self.draws += 1
        self.inverses += 1 / tickets
        self.squares += 1 / (tickets * tickets)


class Tallies:
    """What the rounds of a source add up to: for each operator a tally, and how many there were of each kind.

    `draws` counts the rounds with a ticket, `refused` those of them that nobody took, `without_candidates` the rounds
    in which nobody was available.
    """

    def __init__(self) -> None:
        self.draws = 0
        self.refused = 0
        self.without_candidates = 0
        self._of: defaultdict[int, Tally] = defaultdict(Tally)
        self._base = Base({})

    def add(self, strategy: Strategy, round_: Round) -> None:
        """Add a round. Raises ValueError for one that no draw can have left."""
        if not round_.is_draw:
            self._add_without_draw(round_)
        elif _is_by_weight(strategy):
            if not self._base.standings:
                self._base = Base.of(round_.roster)
            self._add_differing(self._base.differing({**self._base.gone, **_parts_by_weight(round_)}), round_)
        else:
            self._add_draw(_parts_by_tickets(strategy, round_), round_)

    def add_beside(self, base: Base, strategy: Strategy, round_: Round, changes: Changes) -> None:
        """Add a round that has, in the place of a roster, the changes of that of the base. Raises as `add` does."""
        if not round_.is_draw:
            self._add_without_draw(round_)
        elif not _is_by_weight(strategy):
            self.add(strategy, replace(round_, roster=base.with_changes(changes)))
        else:
            if base is not self._base:
                self._settle()
                self._base = base
            self._add_differing(base.differing(_changed_parts(base, round_, changes)), round_)

    def add_by_hand(self, operator_id: int) -> None:
        """Count a contact that was given to the operator by hand."""
        self._of[operator_id].by_hand += 1

    def result(self) -> dict[int, Tally]:
        """Return the tallies by operator id."""
        self._settle()
        for tally in self._of.values():
            tally.missed[Obstacle.NOT_LISTED] = 0
            tally.missed[Obstacle.NOT_LISTED] = self.draws - tally.candidacies - tally.missed.total()
        return dict(self._of)

    def _add_without_draw(self, round_: Round) -> None:
        if round_.outcome == Outcome.NOBODY:
            self.without_candidates += 1
        elif round_.outcome == Outcome.TAKEN and round_.drawn is not None:
            self._of[round_.drawn].returned += 1

    def _add_differing(self, differing: Parts, round_: Round) -> None:
        """Add a draw in which all have the part that they have in the base, but those in `differing`."""
        base, winner = self._base, _winner_of(round_)
        tickets, candidates = base.tickets, base.candidates
        for key, part in differing.items():
            before = base.part_of(key)
            tickets += _tickets(part) - _tickets(before)
            candidates += _is_one(part) - _is_one(before)
        if candidates <= 1:
            self._add_draw({**base.parts, **differing}, round_)
            return
        base.add(tickets)
        for key, part in differing.items():
            self._count_as_in_base(key, base.part_of(key), -1, -1 / tickets, -1 / (tickets * tickets))
            self._count(key, part, tickets, candidates)
        self._count_winner(winner, differing.get(winner) or base.part_of(winner), round_.outcome)

    def _add_draw(self, parts: Parts, round_: Round) -> None:
        winner = _winner_of(round_)
        tickets, candidates = sum(map(_tickets, parts.values())), sum(map(_is_one, parts.values()))
        for key, part in parts.items():
            self._count(key, part, tickets, candidates)
        self._count_winner(winner, parts.get(winner), round_.outcome)

    def _count(self, key: int, part: Part, tickets: int, candidates: int) -> None:
        """Count a draw of so many tickets, in which the operator had the part."""
        if part is Obstacle.NOT_LISTED:
            return
        tally = self._of[key]
        if isinstance(part, Obstacle):
            tally.missed[part] += 1
            return
        probability = part / tickets
        tally.candidacies += 1
        tally.expected += probability
        tally.variance += probability * (1 - probability)
        tally.open += 0 < part < tickets
        tally.certain += part == tickets
        tally.alone += candidates == 1

    def _count_as_in_base(self, key: int, part: Part, draws: int, inverses: float, squares: float) -> None:
        """Count draws by their sums, negative to take some back, in which the operator had the part and rivals."""
        if part is Obstacle.NOT_LISTED:
            return
        tally = self._of[key]
        if isinstance(part, Obstacle):
            tally.missed[part] += draws
            return
        tally.candidacies += draws
        tally.open += draws
        tally.expected += part * inverses
        tally.variance += part * inverses - part * part * squares

    def _count_winner(self, winner: int, part: Part | None, outcome: Outcome) -> None:
        tally = self._of[winner]
        taken = outcome == Outcome.TAKEN
        tally.drawn += 1
        tally.taken += taken
        tally.impossible += not _tickets(part)
        self.draws += 1
        self.refused += not taken

    def _settle(self) -> None:
        """Give those who stand in the base what its draws add up to."""
        base = self._base
        for key, part in base.parts.items():
            self._count_as_in_base(key, part, base.draws, base.inverses, base.squares)
        base.draws, base.inverses, base.squares = 0, 0.0, 0.0


def _winner_of(round_: Round) -> int:
    if round_.drawn is None:
        raise ValueError("a ticket was drawn that names nobody")
    return round_.drawn


def _is_by_weight(strategy: Strategy) -> bool:
    return strategy.tickets is weighted_random.tickets


def _tickets(part: Part | None) -> int:
    return part if isinstance(part, int) else 0


def _is_one(part: Part) -> bool:
    return isinstance(part, int)


@lru_cache(maxsize=PARTS_KEPT)
def _part(standing: Standing) -> Part:
    """Return the part with a strategy whose tickets are the weights."""
    return standing.obstacle or standing.weight


def _parts_by_weight(round_: Round) -> dict[int, Part]:
    excluded = round_.excluded
    return {standing.operator_id: excluded.get(standing.operator_id) or _part(standing) for standing in round_.roster}


def _parts_by_tickets(strategy: Strategy, round_: Round) -> dict[int, Part]:
    candidates = round_.candidates
    held = strategy.tickets(candidates, round_.given)
    parts: dict[int, Part] = {
        standing.operator_id: round_.excluded.get(standing.operator_id) or standing.obstacle or 0
        for standing in round_.roster
    }
    parts.update(zip((candidate.operator_id for candidate in candidates), held, strict=True))
    return parts


def _changed_parts(base: Base, round_: Round, changes: Changes) -> dict[int, Part]:
    """Return the parts of those who stand otherwise than in the base, or may."""
    parts: dict[int, Part] = {
        key: Obstacle.NOT_LISTED if standing is None else _part(standing) for key, standing in changes.items()
    }
    for key, why in round_.excluded.items():
        if parts.get(key, base.part_of(key)) is not Obstacle.NOT_LISTED:
            parts[key] = why
    return parts
