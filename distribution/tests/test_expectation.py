"""The shares that the weights promise, beside those of what came lately."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from crm_project.testing.rows import arrive, make_operator, make_source
from distribution.expectation import OperatorShares, SourceShares, shares_of_busiest
from distribution.handling import reassign_to_operator
from distribution.roster import change_operator, change_source, remove_weight
from distribution.standing import Obstacle
from leads.models import Contact, Source
from operators.models import Operator

pytestmark = pytest.mark.django_db

A_WEEK = timedelta(days=7)


def lately(most_sources: int = 10, most_operators: int = 10) -> list[SourceShares]:
    since = timezone.now() - A_WEEK
    return shares_of_busiest(since, most_sources=most_sources, most_operators=most_operators)


def of_only_source() -> dict[str | None, OperatorShares]:
    (source,) = lately()
    return {row.name: row for row in source.operators}


@pytest.fixture
def anna() -> Operator:
    return make_operator(name="Anna", max_load=100)


@pytest.fixture
def boris() -> Operator:
    return make_operator(name="Boris", max_load=100)


class TestExpected:
    def test_is_the_weight_among_those_available(self, anna: Operator, boris: Operator) -> None:
        make_source({anna: 30, boris: 10, make_operator(is_active=False): 60})
        rows = of_only_source()
        assert (rows["Anna"].expected, rows["Boris"].expected) == (0.75, 0.25)

    @pytest.mark.parametrize(
        ("fields", "obstacle"), [({"is_active": False}, Obstacle.INACTIVE), ({"max_load": 0}, Obstacle.AT_LIMIT)]
    )
    def test_is_nothing_for_who_is_not_available_and_says_why(
        self, anna: Operator, fields: dict[str, Any], obstacle: Obstacle
    ) -> None:
        make_source({anna: 1, make_operator(name="Carla", **fields): 1})
        rows = of_only_source()
        assert (rows["Carla"].expected, rows["Carla"].obstacle) == (0.0, obstacle)
        assert (rows["Anna"].expected, rows["Anna"].obstacle) == (1.0, None)

    def test_holds_in_turn_as_well(self, anna: Operator, boris: Operator) -> None:
        source = make_source({anna: 3, boris: 1}, strategy="smooth_weighted")
        arrive(source)
        assert of_only_source()["Anna"].expected == 0.75

    def test_is_unknown_where_weights_do_not_count(self, anna: Operator) -> None:
        make_source({anna: 3}, strategy="least_loaded")
        assert of_only_source()["Anna"].expected is None

    def test_leaves_out_who_has_a_weight_of_zero_and_no_contacts(self, anna: Operator, boris: Operator) -> None:
        make_source({anna: 1, boris: 0})
        assert of_only_source().keys() == {"Anna"}


class TestActual:
    def test_is_the_part_of_the_contacts_that_came_lately(self, anna: Operator, boris: Operator) -> None:
        source = make_source({anna: 1})
        contacts = [arrive(source) for _number in range(4)]
        reassign_to_operator(contacts[0].pk, boris.pk)
        rows = of_only_source()
        assert (rows["Anna"].actual, rows["Anna"].contacts) == (0.75, 3)
        assert (rows["Boris"].actual, rows["Boris"].contacts) == (0.25, 1)

    def test_forgets_what_came_before(self, anna: Operator, boris: Operator) -> None:
        source = make_source({anna: 1, boris: 1})
        reassign_to_operator((old := arrive(source)).pk, boris.pk)
        Contact.objects.filter(pk=old.pk).update(created_at=timezone.now() - A_WEEK)
        reassign_to_operator(arrive(source).pk, anna.pk)
        rows = of_only_source()
        assert (rows["Anna"].actual, rows["Boris"].actual) == (1.0, 0.0)

    def test_counts_nothing_that_waits(self) -> None:
        arrive(make_source())
        (source,) = lately()
        assert (source.contacts, source.operators) == (0, [])

    def test_names_who_has_contacts_but_left_the_list(self, anna: Operator) -> None:
        source = make_source({anna: 1})
        arrive(source)
        remove_weight(source.pk, anna.pk)
        row = of_only_source()["Anna"]
        assert (row.actual, row.expected, row.obstacle) == (1.0, 0.0, Obstacle.NOT_LISTED)


class TestTheSources:
    def test_come_with_the_busiest_first_and_no_more_than_asked_for(self, anna: Operator) -> None:
        make_source({anna: 1})
        busy: Source = make_source({anna: 1})
        arrive(busy)
        assert [row.source for row in lately(most_sources=1)] == [busy]

    def test_are_left_out_when_they_are_off(self, anna: Operator) -> None:
        change_source(make_source({anna: 1}).pk, is_active=False)
        assert lately() == []

    def test_name_the_operators_with_the_largest_shares_and_count_the_others(self, anna: Operator) -> None:
        make_source({make_operator(name="Small"): 1, anna: 5, make_operator(name="Middle"): 3})
        (source,) = lately(most_operators=2)
        assert ([row.name for row in source.operators], source.more) == (["Anna", "Middle"], 1)

    def test_put_who_has_much_before_who_is_promised_little(self, anna: Operator, boris: Operator) -> None:
        source = make_source({anna: 1, boris: 1})
        reassign_to_operator(arrive(source).pk, anna.pk)
        change_operator(anna.pk, is_active=False)
        make_operator(name="Nobody")
        (found,) = lately()
        assert [row.name for row in found.operators] == ["Anna", "Boris"]
