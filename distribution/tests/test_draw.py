from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from distribution.draw import Candidate, draw, total_weight

pytestmark = pytest.mark.once

candidates = st.lists(
    st.builds(Candidate, operator_id=st.integers(1, 10_000), weight=st.integers(1, 50)),
    min_size=1,
    max_size=20,
    unique_by=lambda candidate: candidate.operator_id,
)


@given(candidates)
def test_each_candidate_holds_exactly_as_many_tickets_as_their_weight(among: list[Candidate]) -> None:
    tickets_held = Counter(draw(among, ticket).operator_id for ticket in range(total_weight(among)))

    assert tickets_held == {candidate.operator_id: candidate.weight for candidate in among}


@given(candidates, st.data())
def test_the_same_ticket_always_draws_the_same_candidate(among: list[Candidate], data: st.DataObject) -> None:
    ticket = data.draw(st.integers(0, total_weight(among) - 1))

    assert draw(among, ticket) == draw(list(among), ticket)


@given(candidates, st.integers())
def test_a_ticket_that_nobody_holds_is_an_error(among: list[Candidate], ticket: int) -> None:
    total = total_weight(among)

    with pytest.raises(ValueError, match="is not among"):
        draw(among, ticket if not 0 <= ticket < total else total)


def test_a_draw_among_nobody_is_an_error() -> None:
    with pytest.raises(ValueError, match="is not among the 0"):
        draw([], 0)


def test_weights_of_a_million_are_drawn_exactly_at_the_edges() -> None:
    light, heavy = Candidate(1, 1), Candidate(2, 1_000_000)

    assert [draw([light, heavy], ticket) for ticket in (0, 1, 1_000_000)] == [light, heavy, heavy]
