"""Taking deliveries up, and writing down what came of them."""

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from crm_project.testing.rows import make_contacts, make_source
from crm_project.testing.webhooks import make_deliveries, make_endpoint
from crm_project.webhooks.answers import Answer, Failure
from crm_project.webhooks.endpoints import add_secret
from crm_project.webhooks.leases import endpoints_with_work, take_up, write_down
from crm_project.webhooks.models import Attempt, Delivery, Endpoint
from crm_project.webhooks.retries import HOUR, JITTER, PAUSES
from leads.models import Contact

pytestmark = pytest.mark.django_db

HEARD = Answer(status=200, text="ok", milliseconds=12)
FAILED = Answer(status=500, milliseconds=3)
MANY = 100


@pytest.fixture
def endpoint() -> Endpoint:
    return make_endpoint()


@pytest.fixture
def contacts() -> list[Contact]:
    return make_contacts(3, make_source())


def taken(endpoint: Endpoint, most: int = MANY) -> list[int]:
    return [parcel.delivery_id for parcel in take_up(endpoint.pk, most)]


def answer(endpoint: Endpoint, *answers: Answer) -> Delivery:
    """Take a delivery up once for each of the answers, however long its pauses are, and return it."""
    for one in answers:
        Delivery.objects.filter(state="pending").update(due_at=timezone.now() - timedelta(seconds=1))
        Endpoint.objects.update(paused_until=None)
        (parcel, *_others) = take_up(endpoint.pk, 1)
        write_down(parcel, one)
    return Delivery.objects.get(pk=parcel.delivery_id)


def let_leases_run_out() -> None:
    now = timezone.now()  # SQLite's own clock tells whole milliseconds: what ran out in this one it would still hold
    assert Delivery.objects.filter(leased_until__gt=now).update(leased_until=now - timedelta(seconds=1)) > 0


def seconds_until(delivery: Delivery) -> float:
    delivery.refresh_from_db()
    return (delivery.due_at - timezone.now()).total_seconds()


