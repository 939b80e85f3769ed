"""The verdict on draws: what chance is called chance, and what skew is called skew. No database."""

import math
import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as some

from distribution.fairness import Judgement, Tally, Verdict, judged, p_value, rejected, upper_tail
from distribution.rounds import Outcome, Round, probabilities
from distribution.standing import Obstacle, Standing
from distribution.strategy import STRATEGIES
from distribution.tallies import Base, Tallies
from distribution.tests.histories import BY_WEIGHT, House, judgement_of, standing

LIGHT, HEAVY = 1, 2
ROSTER = [standing(LIGHT, 10), standing(HEAVY, 30)]
HISTORIES = range(100)
CONTACTS = 10_000

TAKEN = {
    "light": Round(roster=ROSTER, ticket=0, drawn=LIGHT, outcome=Outcome.TAKEN),
    "heavy": Round(roster=ROSTER, ticket=10, drawn=HEAVY, outcome=Outcome.TAKEN),
}
REFUSED = {
    "light refused": replace(TAKEN["light"], outcome=Outcome.UNAVAILABLE),
    "heavy refused": replace(TAKEN["heavy"], outcome=Outcome.UNAVAILABLE),
}
AFTERWARDS = {
    "heavy afterwards": replace(TAKEN["heavy"], ticket=0, excluded={LIGHT: Obstacle.REFUSED}),
    "light afterwards": replace(TAKEN["light"], excluded={HEAVY: Obstacle.REFUSED}),
}
ROUNDS = {**TAKEN, **REFUSED, **AFTERWARDS}


def history(seed: int, share: float = 0.25) -> Counter[str]:
    """Return how often each was drawn when the light one is drawn with this probability."""
    return Counter(random.Random(seed).choices(["light", "heavy"], [share, 1 - share], k=CONTACTS))


def history_with_refusals(seed: int) -> Counter[str]:
    """Return an honest history in which the light one, whenever drawn, refuses six times of ten, the heavy one one."""
    chance = random.Random(seed)
    drawn = history(seed)
    light = sum(chance.random() < 0.6 for _ in range(drawn["light"]))
    heavy = sum(chance.random() < 0.1 for _ in range(drawn["heavy"]))
    return Counter(
        {
            "light": drawn["light"] - light,
            "light refused": light,
            "heavy afterwards": light,
            "heavy": drawn["heavy"] - heavy,
            "heavy refused": heavy,
            "light afterwards": heavy,
        }
    )


def winners_only(numbers: Counter[str]) -> Counter[str]:
    """Return the history without the rounds that somebody refused."""
    return Counter({name: number for name, number in numbers.items() if name in TAKEN or name in AFTERWARDS})


def how_often(verdict: Verdict, histories: Iterator[Counter[str]]) -> int:
    return sum(judgement_of(ROUNDS, numbers).verdict == verdict for numbers in histories)


class TestTheProof:
    def test_honest_histories_are_ordinary_chance(self) -> None:
        assert how_often(Verdict.ORDINARY_CHANCE, (history(seed) for seed in HISTORIES)) >= 95

    def test_honest_histories_with_many_refused_rounds_are_too(self) -> None:
        assert how_often(Verdict.ORDINARY_CHANCE, (history_with_refusals(seed) for seed in HISTORIES)) >= 95

    def test_a_share_raised_by_a_tenth_is_a_real_skew(self) -> None:
        judgements = [judgement_of(ROUNDS, history(seed, 0.275)) for seed in HISTORIES]

        assert sum(one.verdict == Verdict.REAL_SKEW for one in judgements) >= 95
        assert all(one.skewed in ([], [LIGHT, HEAVY]) for one in judgements)

    def test_counting_winners_only_would_call_honest_histories_skewed(self) -> None:
        histories = (winners_only(history_with_refusals(seed)) for seed in HISTORIES)

        assert how_often(Verdict.REAL_SKEW, histories) == 100

    def test_two_hundred_operators_together_seldom_raise_a_false_alarm(self) -> None:
        alarms = sum(judged(of_many_operators(seed)).verdict == Verdict.REAL_SKEW for seed in HISTORIES)

        assert alarms <= 5


def of_many_operators(seed: int) -> dict[int, Tally]:
    """Return the tallies of 200 operators after 6,000 honest draws."""
    weights = {operator_id: 1 + operator_id % 9 for operator_id in range(200)}
    drawn = Counter(random.Random(seed).choices(list(weights), list(weights.values()), k=6_000))
    return {key: tally_of(drawn[key], 6_000, weight / sum(weights.values())) for key, weight in weights.items()}


