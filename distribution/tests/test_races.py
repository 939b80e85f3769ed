"""Calls that meet: real threads, real transactions, on both databases."""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from itertools import count, cycle
from math import sqrt
from threading import Barrier
from unittest.mock import patch

import pytest
from django.db import DatabaseError, connection
from django.utils import timezone

from crm_project.testing.concurrency import run_concurrently
from crm_project.testing.rows import (
    arrive,
    assert_loads_are_true,
    assert_nobody_waits_beside_a_free_operator,
    assert_rules_hold,
    make_lead,
    make_operator,
    make_source,
)
from distribution import intake, roster
from distribution.availability import can_take
from distribution.errors import ContactClosed, HasContacts, NobodyAvailable, OperatorUnavailable, SourceNotFound
from distribution.handling import close_contact, reassign_by_draw, reassign_to_operator, reopen_contact
from distribution.intake import Intake, Registration, register_contact
from leads.models import Contact, Lead, Source
from operators.models import Operator

pytestmark = pytest.mark.django_db(transaction=True)

CLIENTS = 16


def arrivals(source: Source, leads: Iterator[str], number: int) -> Callable[[], list[Registration]]:
    def run() -> list[Registration]:
        return [register_contact(Intake(source_code=source.code, external_id=next(leads))) for _ in range(number)]

    return run


def new_leads() -> Iterator[str]:
    return (f"lead_{number}" for number in count())


def known_leads() -> Iterator[str]:
    names = [f"lead_{number}" for number in range(50)]
    for name in names:
        make_lead(name)
    return cycle(names)


def one_lead() -> Iterator[str]:
    return cycle(["lead"])


@pytest.mark.parametrize("leads", [new_leads, known_leads, one_lead])
def test_arrivals_at_once_fill_every_place_and_not_one_more(leads: Callable[[], Iterator[str]]) -> None:
    operators = [make_operator(max_load=5) for _ in range(5)]
    source = make_source(dict.fromkeys(operators, 1))
    names = [next(names) for names in [leads()] for _ in range(96)]

    run_concurrently(*(arrivals(source, iter(names[part::CLIENTS]), 6) for part in range(CLIENTS)))

    assert [operator.load for operator in Operator.objects.all()] == [5] * 5
    assert Counter(Contact.objects.values_list("status", flat=True)) == {"active": 25, "waiting": 71}
    assert_rules_hold()


@pytest.mark.postgresql
def test_without_the_lock_the_limit_breaks() -> None:
    source = make_source({make_operator(max_load=1): 1})
    everybody_has_looked = Barrier(4)

    def look_without_lock(operator_id: int) -> Operator | None:
        found = Operator.objects.filter(can_take(), pk=operator_id).first()
        everybody_has_looked.wait(5)
        return found

    with patch.object(intake, "lock_operator_with_room", look_without_lock):
        run_concurrently(lambda: arrive(source), times=4)

    assert Operator.objects.get().load == 4


@pytest.mark.sqlite
def test_without_immediate_transactions_calls_fail() -> None:
    source = make_source({make_operator(max_load=1_000): 1})
    arrive(source, "lead")
    everybody_has_read = Barrier(4)
    confirm = intake.lock_operator_with_room

    def meet(operator_id: int) -> Operator | None:
        everybody_has_read.wait(5)
        return confirm(operator_id)

    def arrive_deferred() -> None:
        connection.ensure_connection()
        connection.transaction_mode = None  # type: ignore[attr-defined]
        with patch("crm_project.sqlite.base.DatabaseWrapper._take_turn"):
            arrive(source, "lead")

    with patch.object(intake, "lock_operator_with_room", meet), pytest.raises(ExceptionGroup) as failures:
        run_concurrently(arrive_deferred, times=4)

    assert failures.group_contains(DatabaseError, match="locked")


def test_shares_at_many_clients_are_those_of_one() -> None:
    light, heavy = make_operator(max_load=10_000), make_operator(max_load=10_000)
    source = make_source({light: 10, heavy: 30})
    leads = [f"lead_{number}" for number in range(400)]

    run_concurrently(*(arrivals(source, iter(leads[part::CLIENTS]), 25) for part in range(CLIENTS)))

    light.refresh_from_db()
    assert abs(light.load - 100) < 4 * sqrt(400 * 0.25 * 0.75)


def test_one_new_lead_who_writes_many_times_at_once_is_stored_once() -> None:
    source = make_source({make_operator(max_load=100): 1})

    run_concurrently(lambda: arrive(source, "lead"), times=CLIENTS)

    assert Lead.objects.get().contacts.count() == CLIENTS


