"""What needs attention: each rule finds what it is about, and nothing else."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from crm_project.testing.rows import arrive, make_operator, make_source
from distribution.attention import IDLE, MOST_NAMED, Concern, Finding, operators_in_need, sources_in_need
from distribution.handling import close_contact
from distribution.models import LoadChange
from distribution.roster import change_operator, change_source
from leads.models import Source
from operators.models import Operator, Weight

pytestmark = pytest.mark.django_db


def told(findings: list[Finding]) -> dict[Concern, list[Any]]:
    return {finding.concern: list(finding.rows) for finding in findings}


def in_days(days: float) -> datetime:
    return timezone.now() + timedelta(days=days)


class TestSources:
    def test_with_somebody_available_need_nothing(self) -> None:
        make_source({make_operator(): 1, make_operator(is_active=False): 1})
        assert sources_in_need() == []

    def test_without_operators(self) -> None:
        source = make_source()
        assert told(sources_in_need()) == {Concern.SOURCE_WITHOUT_OPERATORS: [source]}

    def test_whose_weights_are_all_zero(self) -> None:
        source = make_source({make_operator(): 0, make_operator(): 0})
        assert told(sources_in_need()) == {Concern.SOURCE_WITH_ZERO_WEIGHTS: [source]}

    @pytest.mark.parametrize("fields", [{"is_active": False}, {"max_load": 0}])
    def test_whose_operators_are_all_unavailable(self, fields: dict[str, Any]) -> None:
        source = make_source({make_operator(**fields): 1, make_operator(): 0})
        assert told(sources_in_need()) == {Concern.SOURCE_WITHOUT_AVAILABLE: [source]}

    def test_that_are_off_need_nothing(self) -> None:
        change_source(make_source().pk, is_active=False)
        assert sources_in_need() == []

    def test_are_named_up_to_ten_by_name_and_counted_all(self) -> None:
        for number in range(MOST_NAMED + 2, 0, -1):
            make_source(name=f"Bot {number:02}")
        (finding,) = sources_in_need()
        assert finding.count == MOST_NAMED + 2
        assert [source.name for source in finding.rows] == [f"Bot {number:02}" for number in range(1, MOST_NAMED + 1)]


class TestOperatorsWithoutWeight:
    @pytest.mark.parametrize("weights", [[], [0, 0]])
    def test_are_found(self, weights: list[int]) -> None:
        operator = make_operator()
        for weight in weights:
            make_source({operator: weight})
        assert told(operators_in_need(timezone.now())) == {Concern.OPERATOR_WITHOUT_WEIGHT: [operator]}

    def test_need_nothing_with_one_weight(self) -> None:
        operator = make_operator()
        make_source({operator: 0})
        make_source({operator: 1})
        assert operators_in_need(timezone.now()) == []

    def test_need_nothing_while_they_are_inactive(self) -> None:
        make_operator(is_active=False)
        assert operators_in_need(timezone.now()) == []


class TestIdleOperators:
    @pytest.fixture
    def idle(self) -> Operator:
        return make_operator(name="Idle")

    @pytest.fixture
    def source(self, idle: Operator) -> Source:
        """A source with the idle operator, on which another one has just got a contact."""
        busy = make_operator(name="Busy")
        source = make_source({busy: 1})
        arrive(source)
        Weight.objects.create(source=source, operator=idle, weight=1)
        return source

    def found(self, days: float) -> list[Any]:
        """Ask so many days from now, when the decision of today has still been made lately."""
        return told(operators_in_need(in_days(days))).get(Concern.OPERATOR_IDLE, [])

    def long_ago(self, operator: Operator) -> None:
        Operator.objects.filter(pk=operator.pk).update(created_at=timezone.now() - 2 * IDLE)

    def test_are_found_when_others_of_their_source_got_something(self, idle: Operator, source: Source) -> None:
        self.long_ago(idle)
        assert self.found(0) == [idle]

    def test_are_not_found_when_they_are_new(self, idle: Operator, source: Source) -> None:
        assert self.found(0) == []

    def test_are_not_found_when_nothing_came_for_anybody(self, idle: Operator, source: Source) -> None:
        self.long_ago(idle)
        assert self.found(IDLE.days + 1) == []

    def test_are_not_found_when_they_were_given_something(self, idle: Operator) -> None:
        source = make_source({idle: 1})
        self.long_ago(idle)
        close_contact(arrive(source).pk)
        assert self.found(0) == []

    def test_are_not_found_when_they_were_switched_on_just_now(self, idle: Operator, source: Source) -> None:
        self.long_ago(idle)
        change_operator(idle.pk, is_active=False)
        change_operator(idle.pk, is_active=True)
        assert self.found(0) == []

    @pytest.mark.parametrize("changes", [{"is_active": False}, {"max_load": 0}])
    def test_are_not_found_when_nothing_can_be_given_to_them(
        self, idle: Operator, source: Source, changes: dict[str, Any]
    ) -> None:
        self.long_ago(idle)
        change_operator(idle.pk, **changes)
        assert self.found(0) == []

    def test_are_not_found_for_a_source_that_is_off(self, idle: Operator, source: Source) -> None:
        self.long_ago(idle)
        change_source(source.pk, is_active=False)
        assert self.found(0) == []

    def test_are_found_again_when_their_last_contact_is_long_ago(self, idle: Operator) -> None:
        arrive(make_source({idle: 1}))
        self.long_ago(idle)
        LoadChange.objects.update(at=timezone.now() - 2 * IDLE)
        assert self.found(0) == [idle]
