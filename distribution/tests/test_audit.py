from unittest.mock import patch

import pytest
from django.db.models import F, QuerySet
from django.utils import timezone

from crm_project.testing.rows import arrive, make_operator, make_source
from distribution.audit import (
    BrokenLimit,
    LeftWaiting,
    WrongLoad,
    audit,
    broken_limits,
    left_waiting,
    mend,
    wrong_loads,
)
from distribution.handling import close_contact, reopen_contact
from distribution.roster import change_operator
from leads.models import Contact, Source
from operators.models import Operator

pytestmark = pytest.mark.django_db


def corrupt_load(operator: Operator, load: int) -> None:
    Operator.objects.filter(pk=operator.pk).update(load=load)


def overbook(operator: Operator, source: Source) -> Contact:
    """Make a contact active with the operator past the services, as raw SQL would; the counter follows."""
    contact = arrive(source)
    Contact.objects.filter(pk=contact.pk).update(operator=operator, status="active", assigned_at=timezone.now())
    Operator.objects.filter(pk=operator.pk).update(load=F("load") + 1)
    return contact


def make_room(operator: Operator) -> None:
    """Raise the limit past the services, so that nothing is drained by it."""
    Operator.objects.filter(pk=operator.pk).update(max_load=F("max_load") + 1)


class TestLoads:
    @pytest.mark.parametrize("stored", [0, 1, 3, 50])
    def test_a_wrong_counter_is_found(self, stored: int) -> None:
        operator, other = make_operator(), make_operator()
        source = make_source({operator: 1})
        close_contact(arrive(source).pk)
        arrive(source)
        arrive(source)
        arrive(make_source({other: 1}))
        corrupt_load(operator, stored)

        assert wrong_loads() == [WrongLoad(operator.pk, operator.name, stored=stored, counted=2)]

    def test_true_counters_are_not_reported(self) -> None:
        operator = make_operator()
        make_operator()
        source = make_source({operator: 1})
        arrive(source)
        close_contact(arrive(source).pk)

        assert wrong_loads() == []

    def test_mending_counts_anew_and_gives_the_room_to_who_waits(self) -> None:
        operator = make_operator(max_load=2)
        source = make_source({operator: 1})
        arrive(source)
        corrupt_load(operator, 2)
        waiting = arrive(source)

        assert mend(audit()) == 1

        assert Contact.objects.get(pk=waiting.pk).operator == operator
        assert Operator.objects.get().load == 2
        assert audit() == []

    def test_mending_stores_a_load_above_the_limit_when_that_is_the_truth(self) -> None:
        operator = make_operator(max_load=3)
        source = make_source({operator: 1})
        for _ in range(3):
            arrive(source)
        change_operator(operator.pk, max_load=1)
        corrupt_load(operator, 0)

        mend(audit())

        assert Operator.objects.get().load == 3
        assert audit() == []


class TestLimits:
    def test_an_overbooking_past_the_services_is_found(self) -> None:
        operator = make_operator(max_load=2)
        source = make_source({operator: 1})
        arrive(source)
        arrive(source)
        contact = overbook(operator, source)

        assert broken_limits() == [BrokenLimit(operator.pk, operator.name, limit=2, contact_id=contact.pk)]

    def test_an_overbooking_after_the_limit_was_lowered_is_found(self) -> None:
        operator = make_operator(max_load=2)
        source = make_source({operator: 1})
        arrive(source)
        arrive(source)
        change_operator(operator.pk, max_load=1)
        contact = overbook(operator, source)

        assert [broken.contact_id for broken in broken_limits()] == [contact.pk]

    def test_a_limit_lowered_below_the_load_is_no_fault(self) -> None:
        operator = make_operator(max_load=3)
        source = make_source({operator: 1})
        for _ in range(3):
            arrive(source)
        change_operator(operator.pk, max_load=1)

        assert broken_limits() == []

    def test_a_contact_reopened_under_a_lowered_limit_is_no_fault(self) -> None:
        operator = make_operator(max_load=3)
        source = make_source({operator: 1})
        first, _second, third = (arrive(source) for _ in range(3))
        change_operator(operator.pk, max_load=2)
        close_contact(first.pk)
        close_contact(third.pk)
        reopen_contact(first.pk)

        assert broken_limits() == []

    def test_contacts_of_others_and_closed_ones_do_not_count(self) -> None:
        first, second = make_operator(max_load=1), make_operator(max_load=1)
        source = make_source({first: 1, second: 1})
        for _ in range(4):
            close_contact(arrive(source).pk)
        arrive(source)
        arrive(source)

        assert broken_limits() == []

    def test_mending_leaves_it_reported(self) -> None:
        operator = make_operator(max_load=0)
        overbook(operator, make_source({operator: 1}))

        assert mend(audit()) == 0

        assert len(audit()) == 1


class TestQueue:
    def test_a_contact_that_the_drain_serves_is_no_fault(self) -> None:
        operator = make_operator(max_load=0)
        contact = arrive(make_source({operator: 1}))
        make_room(operator)

        assert left_waiting() == []
        assert Contact.objects.get(pk=contact.pk).operator == operator

    def test_a_contact_that_the_drain_leaves_is_found_once_for_its_source(self) -> None:
        operator = make_operator(max_load=0)
        sources = [make_source({operator: 1}), make_source({operator: 1})]
        oldest = [arrive(source) for source in sources]
        arrive(sources[0])
        make_room(operator)

        with patch("distribution.audit.drain"):
            assert left_waiting() == [
                LeftWaiting(source.pk, contact.pk) for source, contact in zip(sources, oldest, strict=True)
            ]

    def test_another_contact_that_waits_at_the_second_look_is_no_fault(self) -> None:
        operator = make_operator(max_load=0)
        source = make_source({operator: 1})
        first = arrive(source)
        arrive(source)
        make_room(operator)

        def give_the_first_and_make_room_again(_sources: QuerySet[Source]) -> None:
            close_contact(first.pk)

        with patch("distribution.audit.drain", give_the_first_and_make_room_again):
            assert left_waiting() == []

    def test_nobody_beside_the_waiting_is_no_fault(self) -> None:
        arrive(make_source({make_operator(max_load=0): 1, make_operator(is_active=False): 1}))
        arrive(make_source({make_operator(): 0}))

        assert left_waiting() == []


def test_each_finding_is_one_line() -> None:
    findings = [
        WrongLoad(operator_id=3, operator_name="Anna", stored=1, counted=2),
        BrokenLimit(operator_id=3, operator_name="Anna", limit=5, contact_id=17),
        LeftWaiting(source_id=4, contact_id=18),
    ]

    assert [str(finding) for finding in findings] == [
        "Load of Anna (id 3): stored 1, counted 2.",
        "Limit of Anna (id 3): contact 17 came when the 5 places were taken.",
        "Queue of source 4: contact 18 waits although an operator is available.",
    ]
