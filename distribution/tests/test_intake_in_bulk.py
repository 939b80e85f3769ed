"""Many contacts in one transaction keep every rule that one alone keeps."""

from collections import Counter
from collections.abc import Sequence
from functools import partial
from itertools import batched
from typing import Any
from unittest.mock import patch

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from hypothesis import given, settings
from hypothesis import strategies as st

from crm_project.testing.concurrency import run_concurrently
from crm_project.testing.rows import arrive, assert_rules_hold, empty_the_house, make_operator, make_source
from crm_project.testing.webhooks import make_endpoint
from crm_project.webhooks.endpoints import subscribe
from crm_project.webhooks.models import Delivery, EventKind
from distribution import intake_in_bulk, rosters
from distribution.errors import SourceInactive, SourceNotFound
from distribution.handling import close_contact
from distribution.intake import Intake, Registration
from distribution.intake_in_bulk import register_chunk
from distribution.models import Decision, Event, LoadChange, RosterVersion
from distribution.queue import drain
from distribution.roster import delete_source
from distribution.verification import verify
from leads.models import Contact, Lead, Source, SourceEvent
from operators.models import Operator, Weight

pytestmark = pytest.mark.django_db


def intake(source: Source, external_id: str = "tg:1", **fields: Any) -> Intake:
    return Intake(source_code=source.code, external_id=external_id, **fields)


def intakes(source: Source, number: int, **fields: Any) -> list[Intake]:
    return [intake(source, f"lead_{place}", **fields) for place in range(number)]


def registered(results: Sequence[Any]) -> list[Contact]:
    """Return the contacts as the database has them; none was refused."""
    return [Contact.objects.get(pk=result.contact.pk) for result in results]


def assert_everything_holds() -> None:
    assert_rules_hold()
    assert list(verify()) == []


class TestEachContact:
    def test_is_given_and_stored_as_it_was_sent(self) -> None:
        operator = make_operator()
        source = make_source({operator: 1})
        sent: dict[str, Any] = {"name": "Анна", "phone": "8", "email": "a@b", "text": " hi ", "data": {"utm": [1]}}

        [contact] = registered(register_chunk([intake(source, **sent)]))

        assert {name: getattr(contact, name) for name in sent} == sent
        assert (contact.operator, contact.status, contact.lead.external_id) == (operator, "active", "tg:1")
        assert_everything_holds()

    def test_comes_back_in_the_order_it_was_sent(self) -> None:
        source = make_source({make_operator(): 1})

        contacts = registered(register_chunk(intakes(source, 20)))

        assert [contact.external_id for contact in contacts] == [f"lead_{place}" for place in range(20)]
        assert [contact.pk for contact in contacts] == sorted(contact.pk for contact in contacts)

    def test_counts_for_the_next(self) -> None:
        source = make_source({make_operator(max_load=2): 1, make_operator(max_load=3): 1})

        contacts = registered(register_chunk(intakes(source, 8)))

        assert [contact.status for contact in contacts] == ["active"] * 5 + ["waiting"] * 3
        assert_everything_holds()

    def test_counts_on_every_source_of_its_operator(self) -> None:
        operator = make_operator(max_load=3)
        sources = [make_source({operator: 1}), make_source({operator: 5})]

        contacts = registered(register_chunk([intake(sources[place % 2], f"lead_{place}") for place in range(5)]))

        assert Counter(contact.status for contact in contacts) == {"active": 3, "waiting": 2}
        assert_everything_holds()

    def test_is_refused_without_hindering_the_others(self) -> None:
        source = make_source({make_operator(): 1})
        resting = make_source({make_operator(): 1}, is_active=False)
        nowhere = Intake(source_code="nowhere", external_id="tg:2")

        results = register_chunk([intake(source, "tg:1"), nowhere, intake(resting, "tg:3"), intake(source, "tg:4")])

        assert [type(result) for result in results] == [Registration, SourceNotFound, SourceInactive, Registration]
        assert set(Lead.objects.values_list("external_id", flat=True)) == {"tg:1", "tg:4"}

    def test_of_a_source_that_does_not_exist_for_the_caller_is_refused(self) -> None:
        source, other = make_source(), make_source()

        results = register_chunk([intake(source, "tg:1"), intake(other, "tg:2")], among=[source.pk])

        assert [type(result) for result in results] == [Registration, SourceNotFound]

    def test_of_one_lead_belongs_to_one_lead(self) -> None:
        source = make_source({make_operator(): 1})
        arrive(source, "tg:1")

        register_chunk([intake(source, "tg:1"), intake(source, "tg:2"), intake(source, "tg:2")])

        assert Lead.objects.count() == 2

    def test_has_a_decision_and_an_event(self) -> None:
        source = make_source({make_operator(max_load=1): 1})

        contacts = registered(register_chunk(intakes(source, 2)))

        decisions = Decision.objects.order_by("pk").values_list("contact", "trigger", "operator")
        given, waits = contacts
        assert list(decisions) == [(given.pk, "arrival", given.operator_id), (waits.pk, "arrival", None)]
        told = set(Event.objects.values_list("contact", "kind", "sequence"))
        assert told == {
            (contacts[0].pk, "contact.assigned", 1),
            (contacts[1].pk, "contact.waiting", 1),
            (None, "operator.at_limit", None),
        }

    def test_is_told_to_those_who_want_to_hear_of_it(self) -> None:
        source, other = make_source({make_operator(): 1}), make_source({make_operator(): 1})
        of_all, of_one, of_other_kind = make_endpoint(), make_endpoint(), make_endpoint()
        subscribe(of_all, [EventKind.ASSIGNED], None)
        subscribe(of_one, [EventKind.ASSIGNED], [other.pk])
        subscribe(of_other_kind, [EventKind.CLOSED], None)

        first, second = registered(register_chunk([intake(source, "tg:1"), intake(other, "tg:2")]))

        told = set(Delivery.objects.values_list("endpoint", "contact"))
        assert told == {(of_all.pk, first.pk), (of_all.pk, second.pk), (of_one.pk, second.pk)}