def tally_of(drawn: int, draws: int, probability: float) -> Tally:
    """Return the tally of an operator who had the same probability in all draws."""
    variance = draws * probability * (1 - probability)
    return Tally(expected=draws * probability, variance=variance, candidacies=draws, open=draws, drawn=drawn)


def exactly(drawn: int, draws: int, probability: float) -> float:
    """Return twice the smaller tail of the binomial, term by term."""
    terms = [math.comb(draws, k) * probability**k * (1 - probability) ** (draws - k) for k in range(draws + 1)]
    return min(1.0, 2 * min(sum(terms[: drawn + 1]), sum(terms[drawn:])))


class TestThePValue:
    @pytest.mark.parametrize("drawn", [0, 1, 2, 8, 10, 20, 40])
    def test_of_few_draws_is_exact(self, drawn: int) -> None:
        assert p_value(tally_of(drawn, 40, 0.125)) == pytest.approx(exactly(drawn, 40, 0.125))

    def test_of_different_probabilities_is_not_too_small(self) -> None:
        few = [0.9] * 10 + [0.001] * 1000
        drawn = Tally(expected=sum(few), variance=sum(p * (1 - p) for p in few), candidacies=1010, open=1010, drawn=14)

        assert p_value(drawn) > 0.02  # as Poisson's law of the 1000 has it beside ten of ten

    def test_of_many_draws_is_that_of_the_normal_distribution(self) -> None:
        tally = tally_of(2_600, 10_000, 0.25)

        assert p_value(tally) == pytest.approx(math.erfc(99.5 / math.sqrt(2 * 1875)))
        assert p_value(tally) == pytest.approx(2 * upper_tail(10_000, 0.25, 2_600), rel=0.05)

    def test_within_one_of_the_expected_is_one(self) -> None:
        assert p_value(tally_of(5, 40, 0.125)) == 1

    def test_of_somebody_drawn_who_could_not_be_is_zero(self) -> None:
        assert p_value(Tally(drawn=1, impossible=1)) == 0

    def test_leaves_out_the_draws_with_one_possible_winner(self) -> None:
        tally = tally_of(9, 40, 0.125)
        certain = replace(tally, expected=tally.expected + 500, certain=500, drawn=tally.drawn + 500)

        assert p_value(certain) == pytest.approx(p_value(tally))


class TestTheVerdict:
    def test_of_few_draws_is_that_they_are_few(self) -> None:
        assert judgement_of(ROUNDS, {"light": 5, "heavy": 7}).verdict == Verdict.TOO_FEW_DRAWS

    def test_of_no_draws_at_all_too(self) -> None:
        assert judged({}).verdict == Verdict.TOO_FEW_DRAWS

    def test_of_draws_with_one_possible_winner_is_that_nothing_was_left_to_chance(self) -> None:
        assert judgement_of(ROUNDS, {"light afterwards": 500}).verdict == Verdict.NOTHING_LEFT_TO_CHANCE

    def test_of_somebody_drawn_who_could_not_be_is_a_skew(self) -> None:
        impossible = {"impossible": replace(TAKEN["light"], excluded={LIGHT: Obstacle.EXCLUDED})}

        assert judgement_of(impossible, {"impossible": 1}).skewed == [LIGHT]

    def test_names_only_those_whom_the_skew_concerns(self) -> None:
        tallies = {1: tally_of(2_500, 10_000, 0.25), 2: tally_of(2_000, 10_000, 0.25), 3: tally_of(5_500, 10_000, 0.5)}

        assert judged(tallies).skewed == [2, 3]

    def test_steps_down_as_holm_has_it(self) -> None:
        assert rejected({"a": 0.004, "b": 0.0049, "c": 0.2}, 0.01) == set()
        assert rejected({"a": 0.003, "b": 0.0049, "c": 0.2}, 0.01) == {"a", "b"}


parts = some.tuples(some.integers(0, 3), some.integers(0, 2), some.booleans())


@some.composite
def rosters(draw: some.DrawFn, ids: list[int]) -> list[Standing]:
    chosen = sorted(draw(some.sets(some.sampled_from(ids), min_size=1)))
    return [Standing(key, weight, load, 2, active) for key in chosen for weight, load, active in [draw(parts)]]


@some.composite
def draws(draw: some.DrawFn) -> Round | None:
    """Return a round with a ticket, or None when nobody could be drawn."""
    roster = draw(rosters([1, 2, 3, 4, 5]))
    excluded = draw(some.dictionaries(some.sampled_from([1, 2, 9]), some.just(Obstacle.REFUSED), max_size=2))
    round_ = Round(roster=roster, excluded=excluded, ticket=0, outcome=Outcome.TAKEN)
    if not round_.candidates:
        return None
    return replace(round_, drawn=draw(some.sampled_from(round_.candidates)).operator_id)


