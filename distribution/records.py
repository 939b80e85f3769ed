"""How the rounds of a decision are written into its row, and read again: small, and without loss.

A roster is a list of [operator id, weight, load, limit, state]; the state is one of STATES. Only the first round holds
it whole; the others, and the first one too when there is a stored version of a long roster, hold what differs from it:
a whole row where it is new or another, and the id alone where it is gone.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from distribution.rounds import Outcome, Round
from distribution.standing import Obstacle, Standing

STANDINGS_KEPT = 16_384

# (active, paused) by the number that stands for it.
STATES = {0: (False, False), 1: (True, False), 2: (True, True), 3: (False, True)}
NUMBERS = {state: number for number, state in STATES.items()}

# What reading values of a wrong shape, and replaying what was read, can raise: somebody tampered with the row.
DEFECTS = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)

type Rows = list[list[Any]]


@dataclass(frozen=True, kw_only=True)
class Account:
    """What led to a choice.

    `preferred` names the operator whom a returning lead had before, and why it could not be them, if so;
    `by_hand` how the operator named by somebody stood, and `passed_queue` whether somebody else waited for longer.
    """

    rounds: Sequence[Round] = ()
    preferred: tuple[int, Obstacle | None] | None = None
    by_hand: Standing | None = None
    passed_queue: bool | None = None


def written(account: Account, base: Sequence[Standing] | None = None) -> dict[str, Any]:
    """Return the account as plain values; `base` is the stored roster that it stands beside, if any."""
    values: dict[str, Any] = {}
    if account.rounds:
        values["rounds"] = _rounds_written(account.rounds, base)
    if account.preferred:
        values["preferred"] = list(account.preferred)
    if account.by_hand:
        values["by_hand"] = _row(account.by_hand)
    if account.passed_queue is not None:
        values["passed_queue"] = account.passed_queue
    return values


def read(values: dict[str, Any], base: Rows | None = None) -> Account:
    """Return the account that `written` made the values of. Raises one of DEFECTS for others."""
    preferred, by_hand = values.get("preferred"), values.get("by_hand")
    return Account(
        rounds=_rounds_read(values.get("rounds", []), base),
        preferred=preferred and (preferred[0], preferred[1] and Obstacle(preferred[1])),
        by_hand=by_hand and _standing(by_hand),
        passed_queue=values.get("passed_queue"),
    )


def read_beside(values: dict[str, Any]) -> Iterator[tuple[Round, dict[int, Standing | None]]]:
    """Yield each round that `written` put beside a stored roster: without a roster, and what differs from the stored.

    So many decisions are read for what changed alone. By operator id; None stands for whoever is gone. Raises as
    `read` does.
    """
    for value in values.get("rounds", []):
        changes = {row[0]: None if len(row) == 1 else _standing(row) for row in value["changes"]}
        yield _round_read(value, ()), changes


def rows(roster: Sequence[Standing]) -> Rows:
    """Return the roster as plain values."""
    return [_row(standing) for standing in roster]


def standings(rows: Rows) -> list[Standing]:
    """Return the roster that `rows` made the plain values of."""
    return [_standing(row) for row in rows]


def difference(base: Sequence[Standing], roster: Sequence[Standing]) -> Rows:
    """Return what makes `roster` of `base`, both by operator id."""
    before = {standing.operator_id: standing for standing in base}
    differing = [_row(standing) for standing in roster if before.pop(standing.operator_id, None) != standing]
    gone: Rows = [[operator_id] for operator_id in before]
    return sorted([*differing, *gone], key=lambda row: row[0])


def applied(base: Sequence[Standing], difference: Rows) -> list[Standing]:
    """Return the roster that `difference` makes of `base`."""
    roster = {standing.operator_id: standing for standing in base}
    for row in difference:
        if len(row) == 1:
            del roster[row[0]]
        else:
            roster[row[0]] = _standing(row)
    return [roster[operator_id] for operator_id in sorted(roster)]


def _rounds_written(rounds: Sequence[Round], base: Sequence[Standing] | None) -> list[dict[str, Any]]:
    result = []
    for round_ in rounds:
        roster = {"roster": rows(round_.roster)} if base is None else {"changes": difference(base, round_.roster)}
        result.append({**roster, **_rest_written(round_)})
        base = round_.roster if base is None else base
    return result


def _rest_written(round_: Round) -> dict[str, Any]:
    rest = {
        "excluded": {str(operator_id): str(why) for operator_id, why in round_.excluded.items()},
        "given": None if round_.given is None else list(round_.given),
        "ticket": round_.ticket,
        "drawn": round_.drawn,
        "outcome": str(round_.outcome),
    }
    return {name: value for name, value in rest.items() if value is not None and value != {}}


def _rounds_read(values: list[dict[str, Any]], base: Rows | None) -> list[Round]:
    result = []
    first = None if base is None else standings(base)
    for value in values:
        if "roster" in value:
            roster = standings(value["roster"])
        elif first is None:
            raise ValueError("what differs from a roster stands without it")
        else:
            roster = applied(first, value["changes"])
        first = roster if first is None else first
        result.append(_round_read(value, roster))
    return result


def _round_read(value: dict[str, Any], roster: Sequence[Standing]) -> Round:
    return Round(
        roster=roster,
        excluded={int(operator_id): Obstacle(why) for operator_id, why in value.get("excluded", {}).items()},
        given=value.get("given"),
        ticket=value.get("ticket"),
        drawn=value.get("drawn"),
        outcome=Outcome(value["outcome"]),
    )


def _row(standing: Standing) -> list[Any]:
    return [*standing[:4], NUMBERS[standing[4:]]]


def _standing(row: list[Any]) -> Standing:
    return _standing_as_written(*row)


# The same few standings come again and again in neighbouring decisions, of which a report reads very many.
# By type, too: 1.0 and true, which a damaged row may hold, are equal to 1.
@lru_cache(maxsize=STANDINGS_KEPT, typed=True)
def _standing_as_written(operator_id: int, weight: int, load: int, max_load: int, state: int) -> Standing:
    return Standing(operator_id, weight, load, max_load, *STATES[state])