class TestWhatWasSentBefore:
    def test_is_not_stored_again(self) -> None:
        source = make_source({make_operator(): 1})
        many = [intake(source, f"lead_{place}", event_id=f"update_{place}") for place in range(5)]
        first = register_chunk(many)

        again = register_chunk(many)

        assert [one.contact for one in again] == [one.contact for one in first]  # type: ignore[union-attr]
        assert [one.created for one in again] == [False] * 5  # type: ignore[union-attr]
        assert Contact.objects.count() == 5

    def test_is_recognised_within_one_chunk(self) -> None:
        source = make_source({make_operator(): 1})

        first, second = register_chunk([intake(source, event_id="update_1")] * 2)

        assert isinstance(first, Registration)
        assert isinstance(second, Registration)
        assert (second.contact, second.created) == (first.contact, False)

    def test_on_another_source_is_another(self) -> None:
        sources = [make_source({make_operator(): 1}), make_source({make_operator(): 1})]

        register_chunk([intake(source, event_id="update_1") for source in sources])

        assert SourceEvent.objects.count() == Contact.objects.count() == 2

    def test_at_this_moment_by_another_call_is_found(self) -> None:
        source = make_source({make_operator(): 1})
        contact = arrive(source, event_id="update_1")
        found = {(source.pk, "update_1"): contact}

        with patch.object(intake_in_bulk, "_contacts_of_events", side_effect=[{}, found]) as looks:
            [result] = register_chunk([intake(source, event_id="update_1")])

        assert (result, looks.call_count) == (Registration(contact, created=False), 2)
        assert Contact.objects.count() == 1

    def test_and_pruned_at_this_moment_is_new(self) -> None:
        source = make_source({make_operator(): 1})
        pruned = [[("update_1", 1_000_000)]]

        with patch.object(intake_in_bulk, "_known_events", side_effect=pruned):
            [contact] = registered(register_chunk([intake(source, event_id="update_1")]))

        assert SourceEvent.objects.get().contact == contact


