"""The outbox: what others are told of, stored in the transaction that makes it true."""

from typing import Any

import pytest
from django.db import connection
from django.db.models import Q
from model_bakery import baker

from crm_project.testing.rows import arrive, make_operator, make_source
from crm_project.webhooks.models import Delivery, Endpoint, EventKind, Subscription
from distribution import handling, roster
from distribution.errors import NobodyAvailable
from distribution.intake import Intake, register_contact
from distribution.intake_in_bulk import register_chunk
from distribution.models import Event
from leads.models import Contact, Source
from operators.models import Operator

pytestmark = pytest.mark.django_db


@pytest.fixture
def anna() -> Operator:
    return make_operator(name="Anna")


@pytest.fixture
def source(anna: Operator) -> Source:
    return make_source({anna: 1})


def told() -> list[tuple[str, int | None]]:
    return list(Event.objects.order_by("pk").values_list("kind", "operator"))


def kinds() -> list[str]:
    return [kind for kind, _operator in told()]


def listen(*kinds: str, source: Source | None = None, **fields: Any) -> Endpoint:
    endpoint = baker.make(Endpoint, **fields)
    for kind in kinds:
        Subscription.objects.create(endpoint=endpoint, kind=kind, source=source)
    return endpoint


def heard(endpoint: Endpoint) -> list[str]:
    return list(endpoint.deliveries.order_by("pk").values_list("event__kind", flat=True))


class TestWhatIsTold:
    def test_an_arrival_that_is_assigned(self, source: Source, anna: Operator) -> None:
        contact = arrive(source)

        event = Event.objects.get()
        assert (event.kind, event.contact, event.operator) == (EventKind.ASSIGNED, contact, anna)
        assert (event.source, event.previous_operator, event.sequence) == (source, None, 1)

    def test_an_arrival_that_waits_and_is_assigned_later(self, source: Source, anna: Operator) -> None:
        roster.change_operator(anna.pk, max_load=0)
        arrive(source)
        assert told() == [(EventKind.WAITING, None)]

        roster.change_operator(anna.pk, max_load=5)
        assert told() == [(EventKind.WAITING, None), (EventKind.ASSIGNED, anna.pk)]

    def test_a_move_names_who_had_it(self, source: Source, anna: Operator) -> None:
        contact, boris = arrive(source), make_operator()

        handling.reassign_to_operator(contact.pk, boris.pk)

        event = Event.objects.latest("pk")
        assert (event.kind, event.operator, event.previous_operator) == (EventKind.REASSIGNED, boris, anna)

    def test_closing_and_reopening(self, source: Source, anna: Operator) -> None:
        contact = arrive(source)

        handling.close_contact(contact.pk)
        handling.reopen_contact(contact.pk)

        assert told()[1:] == [(EventKind.CLOSED, anna.pk), (EventKind.REOPENED, anna.pk)]

    def test_reopening_into_the_queue(self, source: Source, anna: Operator) -> None:
        contact = handling.close_contact(arrive(source).pk)
        roster.change_operator(anna.pk, is_active=False)

        handling.reopen_contact(contact.pk)

        assert told()[-1] == (EventKind.REOPENED, None)

    def test_what_goes_back_into_the_queue_names_who_had_it(self, source: Source, anna: Operator) -> None:
        contact = arrive(source)
        roster.change_operator(anna.pk, is_active=False)

        handling.return_to_queue(contact.pk, from_operator_id=anna.pk)

        event = Event.objects.latest("pk")
        assert (event.kind, event.operator, event.previous_operator) == (EventKind.WAITING, None, anna)

    def test_nothing_when_nothing_changes(self, source: Source) -> None:
        contact = handling.close_contact(arrive(source).pk)
        before = told()

        handling.close_contact(contact.pk)

        assert told() == before

    def test_nothing_of_what_is_refused(self, source: Source) -> None:
        contact = arrive(source)
        before = told()

        with pytest.raises(NobodyAvailable):
            handling.reassign_by_draw(contact.pk)

        assert told() == before


class TestTheNumber:
    def test_counts_the_events_of_each_contact_from_one(self, source: Source) -> None:
        first, second = arrive(source), arrive(source)
        handling.close_contact(first.pk)
        handling.reopen_contact(first.pk)

        numbers = Event.objects.order_by("pk").values_list("contact", "sequence")
        assert list(numbers) == [(first.pk, 1), (second.pk, 1), (first.pk, 2), (first.pk, 3)]
        assert Contact.objects.get(pk=first.pk).sequence == 3

    @pytest.mark.postgresql
    def test_of_the_transaction_is_that_of_the_database(self, source: Source) -> None:
        arrive(source)

        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_current_xact_id()::text::bigint")
            assert Event.objects.get().transaction_id == cursor.fetchone()[0]


