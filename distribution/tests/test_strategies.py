"""The strategies as pure functions."""

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from distribution.draw import draw
from distribution.rounds import probabilities
from distribution.standing import Standing
from distribution.strategy import STRATEGIES

pytestmark = pytest.mark.once

weights = st.one_of(st.integers(1, 5), st.integers(1, 100), st.integers(1, 1_000_000))
chances = st.integers(0, 2**32)


def standings(weights: Sequence[int], loads: Sequence[tuple[int, int]] = ()) -> list[Standing]:
    places = [*loads, *([(0, 10)] * len(weights))]
    return [Standing(number, weight, *places[number], True) for number, weight in enumerate(weights)]


@given(st.lists(weights, min_size=1, max_size=8))
def test_at_random_each_holds_as_many_tickets_as_their_weight(among: list[int]) -> None:
    assert STRATEGIES["weighted_random"].tickets(standings(among), None) == among


class TestSmoothWeighted:
    tickets = staticmethod(STRATEGIES["smooth_weighted"].tickets)

    @settings(max_examples=100)
    @given(st.lists(weights, min_size=1, max_size=8), st.lists(chances, min_size=1, max_size=150))
    def test_everybody_is_within_one_of_their_share_after_any_number(self, among: list[int], luck: list[int]) -> None:
        candidates, had = standings(among), [0] * len(among)
        for number, chance in enumerate(luck, start=1):
            held = self.tickets(candidates, had if number > 1 else None)
            had[draw(held, chance % sum(held))] += 1
            for got, weight in zip(had, among, strict=True):
                assert abs(got * sum(among) - number * weight) < sum(among)

    def test_the_usual_rule_breaks_the_bound(self) -> None:
        """Largest deficit first leaves somebody more than one contact behind their share."""
        among = [1, 1, 1, 1, 1, 2, 2, 2, 3, 27, 27]
        had, worst = [0] * len(among), 0
        for number in range(1, 200):
            deficits = [number * weight - got * sum(among) for weight, got in zip(among, had, strict=True)]
            had[deficits.index(max(deficits))] += 1
            worst = max(worst, *(abs(number * w - got * sum(among)) for w, got in zip(among, had, strict=True)))

        assert worst > sum(among)

    def test_the_first_one_comes_by_weight(self) -> None:
        assert self.tickets(standings([10, 30]), None) == [10, 30]

    def test_of_those_whose_turn_it_is_the_earliest_deadline_goes_first(self) -> None:
        assert self.tickets(standings([1, 3]), [0, 1]) == [0, 1]
        assert self.tickets(standings([1, 3]), [0, 3]) == [1, 0]

    def test_equal_weights_take_turns_in_an_order_left_to_chance(self) -> None:
        assert self.tickets(standings([5, 5, 5]), [1, 0, 0]) == [0, 1, 1]


class TestLeastLoaded:
    tickets = staticmethod(STRATEGIES["least_loaded"].tickets)

    @pytest.mark.parametrize(
        ("loads", "held"),
        [
            ([(1, 10), (1, 5)], [1, 0]),
            ([(1, 3), (3, 9)], [1, 1]),
            ([(0, 1), (0, 10_000), (1, 10_000)], [1, 1, 0]),
        ],
    )
    def test_the_lowest_part_of_the_limit_holds_a_ticket(self, loads: list[tuple[int, int]], held: list[int]) -> None:
        assert self.tickets(standings([1] * len(loads), loads), None) == held

    def test_the_weight_does_not_matter(self) -> None:
        assert self.tickets(standings([1, 1_000_000]), None) == [1, 1]


@pytest.mark.parametrize("code", STRATEGIES)
@given(st.lists(weights, min_size=1, max_size=6))
def test_probabilities_are_exact_and_make_one(code: str, among: list[int]) -> None:
    chances = probabilities(STRATEGIES[code], standings(among), None)

    assert sum(chances.values()) == 1
    held = STRATEGIES[code].tickets(standings(among), None)
    assert [chance * sum(held) for chance in chances.values()] == held