class TestASourceThatReusesOpenContacts:
    def test_gives_the_open_contact_back(self) -> None:
        source = make_source({make_operator(): 1}, reuse_open_contact=True)
        contact = arrive(source, "tg:1")

        results = register_chunk([intake(source, "tg:1"), intake(source, "tg:2"), intake(source, "tg:2")])

        assert [one.created for one in results] == [False, True, False]  # type: ignore[union-attr]
        assert results[0].contact == contact  # type: ignore[union-attr]
        assert Contact.objects.count() == 2

    def test_gives_it_back_while_it_rests(self) -> None:
        source = make_source({make_operator(): 1}, reuse_open_contact=True)
        contact = arrive(source, "tg:1")
        Source.objects.update(is_active=False)

        results = register_chunk([intake(source, "tg:1"), intake(source, "tg:2")])

        assert results[0] == Registration(contact, created=False)
        assert isinstance(results[1], SourceInactive)

    def test_gives_the_oldest_of_several_back(self) -> None:
        source = make_source({make_operator(): 1})
        oldest, _newer = arrive(source, "tg:1"), arrive(source, "tg:1")
        Source.objects.update(reuse_open_contact=True)

        [result] = register_chunk([intake(source, "tg:1")])

        assert result == Registration(oldest, created=False)


class TestTheSameOperatorAgain:
    def test_gets_whom_they_had(self) -> None:
        known, other = make_operator(), make_operator()
        source = make_source({known: 1})
        arrive(source, "tg:1")
        Weight.objects.create(source=source, operator=other, weight=100)
        Source.objects.update(prefer_same_operator=True)

        contacts = registered(register_chunk([intake(source, "tg:1")] * 5))

        assert {contact.operator for contact in contacts} == {known}
        assert_everything_holds()

    def test_gets_whom_they_had_earlier_in_the_chunk(self) -> None:
        source = make_source({make_operator(): 1 for _ in range(10)}, prefer_same_operator=True)

        contacts = registered(register_chunk([intake(source, "tg:1")] * 8))

        assert len({contact.operator_id for contact in contacts}) == 1


class TestTheQueue:
    def test_is_not_passed(self) -> None:
        operator = make_operator(max_load=0)
        source = make_source({operator: 1})
        older = arrive(source)
        Operator.objects.update(max_load=2)

        contacts = registered(register_chunk(intakes(source, 3)))

        older.refresh_from_db()
        assert older.operator == operator
        assert [contact.status for contact in contacts] == ["active", "waiting", "waiting"]
        assert_everything_holds()

    def test_is_not_passed_by_way_of_another_source(self) -> None:
        shared, free = make_operator(max_load=0), make_operator(max_load=9)
        source, other = make_source({shared: 1}), make_source({shared: 5, free: 1})
        older = arrive(source)
        Operator.objects.filter(pk=shared.pk).update(max_load=1)

        register_chunk(intakes(other, 5))

        older.refresh_from_db()
        assert older.operator == shared
        assert_everything_holds()

    def test_is_drained_after_the_commit(self) -> None:
        source = make_source({make_operator(max_load=0): 1})
        with patch.object(intake_in_bulk, "drain_after_commit_if_room") as put_off:
            register_chunk(intakes(source, 3))

        assert put_off.call_count == 1


@pytest.mark.parametrize("strategy", ["weighted_random", "smooth_weighted", "least_loaded"])
class TestEveryStrategy:
    def test_is_followed_and_can_be_replayed(self, strategy: str) -> None:
        source = make_source({make_operator(max_load=40): 1, make_operator(max_load=40): 3}, strategy=strategy)

        for many in batched(intakes(source, 90), 30):
            register_chunk(many)
        arrive(source)

        assert_everything_holds()

    def test_goes_on_where_single_contacts_left_off(self, strategy: str) -> None:
        light, heavy = make_operator(max_load=1000), make_operator(max_load=1000)
        source = make_source({light: 1, heavy: 3}, strategy=strategy)
        for _ in range(10):
            arrive(source)
            register_chunk(intakes(source, 3))

        light.refresh_from_db()
        expected = {"smooth_weighted": range(9, 12), "least_loaded": range(9, 21)}
        assert light.load in expected.get(strategy, range(1, 25))
        assert_everything_holds()


def test_a_long_list_of_operators_is_stored_once() -> None:
    source = make_source({make_operator(max_load=1000): 1 for _ in range(60)})

    register_chunk(intakes(source, 40))

    assert RosterVersion.objects.count() == 1
    assert_everything_holds()