class TestTheLimit:
    def test_is_told_when_the_last_place_is_taken(self, source: Source, anna: Operator) -> None:
        roster.change_operator(anna.pk, max_load=2)

        arrive(source)
        assert EventKind.AT_LIMIT not in kinds()

        arrive(source)
        assert (EventKind.AT_LIMIT, anna.pk) in told()

    def test_is_told_when_it_is_lowered_to_the_load(self, source: Source, anna: Operator) -> None:
        arrive(source)

        roster.change_operator(anna.pk, max_load=1)

        assert told()[-1] == (EventKind.AT_LIMIT, anna.pk)

    def test_of_nothing_is_none_that_was_reached(self, source: Source, anna: Operator) -> None:
        roster.change_operator(anna.pk, max_load=0)

        assert told() == []


class TestWhoIsTold:
    def test_is_whoever_hears_of_the_event_on_every_source(self, source: Source) -> None:
        endpoint = listen(EventKind.ASSIGNED)

        contact = arrive(source)

        delivery = Delivery.objects.get()
        assert (delivery.endpoint, delivery.contact, delivery.event.contact) == (endpoint, contact, contact)
        assert (delivery.state, delivery.attempts, delivery.body) == ("pending", 0, "")
        assert delivery.due_at is not None

    def test_is_whoever_hears_of_the_source(self, source: Source) -> None:
        other = listen(EventKind.ASSIGNED, source=make_source())
        endpoint = listen(EventKind.ASSIGNED, EventKind.CLOSED, source=source)

        handling.close_contact(arrive(source).pk)

        assert heard(endpoint) == [EventKind.ASSIGNED, EventKind.CLOSED]
        assert heard(other) == []

    def test_is_nobody_who_did_not_choose_the_event(self, source: Source) -> None:
        endpoint = listen(EventKind.CLOSED)

        arrive(source)

        assert heard(endpoint) == []

    def test_is_nobody_who_is_switched_off(self, source: Source) -> None:
        endpoint = listen(EventKind.ASSIGNED, is_active=False)

        arrive(source)

        assert heard(endpoint) == []

    def test_of_a_limit_is_whoever_hears_of_a_source_of_the_operator_once(self, source: Source, anna: Operator) -> None:
        roster.change_operator(anna.pk, max_load=1)
        both = listen(EventKind.AT_LIMIT)
        Subscription.objects.create(endpoint=both, kind=EventKind.AT_LIMIT, source=source)
        theirs = listen(EventKind.AT_LIMIT, source=make_source({anna: 0}))
        others = listen(EventKind.AT_LIMIT, source=make_source())

        arrive(source)

        assert [heard(endpoint) for endpoint in (both, theirs, others)] == [
            [EventKind.AT_LIMIT],
            [EventKind.AT_LIMIT],
            [],
        ]


class TestOfManyTogether:
    """What a chunk stores is what the same contacts store one after the other."""

    def test_each_is_told_to_whom_it_concerns(self) -> None:
        sources = a_source_with_two_places_and_one_without()
        endpoints = [
            listen(EventKind.ASSIGNED, EventKind.WAITING),
            listen(EventKind.WAITING, source=sources[0]),
            listen(EventKind.AT_LIMIT, source=sources[0]),
            listen(EventKind.ASSIGNED, is_active=False),
        ]

        register_chunk(three_for_each(sources))

        assert [sorted(heard(endpoint)) for endpoint in endpoints] == [
            [EventKind.ASSIGNED] * 2 + [EventKind.WAITING] * 4,
            [EventKind.WAITING],
            [EventKind.AT_LIMIT],
            [],
        ]
        assert all(delivery.contact == delivery.event.contact for delivery in Delivery.objects.all())

    @pytest.mark.parametrize("is_heard", [True, False], ids=["somebody hears", "nobody hears"])
    def test_the_same_is_stored(self, *, is_heard: bool) -> None:
        if is_heard:
            listen(EventKind.ASSIGNED, EventKind.AT_LIMIT)
            listen(EventKind.WAITING)
        one_by_one, together = (a_source_with_two_places_and_one_without() for _time in range(2))
        for intake in three_for_each(one_by_one):
            register_contact(intake)

        register_chunk(three_for_each(together))

        assert stored(together) == stored(one_by_one)


def a_source_with_two_places_and_one_without() -> list[Source]:
    return [make_source({make_operator(max_load=2): 1}), make_source({make_operator(max_load=0): 1})]


def three_for_each(sources: list[Source]) -> list[Intake]:
    return [Intake(source_code=source.code, external_id=f"lead {number}") for number in range(3) for source in sources]


def stored(sources: list[Source]) -> list[list[Any]]:
    """Return what is told of each source and its operators: what, of which contact, its number, and to whom."""
    return [
        sorted(
            (event.kind, str(event.contact and event.contact.external_id), event.sequence, hearing(event))
            for event in Event.objects.filter(Q(source=source) | Q(source=None, operator__weights__source=source))
        )
        for source in sources
    ]


def hearing(event: Event) -> list[int]:
    return sorted(event.deliveries.values_list("endpoint", flat=True))
