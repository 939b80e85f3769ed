from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from distribution.draw import draw

pytestmark = pytest.mark.once

held = st.lists(st.integers(0, 50), min_size=1, max_size=20).filter(any)


@given(held)
def test_each_is_drawn_by_exactly_as_many_tickets_as_they_hold(among: list[int]) -> None:
    drawn = Counter(draw(among, ticket) for ticket in range(sum(among)))

    assert [drawn[place] for place in range(len(among))] == among


@given(held, st.data())
def test_the_same_ticket_always_draws_the_same(among: list[int], data: st.DataObject) -> None:
    ticket = data.draw(st.integers(0, sum(among) - 1))

    assert draw(among, ticket) == draw(tuple(among), ticket)


@given(held, st.integers())
def test_a_ticket_that_nobody_holds_is_an_error(among: list[int], ticket: int) -> None:
    with pytest.raises(ValueError, match="is not among"):
        draw(among, ticket if not 0 <= ticket < sum(among) else sum(among))


def test_a_draw_among_nobody_is_an_error() -> None:
    with pytest.raises(ValueError, match="is not among the 0"):
        draw([], 0)


def test_weights_of_a_million_are_drawn_exactly_at_the_edges() -> None:
    assert [draw([1, 1_000_000], ticket) for ticket in (0, 1, 1_000_000)] == [0, 1, 1]
