"""Decisions explained: in sentences for people, and in numbers for programs."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain

from django.utils.translation import gettext as _

from distribution.decisions import account_of
from distribution.models import Decision, Trigger
from distribution.phrases import Names, named
from distribution.records import DEFECTS, Account
from distribution.rounds import Round
from distribution.selectors import names_of
from distribution.sentences import sentences_of
from distribution.standing import Obstacle, Standing
from distribution.strategy import STRATEGIES

MOST_OPERATORS_OF_A_ROUND = 50


@dataclass(frozen=True)
class Chance:
    """An operator in a round: the name, if there is one, how they stood, and their probability, 0 to 1, in the draw.

    Without a probability there is the obstacle, or there was no draw.
    """

    standing: Standing
    name: str | None
    probability: float | None
    obstacle: Obstacle | None

    @property
    def told_name(self) -> str:
        """The name, else the number."""
        return self.name or named(self.standing.operator_id, {})


@dataclass(frozen=True)
class RoundInNumbers:
    """A round, how many tickets there were in its draw, and the chances of its operators.

    Of a long roster these are at most fifty, the one drawn and those who could be drawn first.
    """

    round: Round
    tickets: int | None
    operators: Sequence[Chance]

    @property
    def operator_count(self) -> int:
        """How many operators the source had on its list."""
        return len(self.round.roster)


@dataclass(frozen=True)
class Preferred:
    """The operator whom a returning lead had before, and why it could not be them, if so."""

    operator_id: int
    name: str | None
    obstacle: Obstacle | None


@dataclass(frozen=True)
class Explanation:
    """A decision with what led to it, which is None for a row that was tampered with.

    `within_sources` says that it is told to somebody who does not see every source.
    """

    decision: Decision
    read: Account | None
    names: Names
    within_sources: bool = False

    @property
    def account(self) -> Account:
        """What led to the decision; empty when it cannot be read."""
        return self.read or Account()

    @property
    def sentence(self) -> str:
        """The decision in sentences."""
        with suppress(*DEFECTS):
            if self.read is not None:
                return sentences_of(self.decision, self.read, self.names)
        return _("The record of this decision cannot be read.")

    @property
    def operator_name(self) -> str | None:
        """The name of whoever was chosen."""
        return None if self.decision.operator_id is None else self.names.get(self.decision.operator_id)

    @property
    def actor(self) -> str:
        """Who asked for it. Whoever made room for the queue may work on sources that the reader does not see."""
        hidden = self.within_sources and self.decision.trigger == Trigger.DRAIN
        return "" if hidden else self.decision.actor_name

    @property
    def preferred(self) -> Preferred | None:
        """The operator whom the lead had before, on a source that prefers them."""
        if self.account.preferred is None:
            return None
        operator_id, obstacle = self.account.preferred
        return Preferred(operator_id, self.names.get(operator_id), obstacle)

    @property
    def by_hand(self) -> Chance | None:
        """How the operator stood who was named by hand, whether or not they could take the contact."""
        standing = self.account.by_hand
        if standing is None:
            return None
        return Chance(standing, self.names.get(standing.operator_id), None, standing.obstacle)

    @property
    def rounds(self) -> list[RoundInNumbers]:
        """The rounds in numbers."""
        with suppress(*DEFECTS):
            return [self._in_numbers(round_) for round_ in self.account.rounds]
        return []

    def _in_numbers(self, round_: Round) -> RoundInNumbers:
        held = _tickets_of(self.decision.strategy, round_)
        tickets, obstacles = sum(held.values()), round_.obstacles()
        operators = [
            Chance(
                standing,
                self.names.get(standing.operator_id),
                held[standing.operator_id] / tickets if standing.operator_id in held else None,
                obstacles[standing.operator_id],
            )
            for standing in _of_most_interest(round_, obstacles)
        ]
        return RoundInNumbers(round_, tickets if round_.is_draw else None, operators)


def explained(decisions: Collection[Decision], *, among: Collection[int] | None = None) -> list[Explanation]:
    """Return the decisions explained, in their order; the names of all their operators are read in one statement.

    `among` are the sources that exist for the reader, None for all: an operator on the list of none of them is told
    by number, as one who was deleted.
    """
    accounts = [_account_read(decision) for decision in decisions]
    told = {operator_id for account in accounts if account for operator_id in _operators_of(account)}
    told |= {decision.operator_id for decision in decisions if decision.operator_id is not None}
    names = names_of(told, among)
    return [
        Explanation(decision, account, names, within_sources=among is not None)
        for decision, account in zip(decisions, accounts, strict=True)
    ]


def _account_read(decision: Decision) -> Account | None:
    with suppress(*DEFECTS):
        account = account_of(decision)
        if all(isinstance(number, int) for number in _numbers_of(account)):
            return account
    return None


def _numbers_of(account: Account) -> Iterator[int]:
    """Yield whatever must be a whole number in a row that nobody tampered with."""
    yield from _operators_of(account)
    for round_ in account.rounds:
        yield from (round_.ticket or 0, round_.drawn or 0)
        yield from chain.from_iterable(round_.roster)
    yield from account.by_hand or ()


def _operators_of(account: Account) -> Iterator[int]:
    for round_ in account.rounds:
        yield from (standing.operator_id for standing in round_.roster)
    if account.preferred is not None:
        yield account.preferred[0]
    if account.by_hand is not None:
        yield account.by_hand.operator_id


def _tickets_of(strategy: str, round_: Round) -> dict[int, int]:
    """Return how many tickets each candidate held, by operator id; nothing without a draw. Raises KeyError."""
    if not round_.is_draw:
        return {}
    candidates = round_.candidates
    held = STRATEGIES[strategy].tickets(candidates, round_.given)
    return {candidate.operator_id: tickets for candidate, tickets in zip(candidates, held, strict=True)}


def _of_most_interest(round_: Round, obstacles: Mapping[int, Obstacle | None]) -> list[Standing]:
    """Return at most fifty of the roster, by id: the one drawn, then those who could be drawn, then the others."""
    if len(round_.roster) <= MOST_OPERATORS_OF_A_ROUND:
        return list(round_.roster)
    first = sorted(round_.roster, key=lambda s: (s.operator_id != round_.drawn, obstacles[s.operator_id] is not None))
    return sorted(first[:MOST_OPERATORS_OF_A_ROUND])
