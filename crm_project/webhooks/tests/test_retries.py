"""When to try again."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm_project.webhooks.retries import HOUR, JITTER, LONGEST_PAUSE, PAUSES, pause_after

pytestmark = pytest.mark.once

attempts = st.integers(1, len(PAUSES))
chances = st.floats(0, 1)


def in_the_middle() -> float:
    return 0.5


def test_the_pauses_grow_over_three_days() -> None:
    pauses = [pause_after(number, in_the_middle) or 0 for number in range(1, len(PAUSES) + 1)]

    assert pauses == sorted(set(pauses))
    assert sum(pauses) == pytest.approx(3 * 24 * HOUR, rel=0.01)


def test_after_the_last_one_it_is_time_to_give_up() -> None:
    assert pause_after(len(PAUSES), in_the_middle) is not None
    assert pause_after(len(PAUSES) + 1, in_the_middle) is None


def test_even_who_asked_to_be_left_alone_is_given_up() -> None:
    assert pause_after(len(PAUSES) + 1, in_the_middle, asked_for=60) is None


@given(attempts, chances)
def test_chance_makes_a_pause_a_little_longer_or_shorter(number: int, chance: float) -> None:
    pause = pause_after(number, lambda: chance)

    assert pause is not None
    assert abs(pause - PAUSES[number - 1]) <= PAUSES[number - 1] * JITTER * 1.000001


@given(attempts)
def test_chance_spreads_those_who_failed_together(number: int) -> None:
    earliest, latest = (pause_after(number, chance) for chance in (float, lambda: 1.0))

    assert earliest is not None
    assert latest is not None
    assert earliest < PAUSES[number - 1] < latest


@given(attempts, chances, st.floats(0, 10 * LONGEST_PAUSE))
def test_who_asks_to_be_left_alone_is_for_a_day_at_most(number: int, chance: float, asked_for: float) -> None:
    pause, ordinary = pause_after(number, lambda: chance, asked_for), pause_after(number, lambda: chance)

    assert pause is not None
    assert ordinary is not None
    assert pause == max(ordinary, min(asked_for, LONGEST_PAUSE))
