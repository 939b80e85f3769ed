"""The moments that are lost most easily, each set up step by step on PostgreSQL, and the SQL of every lock."""

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from threading import Barrier, Event
from typing import Any
from unittest.mock import patch

import pytest
from django.db import connection, connections, transaction
from django.test.utils import CaptureQueriesContext

from crm_project.api.refusals import Refusal
from crm_project.testing.concurrency import run_concurrently, somebody_waits_for_a_lock
from crm_project.testing.rows import arrive, assert_rules_hold, make_lead, make_operator, make_source
from crm_project.testing.waiting import wait_until
from distribution import assignment, intake, locks
from distribution.decisions import Attempt
from distribution.handling import close_contact
from distribution.selectors import next_in_queue
from distribution.transactions import in_transaction
from leads.models import Contact, Source
from operators.models import Operator

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.postgresql]

type Start = Callable[..., Future[Any]]

SECONDS = 10


@pytest.fixture
def start() -> Iterator[Start]:
    """Run a call in another thread, on a connection of its own."""

    def run(work: Callable[..., Any], *args: Any) -> Any:
        try:
            return work(*args)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(4) as threads:
        yield lambda work, *args: threads.submit(run, work, *args)


def arrive_while_a_place_becomes_free(start: Start) -> tuple[Operator, Contact]:
    """Free the only place between the moment an arrival finds nobody and its commit; return both."""
    operator = make_operator(max_load=1)
    source = make_source({operator: 1})
    active = arrive(source)
    nobody_found, place_freed = Event(), Event()
    put_in_queue = intake.put_in_queue

    def put_in_queue_late(contact: Contact, attempt: Attempt) -> None:
        nobody_found.set()
        assert place_freed.wait(SECONDS)
        put_in_queue(contact, attempt)

    with patch.object(intake, "put_in_queue", put_in_queue_late):
        arrival = start(arrive, source)
        assert nobody_found.wait(SECONDS)
        close_contact(active.pk)
        place_freed.set()
        return operator, arrival.result(SECONDS)


def test_an_arrival_that_finds_nobody_while_a_place_becomes_free_is_given_it(start: Start) -> None:
    operator, contact = arrive_while_a_place_becomes_free(start)

    assert contact.operator == operator
    assert_rules_hold()


def test_without_the_drain_after_its_commit_that_arrival_would_be_left_waiting(start: Start) -> None:
    with patch.object(intake, "drain_after_commit_if_room"):
        _operator, contact = arrive_while_a_place_becomes_free(start)

    assert contact.is_waiting
    assert next_in_queue(Source.objects.all()) is not None


def arrive_while_another_joins_the_queue(start: Start) -> tuple[Contact, Contact]:
    """Commit a waiting contact while an arrival waits for the operator's lock; return (the waiting, the arrival)."""
    operator = make_operator(max_load=1)
    source = make_source({operator: 1})
    lead = make_lead("first")
    with transaction.atomic():
        locks.lock_operator(operator.pk)
        arrival = start(arrive, source)
        wait_until(somebody_waits_for_a_lock)
        waiting = start(lambda: Contact.objects.create(lead=lead, source=source, external_id="first")).result(SECONDS)
    late = arrival.result(SECONDS)
    waiting.refresh_from_db()
    return waiting, late


def test_an_arrival_does_not_overtake_whoever_joined_the_queue_while_it_waited_for_the_lock(start: Start) -> None:
    waiting, arrival = arrive_while_another_joins_the_queue(start)

    assert (waiting.status, arrival.status) == ("active", "waiting")


def test_looking_at_the_queue_before_the_lock_would_overtake(start: Start) -> None:
    def look_first(source_id: int, operator_id: int) -> Operator | None:
        if intake.queue_before(source_id, operator_id):
            return None
        return assignment.confirm_available(source_id, operator_id)

    with patch.object(intake, "_confirm_arrival", look_first):
        waiting, arrival = arrive_while_another_joins_the_queue(start)

    assert (waiting.status, arrival.status) == ("waiting", "active")


def test_a_place_that_fills_up_while_an_arrival_waits_for_the_lock_is_not_given_twice(start: Start) -> None:
    operator = make_operator(max_load=1)
    source = make_source({operator: 1})
    with transaction.atomic():
        locks.lock_operator(operator.pk)
        arrival = start(arrive, source)
        wait_until(somebody_waits_for_a_lock)
        Operator.objects.filter(pk=operator.pk).update(max_load=0)

    assert arrival.result(SECONDS).is_waiting


def test_a_weight_that_goes_while_an_arrival_waits_for_the_lock_draws_nothing(start: Start) -> None:
    operator = make_operator()
    source = make_source({operator: 1})
    with transaction.atomic():
        locks.lock_operator(operator.pk)
        arrival = start(arrive, source)
        wait_until(somebody_waits_for_a_lock)
        source.weights.update(weight=0)

    assert arrival.result(SECONDS).is_waiting


def test_a_real_deadlock_is_repeated_and_reaches_nobody() -> None:
    first, second = make_operator(), make_operator()
    both_hold_one = Barrier(2)
    attempts: list[int] = []

    def lock_in_order(one: int, other: int) -> None:
        @in_transaction
        def work() -> None:
            attempts.append(one)
            locks.lock_operator(one)
            if len(attempts) <= 2:
                both_hold_one.wait(SECONDS)
            locks.lock_operator(other)

        work()

    run_concurrently(lambda: lock_in_order(first.pk, second.pk), lambda: lock_in_order(second.pk, first.pk))

    assert len(attempts) == 3


@pytest.mark.parametrize(
    "take",
    [
        lambda: locks.lock_lead(1),
        lambda: locks.lock_source(1),
        lambda: locks.lock_sources([1, 2]),
        lambda: locks.lock_contact(1),
        lambda: locks.lock_operators([1, 2]),
        lambda: locks.lock_operator(1),
        lambda: locks.lock_operator_with_room(1),
    ],
    ids=["lead", "source", "sources", "contact", "operators", "operator", "operator with room"],
)
def test_every_lock_lets_others_refer_to_the_row_and_is_taken_by_primary_key(take: Callable[[], object]) -> None:
    with suppress(Refusal), transaction.atomic(), CaptureQueriesContext(connection) as queries:
        take()

    statement = queries[-1]["sql"]
    assert "FOR NO KEY UPDATE OF" in statement
    assert "JOIN" not in statement
    assert "ORDER BY" in statement


def test_the_lock_for_a_deletion_keeps_out_new_references() -> None:
    with transaction.atomic(), CaptureQueriesContext(connection) as queries:
        locks.lock_for_deletion(Operator.objects.filter(pk=1))

    assert "FOR UPDATE OF" in queries[-1]["sql"]
