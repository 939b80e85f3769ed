"""What is done to endpoints by hand, and how far behind the sending is."""

from datetime import timedelta
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.utils import timezone
from model_bakery import baker

from crm_project.testing.rows import make_contacts, make_source
from crm_project.testing.webhooks import make_deliveries, make_endpoint
from crm_project.webhooks.answers import Answer
from crm_project.webhooks.endpoints import (
    add_secret,
    in_need,
    kinds_heard,
    seconds_behind,
    send_again,
    sources_heard,
    subscribe,
    switch_on,
)
from crm_project.webhooks.leases import take_up, write_down
from crm_project.webhooks.models import Delivery, Endpoint, EventKind
from leads.models import Contact

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)


@pytest.fixture
def endpoint() -> Endpoint:
    return make_endpoint()


@pytest.fixture
def contacts() -> list[Contact]:
    return make_contacts(3, make_source())


def ago(time: timedelta) -> dict[str, Any]:
    return {"due_at": timezone.now() - time}


class TestSubscribing:
    def test_to_kinds_on_all_sources(self, endpoint: Endpoint) -> None:
        subscribe(endpoint, [EventKind.CLOSED, EventKind.ASSIGNED], None)

        assert kinds_heard(endpoint) == [EventKind.ASSIGNED, EventKind.CLOSED]
        assert sources_heard(endpoint) is None

    def test_to_kinds_on_some_sources(self, endpoint: Endpoint) -> None:
        sources = sorted(make_source().pk for _ in range(2))

        subscribe(endpoint, [EventKind.CLOSED, EventKind.ASSIGNED], sources)

        assert kinds_heard(endpoint) == [EventKind.ASSIGNED, EventKind.CLOSED]
        assert sources_heard(endpoint) == sources

    def test_takes_the_place_of_what_was_heard_before(self, endpoint: Endpoint) -> None:
        subscribe(endpoint, [EventKind.CLOSED], None)

        subscribe(endpoint, [EventKind.ASSIGNED], [make_source().pk])

        assert kinds_heard(endpoint) == [EventKind.ASSIGNED]

    def test_of_one_endpoint_is_nothing_to_another(self, endpoint: Endpoint) -> None:
        subscribe(endpoint, [EventKind.CLOSED], None)

        subscribe(make_endpoint(), [EventKind.ASSIGNED], None)

        assert kinds_heard(endpoint) == [EventKind.CLOSED]

    def test_to_nothing_hears_nothing(self, endpoint: Endpoint) -> None:
        subscribe(endpoint, [], None)

        assert (kinds_heard(endpoint), sources_heard(endpoint)) == ([], [])


class TestSecrets:
    def valid(self, endpoint: Endpoint) -> list[str]:
        return list(endpoint.secrets.valid().values_list("value", flat=True))

    def test_two_are_valid_while_one_takes_the_place_of_the_other(self, endpoint: Endpoint) -> None:
        (first,) = self.valid(endpoint)

        second = add_secret(endpoint)

        assert self.valid(endpoint) == [second, first]

    def test_the_old_one_expires_after_a_day(self, endpoint: Endpoint) -> None:
        second = add_secret(endpoint)

        (expires_at,) = endpoint.secrets.filter(expires_at__isnull=False).values_list("expires_at", flat=True)
        assert expires_at is not None
        assert (expires_at - timezone.now()) == pytest.approx(DAY, abs=timedelta(seconds=5))
        endpoint.secrets.filter(expires_at__isnull=False).update(expires_at=timezone.now())
        assert self.valid(endpoint) == [second]

    def test_there_are_never_three(self, endpoint: Endpoint) -> None:
        second, third = add_secret(endpoint), add_secret(endpoint)

        assert self.valid(endpoint) == [third, second]

    def test_one_that_expired_is_not_brought_back(self, endpoint: Endpoint) -> None:
        add_secret(endpoint)
        endpoint.secrets.filter(expires_at__isnull=False).update(expires_at=timezone.now() - DAY)

        add_secret(endpoint)

        assert endpoint.secrets.filter(expires_at__lt=timezone.now() - DAY / 2).count() == 1

    def test_of_another_endpoint_stay(self, endpoint: Endpoint) -> None:
        before = self.valid(endpoint)

        add_secret(make_endpoint())

        assert self.valid(endpoint) == before


class TestSwitchingOn:
    def test_forgets_what_was_wrong(self) -> None:
        wrong: dict[str, Any] = {
            "is_active": False,
            "is_gone": True,
            "failing_since": timezone.now(),
            "paused_until": timezone.now(),
        }
        endpoint = make_endpoint(**wrong)

        switch_on(endpoint)

        endpoint.refresh_from_db()
        assert (endpoint.is_active, endpoint.is_gone) == (True, False)
        assert (endpoint.failing_since, endpoint.paused_until) == (None, None)

    def test_sends_what_waits_from_now_on_with_all_attempts(self, endpoint: Endpoint, contacts: list[Contact]) -> None:
        make_deliveries(endpoint, contacts, due_at=timezone.now() + DAY, attempts=9)

        switch_on(endpoint)

        parcels = take_up(endpoint.pk, 10)
        assert len(parcels) == 3
        write_down(parcels[0], Answer(status=500))
        assert Delivery.objects.get(pk=parcels[0].delivery_id).attempts == 1

    def test_leaves_what_is_over_and_what_is_of_others(self, endpoint: Endpoint, contacts: list[Contact]) -> None:
        make_deliveries(endpoint, contacts, state="delivered", due_at=timezone.now() + DAY)
        make_deliveries(make_endpoint(), contacts, due_at=timezone.now() + DAY)

        switch_on(endpoint)

        assert not Delivery.objects.filter(due_at__lte=timezone.now()).exists()