def added_one_by_one(rounds: list[Round]) -> dict[int, Tally]:
    """Return the sums by the definition, with exact fractions for the probabilities."""
    of: dict[int, Tally] = {}
    for round_ in rounds:
        chances = probabilities(BY_WEIGHT, round_.candidates, None)
        for key, why in round_.obstacles().items():
            tally = of.setdefault(key, Tally())
            if why is not None:
                tally.missed[why] += 1
                continue
            p = float(chances[key])
            tally.candidacies += 1
            tally.expected += p
            tally.variance += p * (1 - p)
            tally.open += 0 < p < 1
            tally.certain += p == 1
        of[round_.drawn or 0].drawn += 1
    for tally in of.values():
        tally.missed[Obstacle.NOT_LISTED] = len(rounds) - tally.candidacies - tally.missed.total()
    return of


def assert_same(found: dict[int, Tally], defined: dict[int, Tally]) -> None:
    assert {key for key, tally in found.items() if tally.candidacies or tally.missed.total()} >= defined.keys()
    for key, tally in defined.items():
        assert found[key].expected == pytest.approx(tally.expected, abs=1e-9)
        assert found[key].variance == pytest.approx(tally.variance, abs=1e-9)
        assert +found[key].missed == +tally.missed
        for name in ("candidacies", "open", "certain", "drawn"):
            assert getattr(found[key], name) == getattr(tally, name), name


class TestTheTallies:
    @given(some.lists(draws(), max_size=8))
    def test_are_the_sums_of_every_round(self, found: list[Round | None]) -> None:
        rounds = [round_ for round_ in found if round_]
        tallies = Tallies()
        for round_ in rounds:
            tallies.add(BY_WEIGHT, round_)

        assert_same(tallies.result(), added_one_by_one(rounds))

    @given(some.lists(some.tuples(some.integers(0, 1), draws()), max_size=8), rosters([1, 2, 3]), rosters([3, 4, 5]))
    def test_are_the_same_beside_stored_rosters(
        self, found: list[tuple[int, Round | None]], one: list[Standing], other: list[Standing]
    ) -> None:
        bases = [Base.of(one), Base.of(other)]
        rounds = [(bases[number], round_) for number, round_ in found if round_]
        tallies = Tallies()
        for base, round_ in rounds:
            everybody = dict.fromkeys(base.standings) | {row.operator_id: row for row in round_.roster}
            differing = {key: row for key, row in everybody.items() if base.standings.get(key) != row}
            tallies.add_beside(base, BY_WEIGHT, replace(round_, roster=()), differing)

        assert_same(tallies.result(), added_one_by_one([round_ for _base, round_ in rounds]))

    def test_of_a_strategy_that_looks_at_loads_are_its_own(self) -> None:
        roster = [standing(1, load=1), standing(2, load=1), standing(3, load=2)]
        tallies = Tallies()
        tallies.add(STRATEGIES["least_loaded"], Round(roster=roster, ticket=0, drawn=1, outcome=Outcome.TAKEN))
        found = tallies.result()

        assert [found[key].expected for key in (1, 2, 3)] == [0.5, 0.5, 0]
        assert [found[key].candidacies for key in (1, 2, 3)] == [1, 1, 1]

    def test_count_apart_what_was_no_draw(self) -> None:
        tallies = Tallies()
        tallies.add(BY_WEIGHT, Round(roster=ROSTER, drawn=LIGHT, outcome=Outcome.TAKEN))
        tallies.add(BY_WEIGHT, Round(roster=[], outcome=Outcome.NOBODY))
        tallies.add_by_hand(HEAVY)
        found = tallies.result()

        assert (tallies.draws, tallies.without_candidates) == (0, 1)
        assert (found[LIGHT].returned, found[LIGHT].drawn, found[HEAVY].by_hand) == (1, 0, 1)

    def test_count_who_had_no_rival(self) -> None:
        tallies = Tallies()
        tallies.add(BY_WEIGHT, ROUNDS["light afterwards"])

        assert tallies.result()[LIGHT].alone == 1


def test_loads_that_rise_and_fall_leave_honest_draws_honest() -> None:
    chance = random.Random(8)
    house = House([standing(key, weight, max_load=2) for key, weight in enumerate((10, 30, 20), 1)], chance)
    tallies = Tallies()
    for _ in range(5_000):
        for round_ in house.contact(lambda key: chance.random() < 0.1 * key):
            tallies.add(BY_WEIGHT, round_)
        while chance.random() < 0.5:
            house.close()
    judgement: Judgement = judged(tallies.result())

    assert judgement.verdict == Verdict.ORDINARY_CHANCE
    assert all(finding.tally.missed[Obstacle.AT_LIMIT] > 100 for finding in judgement.findings.values())
