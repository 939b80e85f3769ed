from datetime import timedelta
from itertools import count
from typing import Any
from unittest.mock import patch

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from crm_project.testing.rows import arrive, assert_rules_hold, make_operator, make_source
from distribution.errors import OperatorNotFound
from distribution.handling import close_contact
from distribution.queue import drain, draining_at_the_end, give_waiting
from distribution.roster import change_operator, set_weights
from distribution.selectors import next_in_queue, operators_waited_for, queue_before
from leads.models import Contact, Source
from operators.models import Operator

pytestmark = pytest.mark.django_db


def make_room(operator: Operator, places: int) -> None:
    """Raise the limit past the services, so that nothing is drained by it."""
    Operator.objects.filter(pk=operator.pk).update(max_load=places)


def test_the_oldest_comes_first_by_age_not_by_id() -> None:
    operator = make_operator(max_load=0)
    source = make_source({operator: 1})
    first, second = arrive(source), arrive(source)
    Contact.objects.filter(pk=second.pk).update(created_at=timezone.now() - timedelta(hours=1))
    make_room(operator, 1)

    drain(Source.objects.all())

    assert Contact.objects.get(status="active") == second
    assert Contact.objects.get(status="waiting") == first


def test_a_drain_goes_on_until_nobody_has_room() -> None:
    operator = make_operator(max_load=0)
    source = make_source({operator: 1})
    contacts = [arrive(source) for _ in range(5)]
    make_room(operator, 3)

    given = drain(Source.objects.all())

    assert given == 3
    assert list(Contact.objects.active().oldest_first()) == contacts[:3]
    assert_rules_hold()


def test_a_source_without_room_does_not_hold_up_another() -> None:
    stuck = arrive(make_source({make_operator(max_load=0): 1}))
    operator = make_operator(max_load=0)
    contact = arrive(make_source({operator: 1}))
    make_room(operator, 1)

    drain(Source.objects.all())

    assert Contact.objects.get(pk=contact.pk).operator == operator
    assert Contact.objects.get(pk=stuck.pk).is_waiting


def test_the_oldest_of_two_sources_that_share_an_operator_comes_first() -> None:
    operator = make_operator(max_load=0)
    older = arrive(make_source({operator: 1}))
    younger = arrive(make_source({operator: 1_000_000}))
    make_room(operator, 1)

    drain(Source.objects.all())

    assert Contact.objects.get(pk=older.pk).operator == operator
    assert Contact.objects.get(pk=younger.pk).is_waiting


def test_an_inactive_source_rests() -> None:
    operator = make_operator(max_load=0)
    contact = arrive(make_source({operator: 1}))
    Source.objects.update(is_active=False)
    make_room(operator, 1)

    assert drain(Source.objects.all()) == 0
    assert Contact.objects.get(pk=contact.pk).is_waiting


def test_a_source_switched_off_after_the_look_keeps_its_queue() -> None:
    operator = make_operator(max_load=0)
    contact = arrive(make_source({operator: 1}))
    make_room(operator, 1)
    Source.objects.update(is_active=False)

    assert give_waiting(contact.pk) is None
    assert Contact.objects.get(pk=contact.pk).is_waiting


def test_only_the_sources_named_are_drained() -> None:
    operator = make_operator(max_load=0)
    contact = arrive(make_source({operator: 1}))
    make_room(operator, 1)

    assert drain(Source.objects.exclude(pk=contact.source_id)) == 0


def test_a_contact_that_no_longer_waits_is_left_alone() -> None:
    contact = arrive(make_source())
    close_contact(contact.pk)

    assert give_waiting(contact.pk) is None


def test_a_source_whose_operators_fill_up_before_the_lock_is_left_to_whoever_frees_them() -> None:
    arrive(make_source({make_operator(max_load=0): 1}))
    found = Contact.objects.values_list("source_id", "id").get()
    answers = [found, None]

    with patch("distribution.queue.next_in_queue", side_effect=lambda *args, **kwargs: answers.pop(0)) as look:
        drain(Source.objects.all())

    assert look.call_args.kwargs["excluding"] == {found[0]}


def test_a_drain_stops_when_its_time_is_over() -> None:
    operator = make_operator(max_load=0)
    source = make_source({operator: 1})
    for _ in range(3):
        arrive(source)
    make_room(operator, 3)

    with patch("distribution.queue.time.monotonic", side_effect=count()):
        given = drain(Source.objects.all(), within_seconds=2)

    assert given == 1


def test_looking_at_the_queue_takes_one_statement_however_many_sources(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    for _ in range(10):
        arrive(make_source({make_operator(max_load=0): 1}))

    with django_assert_num_queries(1):
        assert next_in_queue(Source.objects.all()) is None


def test_what_is_put_off_is_given_by_what_all_changes_set_together() -> None:
    first, second = make_operator(is_active=False), make_operator(is_active=False)
    source = make_source({first: 1, second: 1})
    waiting = [arrive(source) for _number in range(4)]

    with draining_at_the_end():
        change_operator(first.pk, is_active=True)
        assert Contact.objects.waiting().count() == len(waiting)
        set_weights(source.pk, {first.pk: 0})
        change_operator(second.pk, is_active=True)

    assert second.contacts.count() == len(waiting)
    assert_rules_hold()


def test_what_is_put_off_is_given_although_the_last_change_fails() -> None:
    operator = make_operator(is_active=False)
    waiting = arrive(make_source({operator: 1}))

    def activate(*operator_ids: int) -> None:
        with draining_at_the_end():
            for operator_id in operator_ids:
                change_operator(operator_id, is_active=True)

    with pytest.raises(OperatorNotFound):
        activate(operator.pk, 0)

    waiting.refresh_from_db()
    assert waiting.operator == operator


@pytest.mark.django_db
@pytest.mark.parametrize(
    "asked", [lambda one: queue_before(one, 1), lambda one: operators_waited_for([one])], ids=["arrival", "many"]
)
def test_who_waits_is_found_without_looking_at_who_does_not(asked: Any) -> None:
    """Among contacts that do not wait SQLite must read the queue alone; PostgreSQL knows how many there are."""
    with CaptureQueriesContext(connection) as queries:
        asked(make_source({make_operator(): 1}).pk)

    [*_others, sql] = [query["sql"] for query in queries if "leads_contact" in query["sql"]]
    if connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            cursor.execute(f"EXPLAIN QUERY PLAN {sql}")
            assert "contact_queue" in str(cursor.fetchall())