@pytest.mark.parametrize("known", [False, True], ids=["a new lead", "a known lead"])
def test_a_lead_whose_open_contact_is_reused_has_one_however_many_calls_meet(known: bool) -> None:
    source = make_source({make_operator(max_load=100): 1}, reuse_open_contact=True)
    if known:
        make_lead("lead")
    intake = Intake(source_code=source.code, external_id="lead")

    registrations = run_concurrently(lambda: register_contact(intake), times=32)

    contact = Contact.objects.get()
    assert {registration.contact.pk for registration in registrations} == {contact.pk}
    assert [registration.created for registration in registrations].count(True) == 1
    assert_rules_hold()


def test_closing_twice_and_reopening_at_once_keeps_the_load_true() -> None:
    source = make_source({make_operator(max_load=2): 1})
    contacts = [arrive(source) for _ in range(4)]

    for contact in contacts:
        again = contact.pk
        run_concurrently(
            *[lambda contact_id=again: close_contact(contact_id)] * 3,
            *[lambda contact_id=again: reopen_contact(contact_id)] * 3,
        )

    assert_rules_hold()


def test_closing_beside_arrivals_at_a_full_house_leaves_nobody_beside_a_free_place() -> None:
    source = make_source({make_operator(max_load=3): 1, make_operator(max_load=3): 3})
    for _ in range(6):
        arrive(source)

    def close_some() -> None:
        for _ in range(15):
            contact = Contact.objects.active().order_by("?").first()
            if contact is not None:
                close_contact(contact.pk)

    leads = new_leads()
    names = [next(leads) for _ in range(8 * 15)]
    run_concurrently(*[close_some] * 8, *(arrivals(source, iter(names[part::8]), 15) for part in range(8)))

    assert_rules_hold()


@dataclass(frozen=True)
class Call:
    """One registration as its caller saw it."""

    contact_id: int
    waits: bool
    began: datetime
    ended: datetime


def arrive_and_close(sources: list[Source], client: int) -> list[Call]:
    """Register contacts on each source in turn, and close some active one at every second step."""
    calls = []
    for step in range(12):
        began = timezone.now()
        intake = Intake(source_code=sources[(client + step) % 2].code, external_id=f"lead_{client}_{step}")
        contact = register_contact(intake).contact
        calls.append(Call(contact.pk, contact.is_waiting, began, timezone.now()))
        active = Contact.objects.active().order_by("?").first()
        if step % 2 and active is not None:
            close_contact(active.pk)
    return calls


def overtaken(calls: list[Call]) -> list[tuple[Call, Call]]:
    """Return each (arrival, waiting) where the arrival took a place though the other was told before to wait."""
    contacts = Contact.objects.filter(assigned_at__isnull=False)
    assigned = {contact.pk: contact.assigned_at for contact in contacts if contact.assigned_at}
    return [
        (arrival, waiting)
        for arrival in calls
        for waiting in calls
        if not arrival.waits and waiting.waits and waiting.ended < arrival.began
        if waiting.contact_id not in assigned or assigned[waiting.contact_id] > assigned[arrival.contact_id]
    ]


def calls_at_saturation() -> list[Call]:
    """Let 16 clients arrive and close on two sources that share six places."""
    shared = [make_operator(max_load=2) for _ in range(3)]
    sources = [make_source(dict.fromkeys(shared, 1)), make_source(dict.fromkeys(shared, 2))]
    clients = run_concurrently(*(lambda client=client: arrive_and_close(sources, client) for client in range(CLIENTS)))
    return [call for client in clients for call in client]


def test_at_saturation_no_arrival_takes_a_place_from_whoever_waits_on_a_source_that_shares_it() -> None:
    assert overtaken(calls_at_saturation()) == []
    assert_rules_hold()


def test_without_the_look_at_the_queue_arrivals_overtake() -> None:
    with patch("distribution.intake.queue_before", return_value=False):
        assert overtaken(calls_at_saturation()) != []


def test_reassigning_in_opposite_directions_meets_no_deadlock() -> None:
    left, right = make_operator(max_load=100), make_operator(max_load=100)
    source = make_source({left: 1, right: 1})
    contacts = [arrive(source) for _ in range(20)]

    def move_to(operator: Operator, ordered: list[Contact]) -> Callable[[], None]:
        def run() -> None:
            for contact in ordered:
                reassign_to_operator(contact.pk, operator.pk)

        return run

    run_concurrently(*[move_to(left, contacts), move_to(right, contacts[::-1])] * 4)

    assert_rules_hold()


