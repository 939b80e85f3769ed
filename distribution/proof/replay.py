"""Replaying a decision: what in it contradicts itself or the rules. Pure, but for names."""

from collections.abc import Collection, Iterator
from itertools import pairwise

from django.db import models
from django.utils.translation import pgettext_lazy

from distribution.models import Kind
from distribution.records import DEFECTS, Account
from distribution.rounds import Outcome, Round, drawn_by
from distribution.standing import Obstacle, Standing
from distribution.strategy import STRATEGIES, Strategy


class Flaw(models.TextChoices):
    """What is wrong with a decision; the labels go on after «Decision 5: »."""

    UNREADABLE = "unreadable", pgettext_lazy("flaw of a decision", "what is written in it cannot be read")
    KIND = "kind", pgettext_lazy("flaw of a decision", "what is written in it does not belong to its kind")
    ORDER = "order", pgettext_lazy("flaw of a decision", "its rounds do not follow from one another")
    OUTCOME = "outcome", pgettext_lazy("flaw of a decision", "the outcome of a round does not fit whom it drew")
    TICKET = "ticket", pgettext_lazy("flaw of a decision", "a ticket does not name the operator drawn")
    GIVEN = "given", pgettext_lazy("flaw of a decision", "what it says was given before is not what was given")
    PREFERRED = "preferred", pgettext_lazy("flaw of a decision", "the operator to return to stood otherwise")
    BY_HAND = "by_hand", pgettext_lazy("flaw of a decision", "the operator named by hand stood otherwise")
    WINNER = "winner", pgettext_lazy("flaw of a decision", "the operator is not the one that it led to")
    LEDGER = "ledger", pgettext_lazy("flaw of a decision", "the ledger of the operator does not count it")


def flaws(kind: str, strategy: str, operator_id: int | None, account: Account) -> Iterator[Flaw]:
    """Yield what is wrong with a decision that led to the operator, None for nobody; nothing when it replays.

    Raises one of DEFECTS for values of a wrong shape.
    """
    if kind == Kind.DRAW and strategy in STRATEGIES and account.rounds and account.by_hand is None:
        yield from _flaws_of_draw(STRATEGIES[strategy], operator_id, account)
    elif kind == Kind.BY_HAND and not strategy and not account.rounds and account.preferred is None:
        yield from _flaws_by_hand(operator_id, account)
    else:
        yield Flaw.KIND


def _flaws_of_draw(strategy: Strategy, operator_id: int | None, account: Account) -> Iterator[Flaw]:
    *refused, last = account.rounds
    # The strategy may have been changed since a round that was refused.
    for round_ in refused:
        yield from _flaws_of_round(round_, STRATEGIES.values())
    yield from _flaws_of_round(last, [strategy])
    if not _follow(account.rounds):
        yield Flaw.ORDER
    if not _is_preferred_as_stood(last, account.preferred):
        yield Flaw.PREFERRED
    if operator_id != (last.drawn if last.outcome == Outcome.TAKEN else None):
        yield Flaw.WINNER


def _flaws_by_hand(operator_id: int | None, account: Account) -> Iterator[Flaw]:
    named = account.by_hand
    if named is None:
        if operator_id is not None:
            yield Flaw.WINNER
        return
    if not _is_plain(named):
        yield Flaw.UNREADABLE
    could_take = named.obstacle_by_hand is None
    if could_take != (operator_id is not None) or type(account.passed_queue) is not bool:
        yield Flaw.BY_HAND
    if operator_id not in (None, named.operator_id):
        yield Flaw.WINNER


def _flaws_of_round(round_: Round, strategies: Collection[Strategy]) -> Iterator[Flaw]:
    if not _is_readable(round_):
        yield Flaw.UNREADABLE
    if not _fits_outcome(round_):
        yield Flaw.OUTCOME
    if round_.ticket is not None and round_.drawn not in [_named(round_, strategy) for strategy in strategies]:
        yield Flaw.TICKET
    if round_.given is not None and not any(strategy.counts for strategy in strategies):
        yield Flaw.GIVEN


def _is_readable(round_: Round) -> bool:
    ids = [standing.operator_id for standing in round_.roster]
    numbers = [*(round_.given or ()), *(value for value in (round_.ticket, round_.drawn) if value is not None)]
    return (
        all(map(_is_plain, round_.roster))
        and all(before < after for before, after in pairwise(ids))
        and all(type(number) is int and number >= 0 for number in numbers)
    )


def _is_plain(standing: Standing) -> bool:
    return all(type(value) is int and value >= 0 for value in standing[:4])


def _fits_outcome(round_: Round) -> bool:
    match round_.outcome:
        case Outcome.TAKEN | Outcome.UNAVAILABLE:
            return _drew_a_candidate(round_)
        case Outcome.NOBODY:
            return not (round_.is_draw or round_.candidates) and round_.drawn is None
        case Outcome.LEFT_TO_QUEUE:
            return _drew_a_candidate(round_) or (round_.drawn is None and not round_.is_draw)


def _drew_a_candidate(round_: Round) -> bool:
    return round_.drawn in [candidate.operator_id for candidate in round_.candidates]


def _named(round_: Round, strategy: Strategy) -> int | None:
    """Return whom the ticket names, None when nobody holds it."""
    try:
        return drawn_by(strategy, round_.candidates, round_.given, round_.ticket or 0)
    except DEFECTS:
        return None


def _follow(rounds: Collection[Round]) -> bool:
    """Return whether each round but the last was refused, and left out whoever had been refused before."""
    refused: set[int | None] = set()
    for number, round_ in enumerate(rounds, start=1):
        left_out = {operator_id for operator_id, why in round_.excluded.items() if why == Obstacle.REFUSED}
        reasons = set(round_.excluded.values())
        if not (left_out <= refused <= round_.excluded.keys() and reasons <= {Obstacle.REFUSED, Obstacle.EXCLUDED}):
            return False
        if (round_.outcome == Outcome.UNAVAILABLE) != (number < len(rounds)):
            return False
        refused.add(round_.drawn)
    return True


def _is_preferred_as_stood(last: Round, preferred: tuple[int, Obstacle | None] | None) -> bool:
    """Return whether the operator to return to was drawn without a ticket exactly when they were available."""
    went_back = last.drawn is not None and not last.is_draw
    if preferred is None:
        return not went_back
    operator_id, obstacle = preferred
    if last.obstacle_of(operator_id) != obstacle:
        return False
    return (last.drawn == operator_id) if went_back else obstacle is not None
