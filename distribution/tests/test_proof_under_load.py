"""Thousands of draws made by 32 clients at once: every one replays. DRAWS=10000 in the environment makes more."""

import os
from collections import Counter
from collections.abc import Callable
from fractions import Fraction
from itertools import count

import pytest
from django.db import connection

from crm_project.testing.concurrency import run_concurrently
from crm_project.testing.rows import arrive, assert_rules_hold
from distribution import roster
from distribution.decisions import account_of
from distribution.handling import close_contact
from distribution.models import Decision, LoadChange
from distribution.proof.snapshot import snapshot
from distribution.rounds import Outcome
from distribution.strategy import STRATEGIES
from distribution.verification import verify
from leads.models import Source
from operators.models import Operator

pytestmark = pytest.mark.django_db(transaction=True)

CLIENTS = 32
DRAWS = int(os.environ.get("DRAWS", "1000"))


def hire(*limits: int) -> list[Operator]:
    return [roster.create_operator(name="Operator", max_load=limit) for limit in limits]


def open_source(strategy: str, weights: dict[Operator, int], code: str = "") -> Source:
    source = roster.create_source(name=strategy, code=code or strategy, strategy=strategy)
    roster.set_weights(source.pk, {operator.pk: weight for operator, weight in weights.items()})
    return source


def client(sources: list[Source], draws: int, *, keeps: int) -> Callable[[], None]:
    """Return a client who registers so many contacts and has at most `keeps` of them open at a time."""

    def work() -> None:
        mine = []
        for number in range(draws):
            mine.append(arrive(sources[number % len(sources)]).pk)
            if len(mine) > keeps:
                close_contact(mine.pop(0))

    return work


def refused_rounds() -> int:
    rounds = (round_ for decision in Decision.objects.iterator() for round_ in account_of(decision).rounds)
    return sum(round_.outcome == Outcome.UNAVAILABLE for round_ in rounds)


def test_every_draw_of_32_clients_replays() -> None:
    operators = hire(8, 14, 18, 20)  # hardly more places than 29 clients have open: somebody drawn may be full by then
    sources = [
        open_source(strategy, dict(zip(operators, weights, strict=True)))
        for strategy, weights in zip(STRATEGIES, [(1, 2, 3, 4), (7, 3, 3, 1), (1, 1, 1, 1)], strict=True)
    ]
    narrow = open_source("weighted_random", dict.fromkeys(hire(2), 1), code="narrow")
    draws = -(-DRAWS // CLIENTS)

    run_concurrently(*[client(sources, draws, keeps=1)] * 29, *[client([narrow], draws, keeps=1)] * 3)

    with snapshot():
        assert list(verify()) == []
    assert Decision.objects.count() >= DRAWS
    assert set(Decision.objects.values_list("trigger", flat=True)) == {"arrival", "drain"}
    assert LoadChange.objects.filter(cause="closed").exists()
    if connection.vendor == "postgresql":  # on SQLite the draw and the lock are one turn
        assert refused_rounds() > 0
    assert_rules_hold()


def test_in_turn_by_weight_32_clients_leave_each_within_one_of_their_share_after_every_contact() -> None:
    weights = dict(zip(hire(10_000, 10_000, 10_000), (10, 30, 7), strict=True))
    source = open_source("smooth_weighted", weights)

    run_concurrently(client([source], -(-1_000 // CLIENTS), keeps=1_000), times=CLIENTS)

    # The source is locked until the commit, so the ids of its decisions follow one another in the order of the commits.
    winners = Decision.objects.order_by("pk").values_list("operator", flat=True)
    had = Counter[int]()
    for number, winner in zip(count(1), winners.iterator()):
        had[winner or 0] += 1
        for operator, weight in weights.items():
            assert abs(had[operator.pk] - Fraction(number * weight, sum(weights.values()))) < 1
    assert had.total() >= 1_000
    assert list(verify()) == []
