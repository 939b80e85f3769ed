"""The contacts in work by operator, and who could take one over."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from crm_project.testing.rows import arrive, make_active_contacts, make_operator, make_source
from distribution.board import columns, contacts_of_lead, operators_at_work, receivers, with_excerpt
from distribution.handling import close_contact
from leads.models import Contact

pytestmark = pytest.mark.django_db


class TestTheOperatorsAtWork:
    def test_are_those_who_are_active_or_have_contacts_by_name(self) -> None:
        resting = make_operator(name="Anna")
        arrive(make_source({resting: 1}))
        resting.is_active = False
        resting.save()
        idle, _gone = make_operator(name="Boris"), make_operator(name="Carla", is_active=False)

        assert list(operators_at_work()) == [resting, idle]

    @pytest.mark.parametrize("named", ["анн", "АНН", "Анна"])
    def test_are_found_by_a_part_of_the_name_without_regard_to_case(self, named: str) -> None:
        anna, _boris = make_operator(name="Анна"), make_operator(name="Борис")

        assert list(operators_at_work(named)) == [anna]


class TestAColumn:
    def test_holds_the_contacts_that_came_in_first_and_counts_the_others(self) -> None:
        operator, source = make_operator(max_load=20), make_source()
        now = timezone.now()
        for age in range(8):
            make_active_contacts(1, source, operator, created_at=now - timedelta(hours=age))
        operator.refresh_from_db()

        [column] = columns([operator])

        assert [(now - contact.created_at).seconds // 3600 for contact in column.contacts] == [7, 6, 5, 4, 3, 2]
        assert column.more == 2

    def test_holds_nothing_that_is_closed_or_somebody_elses(self) -> None:
        first, second = make_operator(), make_operator()
        kept = arrive(make_source({first: 1}))
        close_contact(arrive(make_source({first: 1})).pk)
        arrive(make_source({second: 1}))
        first.refresh_from_db()

        [column] = columns([first])

        assert (column.contacts, column.more) == ([kept], 0)

    def test_of_somebody_whose_contacts_were_closed_after_the_load_was_read_counts_none_besides(self) -> None:
        operator = make_operator()
        contact = arrive(make_source({operator: 1}))
        close_contact(contact.pk)

        [column] = columns([operator])

        assert (column.contacts, column.more) == ([], 0)

    @pytest.mark.parametrize("count", [1, 20])
    def test_takes_one_query_for_all(self, count: int, django_assert_num_queries: Any) -> None:
        source = make_source()
        operators = [make_operator() for _ in range(count)]
        for operator in operators:
            make_active_contacts(10, source, operator, text="x" * 5_000)

        with django_assert_num_queries(1):
            shown = [contact for column in columns(operators) for contact in column.contacts]
            assert {(contact.source.name, contact.excerpt) for contact in shown} == {(source.name, "x" * 160)}


class TestTheReceivers:
    def test_are_those_with_room_the_highest_weight_first_and_those_without_one_last(self) -> None:
        low, high, zero = make_operator(name="Low"), make_operator(name="High"), make_operator(name="Zero")
        source = make_source(
            {low: 1, high: 5, zero: 0, make_operator(max_load=0): 9, make_operator(is_active=False): 9}
        )
        other = make_operator(name="Unlisted")
        contact = arrive(source)
        Contact.objects.filter(pk=contact.pk).update(operator=None, status="waiting", assigned_at=None)
        contact.refresh_from_db()

        found = [(operator, operator.weight) for operator in receivers(contact)]  # type: ignore[attr-defined]

        assert found == [(high, 5), (low, 1), (zero, 0), (other, None)]

    def test_are_not_the_operator_who_has_it(self) -> None:
        operator = make_operator()
        contact = arrive(make_source({operator: 1}))

        assert operator not in receivers(contact)

    def test_are_given_their_weight_on_the_source_of_the_contact(self) -> None:
        operator = make_operator()
        contact = arrive(make_source({operator: 0}))
        make_source({operator: 7})

        assert [one.weight for one in receivers(contact)] == [0]  # type: ignore[attr-defined]


class TestTheContactsOfALead:
    def test_are_the_newest_ten_from_all_sources(self, django_assert_num_queries: Any) -> None:
        sources = [make_source(), make_source({make_operator(): 1})]
        contacts = [arrive(sources[number % 2], "user_1") for number in range(12)]
        arrive(sources[0], "user_2")

        with django_assert_num_queries(1):
            found = list(contacts_of_lead(contacts[0]))
            assert {str(contact.source) for contact in found} == {str(source) for source in sources}

        assert found == contacts[:1:-1]


def test_an_excerpt_stands_in_the_place_of_a_long_text(django_assert_num_queries: Any) -> None:
    arrive(make_source(), text="я" * 10_000, data={"much": "x" * 1_000})

    with django_assert_num_queries(1) as queries:
        [contact] = with_excerpt(Contact.objects.all())

    assert contact.excerpt == "я" * 160
    assert '"leads_contact"."data"' not in queries[0]["sql"]