class TestTakingUp:
    def test_begins_with_what_has_been_due_for_longest(self, endpoint: Endpoint, contacts: list[Contact]) -> None:
        first, second, third = make_deliveries(endpoint, contacts)
        Delivery.objects.filter(pk=third.pk).update(due_at=timezone.now() - timedelta(hours=1))

        assert taken(endpoint, most=2) == [third.pk, first.pk]
        assert taken(endpoint) == [second.pk]

    def test_takes_nothing_twice(self, endpoint: Endpoint, contacts: list[Contact]) -> None:
        make_deliveries(endpoint, contacts)

        assert len(taken(endpoint)) == 3
        assert taken(endpoint) == []
        assert endpoints_with_work() == []

    def test_takes_nothing_of_another_endpoint(self, endpoint: Endpoint, contacts: list[Contact]) -> None:
        make_deliveries(make_endpoint(), contacts)

        assert taken(endpoint) == []

    def test_takes_nothing_that_is_not_due(self, endpoint: Endpoint, contacts: list[Contact]) -> None:
        make_deliveries(endpoint, contacts, due_at=timezone.now() + timedelta(minutes=1))

        assert taken(endpoint) == []
        assert endpoints_with_work() == []

    def test_takes_nothing_that_became_due_after_a_moment(self, endpoint: Endpoint, contacts: list[Contact]) -> None:
        make_deliveries(endpoint, contacts)

        moment = timezone.now() - timedelta(minutes=1)
        assert take_up(endpoint.pk, MANY, moment) == []
        assert endpoints_with_work(moment) == []

    @pytest.mark.parametrize("state", ["delivered", "given_up"])
    def test_takes_nothing_that_is_over(self, endpoint: Endpoint, contacts: list[Contact], state: str) -> None:
        make_deliveries(endpoint, contacts, state=state)

        assert taken(endpoint) == []

    @pytest.mark.parametrize(
        "fields", [{"is_active": False}, {"paused_until": timezone.now() + timedelta(days=9)}], ids=["off", "paused"]
    )
    def test_finds_no_work_for_an_endpoint_that_does_not_listen(
        self, contacts: list[Contact], fields: dict[str, Any]
    ) -> None:
        make_deliveries(make_endpoint(**fields), contacts)

        assert endpoints_with_work() == []

    def test_finds_work_for_an_endpoint_whose_pause_is_over(self, contacts: list[Contact]) -> None:
        endpoint = make_endpoint(paused_until=timezone.now() - timedelta(seconds=1))
        make_deliveries(endpoint, contacts)

        assert endpoints_with_work() == [endpoint.pk]

    def test_takes_nothing_for_an_endpoint_that_was_switched_off_meanwhile(
        self, endpoint: Endpoint, contacts: list[Contact]
    ) -> None:
        make_deliveries(endpoint, contacts)
        assert endpoints_with_work() == [endpoint.pk]
        Endpoint.objects.update(is_active=False)

        assert taken(endpoint) == []

    def test_takes_again_what_was_held_by_somebody_who_died(self, endpoint: Endpoint, contacts: list[Contact]) -> None:
        (delivery,) = make_deliveries(endpoint, contacts[:1])
        taken(endpoint)

        let_leases_run_out()

        assert endpoints_with_work() == [endpoint.pk]
        assert taken(endpoint) == [delivery.pk]

    def test_lasts_longer_than_a_call_may_take(
        self, endpoint: Endpoint, contacts: list[Contact], settings: Any
    ) -> None:
        settings.WEBHOOK_TIMEOUT_SECONDS = 30
        (delivery,) = make_deliveries(endpoint, contacts[:1])

        taken(endpoint)

        delivery.refresh_from_db()
        assert delivery.leased_until is not None
        assert 60 < (delivery.leased_until - timezone.now()).total_seconds() < 70

    def test_gives_all_that_sending_needs(self, endpoint: Endpoint, contacts: list[Contact]) -> None:
        (delivery,) = make_deliveries(endpoint, contacts[:1])
        newer = add_secret(endpoint)

        (parcel,) = take_up(endpoint.pk, MANY)

        assert (parcel.event_id, parcel.url, parcel.endpoint_id) == (delivery.event_id, endpoint.url, endpoint.pk)
        assert json.loads(parcel.body)["data"]["contact_id"] == contacts[0].pk
        assert (parcel.secrets[0], len(parcel.secrets)) == (newer, 2)

    def test_writes_the_message_once(self, endpoint: Endpoint, contacts: list[Contact]) -> None:
        make_deliveries(endpoint, contacts[:1])
        (first,) = take_up(endpoint.pk, MANY)
        Contact.objects.filter(pk=contacts[0].pk).update(external_id="another")

        let_leases_run_out()
        (second,) = take_up(endpoint.pk, MANY)

        assert second.body == first.body
        assert second.lease != first.lease