def test_the_statements_do_not_grow_with_the_contacts() -> None:
    source = make_source({make_operator(max_load=1000): 1 for _ in range(5)})
    register_chunk(intakes(source, 1))

    with CaptureQueriesContext(connection) as few:
        register_chunk([intake(source, f"few_{place}", event_id=f"few_{place}") for place in range(3)])
    with CaptureQueriesContext(connection) as many:
        register_chunk([intake(source, f"many_{place}", event_id=f"many_{place}") for place in range(100)])

    assert len(many) <= len(few) + 2


@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
def test_a_source_that_was_deleted_meanwhile_fails_its_own_contacts_alone() -> None:
    gone, there = (make_source({make_operator(): 1}, strategy="smooth_weighted") for _time in range(2))
    both = {source.code: source for source in (gone, there)}
    many = [intake(gone, "tg:1"), intake(there, "tg:2")]
    delete_source(gone.pk)

    with patch.object(intake_in_bulk, "_sources", side_effect=[both, {there.code: there}]):
        refused, stored = register_chunk(many)

    assert isinstance(refused, SourceNotFound)
    assert isinstance(stored, Registration)


def test_somebody_who_came_on_the_list_meanwhile_is_locked_too() -> None:
    source = make_source({make_operator(max_load=0): 1})
    late = make_operator()
    Weight.objects.create(source=source, operator=late, weight=1)
    too_early: Any = [{}, Operator.objects.in_bulk()]

    with patch.object(rosters, "lock_operators_of", side_effect=too_early) as locks:
        [contact] = registered(register_chunk(intakes(source, 1)))

    assert (contact.operator, locks.call_count) == (late, 2)


weights = st.lists(st.integers(0, 5), min_size=1, max_size=4)


@settings(max_examples=30, deadline=None)
@given(
    limits=st.lists(st.integers(0, 4), min_size=4, max_size=4),
    first=weights,
    second=weights,
    rows=st.lists(st.tuples(st.integers(0, 1), st.integers(0, 5)), max_size=20),
    closed=st.sets(st.integers(0, 20), max_size=5),
    strategy=st.sampled_from(["weighted_random", "smooth_weighted", "least_loaded"]),
)
def test_whatever_comes_the_rules_hold(
    limits: list[int], first: list[int], second: list[int], rows: Any, closed: set[int], strategy: str
) -> None:
    empty_the_house()
    operators = [make_operator(max_load=limit) for limit in limits]
    sources = [
        make_source(dict(zip(operators, first, strict=False)), strategy=strategy),
        make_source(dict(zip(reversed(operators), second, strict=False)), reuse_open_contact=True),
    ]

    for chunk in batched([intake(sources[place], f"lead_{lead}") for place, lead in rows], 7):
        register_chunk(chunk)
        for place, contact in enumerate(Contact.objects.open()):
            if place in closed:
                close_contact(contact.pk)

    drain(Source.objects.all())
    assert_everything_holds()


class TestSideBySide:
    pytestmark = pytest.mark.django_db(transaction=True)

    def test_chunks_and_single_contacts_break_no_limit_and_lose_nothing(self) -> None:
        operators = [make_operator(max_load=15) for _ in range(8)]
        sources = [make_source(dict.fromkeys(operators[:5], 1)), make_source(dict.fromkeys(operators[3:], 2))]

        def in_bulk() -> None:
            for part in range(3):
                register_chunk([intake(sources[place % 2], f"{part}_{place}") for place in range(20)])

        def alone() -> None:
            for place in range(20):
                arrive(sources[place % 2], f"0_{place}")

        run_concurrently(in_bulk, alone, times=4)

        drain(Source.objects.all())
        assert Contact.objects.count() == 4 * 60 + 4 * 20
        assert Contact.objects.active().count() == 8 * 15
        assert LoadChange.objects.count() == 8 * 15
        assert_everything_holds()

    def test_the_same_events_at_once_are_stored_once(self) -> None:
        source = make_source({make_operator(max_load=1000): 1 for _ in range(3)})
        many = [intake(source, f"lead_{place}", event_id=f"update_{place}") for place in range(40)]

        run_concurrently(partial(register_chunk, many), partial(register_chunk, many[::-1]), times=2)

        assert Contact.objects.count() == SourceEvent.objects.count() == 40
        assert_everything_holds()