def test_whoever_pauses_beside_arrivals_and_moves_gets_nothing_once_the_pause_is_committed() -> None:
    pausing, other = make_operator(max_load=1_000), make_operator(max_load=1_000)
    source = make_source({pausing: 1, other: 1})
    elsewhere = make_source({other: 1})
    contacts = [arrive(elsewhere) for _ in range(20)]
    paused_at: list[datetime] = []

    def pause() -> None:
        for _ in range(3):
            arrive(source)
        roster.change_operator(pausing.pk, is_paused=True)
        paused_at.append(timezone.now())

    def move_all() -> None:
        for contact in contacts:
            with suppress(OperatorUnavailable):
                reassign_to_operator(contact.pk, pausing.pk)

    run_concurrently(pause, move_all, *[lambda: [arrive(source) for _ in range(10)]] * 4)

    assert not Contact.objects.filter(operator=pausing, assigned_at__gt=paused_at[0]).exists()
    assert Contact.objects.waiting().count() == 0
    assert_rules_hold()


def test_closing_beside_giving_to_somebody_keeps_the_rules() -> None:
    first, second = make_operator(max_load=5), make_operator(max_load=5)
    source = make_source({first: 1})
    contacts = [arrive(source) for _ in range(10)]

    def give_all() -> None:
        for contact in contacts:
            with suppress(OperatorUnavailable, ContactClosed):
                reassign_to_operator(contact.pk, second.pk)

    def close_all() -> None:
        for contact in reversed(contacts):
            close_contact(contact.pk)

    run_concurrently(give_all, close_all, give_all, close_all)

    assert_rules_hold()


def test_drawing_anew_beside_arrivals_keeps_the_rules() -> None:
    operators = [make_operator(max_load=4) for _ in range(4)]
    source = make_source(dict.fromkeys(operators, 1))
    contacts = [arrive(source) for _ in range(10)]

    def redraw() -> None:
        for contact in contacts:
            with suppress(NobodyAvailable):
                reassign_by_draw(contact.pk)

    names = [f"late_{number}" for number in range(40)]
    run_concurrently(*[redraw] * 4, *(arrivals(source, iter(names[part::4]), 10) for part in range(4)))

    assert_rules_hold()


def test_weights_limits_and_activity_changed_beside_arrivals() -> None:
    operators = [make_operator(max_load=3) for _ in range(3)]
    source = make_source(dict.fromkeys(operators, 1))

    def change() -> None:
        for step in range(12):
            operator = operators[step % 3]
            roster.set_weights(source.pk, {o.pk: (step + o.pk) % 3 for o in operators})
            roster.change_operator(operator.pk, is_active=step % 2 == 0)
            roster.change_operator(operator.pk, max_load=3 + step)
        roster.set_weights(source.pk, {o.pk: 1 for o in operators})

    names = [f"lead_{number}" for number in range(80)]
    run_concurrently(change, change, *(arrivals(source, iter(names[part::8]), 10) for part in range(8)))

    assert_loads_are_true()
    assert_nobody_waits_beside_a_free_operator()


def test_deleting_an_operator_beside_arrivals_leaves_no_contact_without_theirs() -> None:
    for _ in range(5):
        operator = make_operator()
        source = make_source({operator: 1, make_operator(max_load=0): 1})

        def delete(operator_id: int = operator.pk) -> None:
            with suppress(HasContacts):
                roster.delete_operator(operator_id)

        run_concurrently(delete, *[lambda source=source: arrive(source)] * 3)

    assert_rules_hold()


def test_deleting_a_source_or_a_lead_beside_arrivals_loses_nothing_accepted() -> None:
    for _ in range(5):
        source = make_source({make_operator(): 1})
        lead = make_lead(f"lead of {source.pk}")

        def delete(source_id: int = source.pk, lead_id: int = lead.pk) -> None:
            for remove, row_id in ((roster.delete_lead, lead_id), (roster.delete_source, source_id)):
                with suppress(HasContacts):
                    remove(row_id)

        def write(source: Source = source, lead: Lead = lead) -> int | None:
            try:
                return arrive(source, lead.external_id).pk
            except SourceNotFound:
                return None

        _deleted, *written = run_concurrently(delete, write, write)
        accepted = {contact_id for contact_id in written if contact_id is not None}
        assert set(Contact.objects.filter(pk__in=accepted).values_list("pk", flat=True)) == accepted

    assert_rules_hold()