class TestTheOrder:
    def test_takes_of_each_contact_the_first_alone(self, endpoint: Endpoint, contacts: list[Contact]) -> None:
        one, _later, other, _latest = make_deliveries(endpoint, [contacts[0], contacts[0], contacts[1], contacts[0]])

        assert taken(endpoint) == [one.pk, other.pk]
        assert taken(endpoint) == []

    @pytest.mark.parametrize("over", [HEARD, FAILED])
    def test_goes_on_when_the_first_is_over(
        self, endpoint: Endpoint, contacts: list[Contact], over: Answer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("crm_project.webhooks.retries.PAUSES", ())
        _first, second = make_deliveries(endpoint, [contacts[0]] * 2)

        answer(endpoint, over)

        assert taken(endpoint) == [second.pk]

    def test_waits_for_the_first_to_be_sent_again(self, endpoint: Endpoint, contacts: list[Contact]) -> None:
        first, second, other = make_deliveries(endpoint, [contacts[0], contacts[0], contacts[1]])

        answer(endpoint, FAILED)

        assert taken(endpoint) == [other.pk]
        assert seconds_until(first) > 0
        assert seconds_until(second) == pytest.approx(seconds_until(first), abs=0.1)

    def test_is_looked_at_once_for_what_came_after_a_failure(self, endpoint: Endpoint, contacts: list[Contact]) -> None:
        first, second = make_deliveries(endpoint, contacts[:1]), make_deliveries(endpoint, contacts[:1] * 5)
        Delivery.objects.filter(pk=first[0].pk).update(due_at=timezone.now() + timedelta(hours=1))
        assert endpoints_with_work() == [endpoint.pk]

        assert taken(endpoint) == []

        assert endpoints_with_work() == []
        assert {round(seconds_until(one), -2) for one in [*first, *second]} == {3600}

    def test_goes_on_as_soon_as_the_first_was_heard(self, endpoint: Endpoint, contacts: list[Contact]) -> None:
        _first, second = make_deliveries(endpoint, [contacts[0]] * 2)

        answer(endpoint, FAILED, FAILED, HEARD)

        assert taken(endpoint) == [second.pk]

    def test_of_events_of_no_contact_is_none(self, endpoint: Endpoint) -> None:
        deliveries = make_deliveries(endpoint, [None, None])

        assert taken(endpoint) == [delivery.pk for delivery in deliveries]

    def test_of_one_endpoint_is_nothing_to_another(self, endpoint: Endpoint, contacts: list[Contact]) -> None:
        other = make_endpoint()
        make_deliveries(endpoint, contacts[:1])
        (delivery,) = make_deliveries(other, contacts[:1])

        assert taken(other) == [delivery.pk]


class TestWritingDown:
    @pytest.fixture(autouse=True)
    def delivery(self, endpoint: Endpoint, contacts: list[Contact]) -> Delivery:
        (delivery,) = make_deliveries(endpoint, contacts[:1])
        return delivery

    def test_stores_what_was_answered(self, endpoint: Endpoint) -> None:
        delivery = answer(endpoint, HEARD)

        attempt = Attempt.objects.get()
        assert (attempt.delivery, attempt.status, attempt.answer, attempt.milliseconds) == (delivery, 200, "ok", 12)
        assert (delivery.state, delivery.attempts, delivery.lease, delivery.leased_until) == (
            "delivered",
            1,
            None,
            None,
        )

    def test_stores_what_failed(self, endpoint: Endpoint) -> None:
        delivery = answer(endpoint, Answer(failure=Failure.TIMEOUT))

        assert (Attempt.objects.get().status, Attempt.objects.get().failure) == (None, "timeout")
        assert (delivery.state, delivery.attempts, delivery.lease) == ("pending", 1, None)

    @pytest.mark.parametrize("failures", [1, 2, 5])
    def test_puts_off_the_next_attempt(self, endpoint: Endpoint, failures: int) -> None:
        delivery = answer(endpoint, *[FAILED] * failures)

        pause = PAUSES[failures - 1]
        assert abs(seconds_until(delivery) - pause) <= pause * JITTER + 1

    def test_gives_up_after_the_last_attempt(self, endpoint: Endpoint) -> None:
        assert answer(endpoint, *[FAILED] * len(PAUSES)).state == "pending"
        delivery = answer(endpoint, FAILED)

        assert (delivery.state, delivery.attempts) == ("given_up", len(PAUSES) + 1)

    def test_counts_no_attempt_of_somebody_who_died(self, endpoint: Endpoint) -> None:
        for _ in range(len(PAUSES) + 1):
            taken(endpoint)
            let_leases_run_out()

        assert (answer(endpoint, FAILED).state, Attempt.objects.count()) == ("pending", 1)

    def test_stores_nothing_when_the_lease_has_been_taken_over(self, endpoint: Endpoint, delivery: Delivery) -> None:
        (late,) = take_up(endpoint.pk, MANY)
        let_leases_run_out()
        (present,) = take_up(endpoint.pk, MANY)

        write_down(late, FAILED)
        assert not Attempt.objects.exists()
        assert Endpoint.objects.get().failing_since is None

        write_down(present, HEARD)
        write_down(late, FAILED)
        delivery.refresh_from_db()
        assert (delivery.state, Attempt.objects.get().status) == ("delivered", 200)

    def test_stores_nothing_of_an_endpoint_that_was_deleted(self, endpoint: Endpoint) -> None:
        (parcel,) = take_up(endpoint.pk, MANY)
        endpoint.delete()

        write_down(parcel, HEARD)

        assert not Attempt.objects.exists()


class TestTheEndpoint:
    @pytest.fixture(autouse=True)
    def _deliveries(self, endpoint: Endpoint, contacts: list[Contact]) -> None:
        make_deliveries(endpoint, contacts)

    @pytest.fixture
    def now(self, endpoint: Endpoint) -> Callable[[], Endpoint]:
        return lambda: Endpoint.objects.get(pk=endpoint.pk)

    def test_fails_since_the_first_failure(self, endpoint: Endpoint, now: Callable[[], Endpoint]) -> None:
        answer(endpoint, FAILED)
        since = now().failing_since
        answer(endpoint, FAILED)

        assert since is not None
        assert now().failing_since == since

    def test_fails_no_more_when_it_has_heard(self, endpoint: Endpoint, now: Callable[[], Endpoint]) -> None:
        answer(endpoint, FAILED, HEARD)

        assert now().failing_since is None

    def test_is_off_when_it_says_that_it_is_gone(self, endpoint: Endpoint, now: Callable[[], Endpoint]) -> None:
        delivery = answer(endpoint, Answer(status=410))

        assert (now().is_active, now().is_gone, delivery.state) == (False, True, "pending")
        assert endpoints_with_work() == []

    def test_stays_on_when_the_one_before_it_is_gone(self, endpoint: Endpoint, now: Callable[[], Endpoint]) -> None:
        (parcel, *_others) = take_up(endpoint.pk, MANY)
        Endpoint.objects.update(url="https://new.example/")

        write_down(parcel, Answer(status=410))

        assert (now().is_active, now().failing_since) == (True, None)

    @pytest.mark.parametrize("status", [429, 503])
    def test_is_left_alone_for_as_long_as_it_asked(
        self, endpoint: Endpoint, now: Callable[[], Endpoint], status: int
    ) -> None:
        delivery = answer(endpoint, Answer(status=status, retry_after=600))

        paused_until = now().paused_until
        assert paused_until is not None
        assert (paused_until - timezone.now()).total_seconds() == pytest.approx(600, abs=5)
        assert seconds_until(delivery) == pytest.approx(600, abs=5)
        assert endpoints_with_work() == []

    def test_is_left_alone_even_if_it_hears_something_meanwhile(
        self, endpoint: Endpoint, now: Callable[[], Endpoint]
    ) -> None:
        busy, heard = take_up(endpoint.pk, 2)

        write_down(busy, Answer(status=429, retry_after=600))
        write_down(heard, HEARD)

        assert now().paused_until is not None

    def test_is_left_alone_for_a_day_at_most(self, endpoint: Endpoint, now: Callable[[], Endpoint]) -> None:
        answer(endpoint, Answer(status=429, retry_after=99 * 24 * HOUR))

        paused_until = now().paused_until
        assert paused_until is not None
        assert (paused_until - timezone.now()).total_seconds() <= 24 * HOUR

    def test_is_called_again_when_it_asked_for_nothing(self, endpoint: Endpoint) -> None:
        answer(endpoint, Answer(status=429))

        assert endpoints_with_work() == [endpoint.pk]