class TestSendingAgain:
    def test_takes_more_than_a_statement_can_name(
        self, endpoint: Endpoint, contacts: list[Contact], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("crm_project.webhooks.endpoints.ROWS_AT_ONCE", 2)
        make_deliveries(endpoint, contacts * 3, state="given_up")

        assert send_again(endpoint.deliveries.all()) == len(contacts) * 3
        assert set(endpoint.deliveries.values_list("state", flat=True)) == {"pending"}

    @pytest.mark.parametrize("state", ["delivered", "given_up"])
    def test_sends_the_same_once_more(self, endpoint: Endpoint, contacts: list[Contact], state: str) -> None:
        (delivery,) = make_deliveries(endpoint, contacts[:1], state=state, body='{"as": "it was"}', attempts=13)

        assert send_again(Delivery.objects.all()) == 1

        (parcel,) = take_up(endpoint.pk, 10)
        assert (parcel.event_id, parcel.body) == (delivery.event_id, '{"as": "it was"}')
        write_down(parcel, Answer(status=500))
        delivery.refresh_from_db()
        assert (delivery.state, delivery.attempts) == ("pending", 1)

    def test_leaves_what_is_still_to_be_sent(self, endpoint: Endpoint, contacts: list[Contact]) -> None:
        make_deliveries(endpoint, contacts, due_at=timezone.now() + DAY, attempts=2)

        assert send_again(Delivery.objects.all()) == 0
        assert take_up(endpoint.pk, 10) == []

    def test_chooses_by_what_stands_beside_a_delivery(self, endpoint: Endpoint, contacts: list[Contact]) -> None:
        make_deliveries(endpoint, contacts, state="delivered")

        assert send_again(Delivery.objects.filter(event__contact=contacts[0], endpoint__is_active=True)) == 1

    def test_goes_before_what_comes_later_for_the_contact(self, endpoint: Endpoint, contacts: list[Contact]) -> None:
        first, _second = make_deliveries(endpoint, contacts[:1] * 2)
        Delivery.objects.filter(pk=first.pk).update(state="given_up")

        send_again(Delivery.objects.filter(pk=first.pk))

        assert [parcel.delivery_id for parcel in take_up(endpoint.pk, 10)] == [first.pk]


class TestHowFarBehindTheSendingIs:
    def test_is_nothing_without_work(self, endpoint: Endpoint) -> None:
        assert seconds_behind() == 0

    def test_is_as_long_as_the_oldest_waits(self, endpoint: Endpoint, contacts: list[Contact]) -> None:
        make_deliveries(endpoint, contacts[:1], **ago(timedelta(minutes=1)))
        make_deliveries(endpoint, contacts[1:2], **ago(timedelta(minutes=9)))

        assert seconds_behind() == pytest.approx(540, abs=5)

    def test_is_nothing_for_what_is_on_its_way(self, endpoint: Endpoint, contacts: list[Contact]) -> None:
        make_deliveries(endpoint, contacts, **ago(DAY))

        take_up(endpoint.pk, 10)

        assert seconds_behind() == 0

    def test_is_nothing_for_what_waits_for_something_before_it(
        self, endpoint: Endpoint, contacts: list[Contact]
    ) -> None:
        make_deliveries(endpoint, contacts[:1], due_at=timezone.now() + DAY)
        make_deliveries(endpoint, contacts[:1], **ago(DAY))

        assert seconds_behind() == 0

    def test_is_nothing_for_whoever_fails_while_somebody_calls_them(
        self, endpoint: Endpoint, contacts: list[Contact]
    ) -> None:
        make_deliveries(endpoint, contacts, **ago(DAY))
        Endpoint.objects.update(failing_since=timezone.now())
        assert seconds_behind() == pytest.approx(DAY.total_seconds(), abs=5)

        take_up(endpoint.pk, 1)

        assert seconds_behind() == 0

    @pytest.mark.parametrize("why", ["off", "paused"])
    def test_is_nothing_for_whoever_does_not_hear(self, endpoint: Endpoint, contacts: list[Contact], why: str) -> None:
        fields: dict[str, dict[str, Any]] = {
            "off": {"is_active": False},
            "paused": {"paused_until": timezone.now() + DAY},
        }
        make_deliveries(endpoint, contacts, **ago(DAY))

        baker.make(Endpoint, **fields[why])
        assert seconds_behind() > 0
        Endpoint.objects.filter(pk=endpoint.pk).update(**fields[why])
        assert seconds_behind() == 0


class TestWhoNeedsSomebody:
    def test_is_whoever_has_failed_for_a_day(self) -> None:
        failing = make_endpoint(failing_since=timezone.now() - DAY - timedelta(minutes=1))
        make_endpoint(failing_since=timezone.now() - DAY + timedelta(minutes=1))
        make_endpoint()

        assert list(in_need()) == [failing]

    def test_is_whoever_is_gone(self) -> None:
        gone = make_endpoint(is_active=False, is_gone=True)

        assert list(in_need()) == [gone]

    def test_is_nobody_who_was_switched_off(self) -> None:
        make_endpoint(is_active=False, failing_since=timezone.now() - 2 * DAY)

        assert list(in_need()) == []


def test_an_endpoint_has_a_whole_address() -> None:
    with pytest.raises(ValidationError, match="whole address"):
        Endpoint(name="Bot", url="bot.example").full_clean()
