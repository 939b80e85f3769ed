"""Who waits, why, and what would help."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from crm_project.testing.rows import arrive, make_contacts, make_operator, make_source
from distribution import roster
from distribution.standing import Obstacle, Standing
from distribution.waiting import Standstill, obstacles_of, sources_waited_on, standstills, why_waiting
from leads.models import Source

pytestmark = pytest.mark.django_db


def hindered(source: Source) -> list[tuple[str, list[str]]]:
    return [
        (one.name, [str(obstacle) for obstacle in one.obstacles]) for one in standstills([source])[source.pk].hindered
    ]


@pytest.mark.once
class TestTheObstaclesOfOne:
    @pytest.mark.parametrize(
        ("standing", "obstacles"),
        [
            (Standing(1, 5, 0, 3, True), []),
            (Standing(1, 5, 3, 3, True), [Obstacle.AT_LIMIT]),
            (Standing(1, 0, 0, 3, True), [Obstacle.ZERO_WEIGHT]),
            (Standing(1, 0, 9, 3, False), [Obstacle.INACTIVE, Obstacle.ZERO_WEIGHT, Obstacle.AT_LIMIT]),
            (Standing(1, 1, 0, 0, False), [Obstacle.INACTIVE, Obstacle.AT_LIMIT]),
        ],
    )
    def test_are_all_named_and_the_first_is_the_obstacle(self, standing: Standing, obstacles: list[Obstacle]) -> None:
        assert list(obstacles_of(standing)) == obstacles
        assert standing.obstacle == next(iter(obstacles), None)

    def test_end_with_one_that_cannot_be_thought_away(self) -> None:
        class Stuck(Standing):
            obstacle = Obstacle.EXCLUDED

        assert list(obstacles_of(Stuck(1, 1, 0, 1, True))) == [Obstacle.EXCLUDED]


class TestTheSourcesWaitedOn:
    def test_come_with_the_number_and_the_age_of_the_oldest_the_longest_wait_first(self) -> None:
        now = timezone.now()
        younger, older, _empty = make_source(), make_source(), make_source()
        make_contacts(2, younger, created_at=now - timedelta(hours=1))
        make_contacts(1, older, created_at=now - timedelta(hours=2))
        make_contacts(3, older, created_at=now)

        found = [(source, source.waiting_count, source.oldest_at) for source in sources_waited_on()]

        assert found == [(older, 4, now - timedelta(hours=2)), (younger, 2, now - timedelta(hours=1))]

    def test_are_not_those_whose_contacts_have_an_operator_or_are_closed(self) -> None:
        source = make_source({make_operator(): 1})
        arrive(source)
        make_contacts(1, source, status="closed", closed_at=timezone.now())

        assert not sources_waited_on().exists()


class TestAStandstill:
    def test_names_whom_the_least_would_have_to_change_first_then_the_highest_weight(self) -> None:
        source = make_source(
            {
                make_operator(name="Anna", is_active=False, max_load=0): 9,
                make_operator(name="Boris", max_load=0): 1,
                make_operator(name="Carla", is_active=False): 5,
                make_operator(name="Dina"): 0,
            }
        )

        assert hindered(source) == [
            ("Carla", ["inactive"]),
            ("Boris", ["at_limit"]),
            ("Dina", ["zero_weight"]),
            ("Anna", ["inactive", "at_limit"]),
        ]

    def test_names_nobody_when_somebody_is_available(self) -> None:
        source = make_source({make_operator(max_load=0): 1, make_operator(): 1})

        found = standstills([source])[source.pk]

        assert found == Standstill(
            "Somebody is available: the queue is given within seconds, the oldest contact first.", [], True
        )

    def test_of_a_source_without_operators_says_so(self) -> None:
        source = make_source()

        assert standstills([source])[source.pk] == Standstill("The source has no operators on its list.", [], False)

    def test_of_a_source_that_is_off_says_so_and_who_could_not_take_its_contacts_either(self) -> None:
        source = make_source({make_operator(name="Anna", max_load=0): 1}, is_active=False)

        assert standstills([source])[source.pk].because == "The source is switched off, and its queue rests."
        assert hindered(source) == [("Anna", ["at_limit"])]

    def test_goes_by_each_source_of_its_own(self) -> None:
        operator = make_operator(name="Anna")
        first, second = make_source({operator: 0}), make_source({operator: 1})

        found = standstills([first, second])

        assert found[first.pk].because == "Nobody available – weight 0: Anna."
        assert found[second.pk].hindered == []

    def test_is_told_in_the_words_of_a_contact_that_waits(self) -> None:
        operator = make_operator(name="Anna", max_load=0)
        contact = arrive(make_source({operator: 1}))
        roster.change_operator(operator.pk, is_active=False)

        assert standstills([contact.source])[contact.source_id].because == why_waiting(contact)

    @pytest.mark.parametrize("count", [1, 30])
    def test_takes_one_query_for_all(self, count: int, django_assert_num_queries: Any) -> None:
        operators = [make_operator(max_load=0) for _ in range(5)]
        sources = [make_source(dict.fromkeys(operators, 1)) for _ in range(count)]

        with django_assert_num_queries(1):
            assert len(standstills(sources)) == count

    def test_of_no_source_takes_none(self, django_assert_num_queries: Any) -> None:
        with django_assert_num_queries(0):
            assert standstills([]) == {}
