"""The sender at work, with real receivers."""

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import ip_network
from threading import Event
from typing import Any
from unittest.mock import patch

import pytest
from django.db import DatabaseError
from django.utils import timezone
from standardwebhooks import Webhook

from crm_project.testing.receiver import Message, Receiver, always, hang, receiver, status
from crm_project.testing.rows import make_contacts, make_source
from crm_project.testing.webhooks import make_deliveries, make_endpoint
from crm_project.webhooks import worker as module
from crm_project.webhooks.messages import message_id
from crm_project.webhooks.models import Attempt, Delivery, Endpoint
from crm_project.webhooks.worker import CALLS_AT_ONCE, Worker
from leads.models import Contact

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _quick(settings: Any) -> None:
    settings.WEBHOOK_NETWORKS = [ip_network("127.0.0.0/8")]
    settings.WEBHOOK_TIMEOUT_SECONDS = 1


@pytest.fixture
def listening() -> Iterator[Receiver]:
    with receiver() as listening:
        yield listening


@pytest.fixture
def contacts() -> list[Contact]:
    return make_contacts(20, make_source())


def work_once() -> Counter[int | None]:
    """Send what is due and return how often each status was answered."""
    statuses = Counter[int | None]()
    worker = Worker(Event(), told=lambda _parcel, answer: statuses.update([answer.status]))
    worker.send_all()
    worker.finish()
    return statuses


def states() -> Counter[str]:
    return Counter(Delivery.objects.values_list("state", flat=True))


class TestSendingAll:
    def test_sends_what_is_due_signed(self, listening: Receiver, contacts: list[Contact]) -> None:
        endpoint = make_endpoint(listening.url)
        deliveries = make_deliveries(endpoint, contacts)

        assert work_once() == {200: 20}

        assert {message.id for message in listening.messages} == {message_id(one.event_id) for one in deliveries}
        for message in listening.messages:
            Webhook(endpoint.secrets.get().value).verify(message.body, message.headers)
        assert states() == {"delivered": 20}

    def test_sends_the_events_of_a_contact_one_after_the_other(
        self, listening: Receiver, contacts: list[Contact]
    ) -> None:
        make_deliveries(make_endpoint(listening.url), contacts[:2] * 10)

        work_once()

        for contact in contacts[:2]:
            told = [one.told["data"] for one in listening.messages]
            assert [data["sequence"] for data in told if data["contact_id"] == contact.pk] == list(range(1, 11))

    def test_ends_when_everything_fails(self, contacts: list[Contact], monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("crm_project.webhooks.retries.PAUSES", (0.0,) * 9)
        with receiver(always(status(500))) as listening:
            make_deliveries(make_endpoint(listening.url), contacts)

            assert work_once() == {500: 20}

        assert Counter(message.id for message in listening.messages).most_common(1)[0][1] == 1
        assert states() == {"pending": 20}

    def test_has_nothing_to_do_without_deliveries(self) -> None:
        assert work_once() == {}

    def test_gives_every_endpoint_its_turn(self, listening: Receiver, contacts: list[Contact]) -> None:
        with receiver(always(hang)) as hanging:
            make_deliveries(make_endpoint(hanging.url), contacts[:1])
            make_deliveries(make_endpoint(listening.url), contacts)

            assert work_once() == {None: 1, 200: 20}

    def test_calls_an_endpoint_a_few_times_at_once(self, contacts: list[Contact]) -> None:
        crowd = Crowd()
        with receiver(always(crowd.join)) as listening:
            make_deliveries(make_endpoint(listening.url), contacts)
            work_once()

        assert crowd.largest == CALLS_AT_ONCE


@dataclass
class Crowd:
    """Those who are answered when the crowd is large enough, or when no more come."""

    present: int = 0
    largest: int = 0

    def join(self, connection: Any) -> None:
        self.present += 1
        self.largest = max(self.largest, self.present)
        connection.settimeout(0.2)
        try:
            connection.recv(1)
        except TimeoutError:
            self.present -= 1
            status(200)(connection)


class TestWhatFailsOnOurSide:
    def test_without_a_secret_sends_nothing_unsigned(self, listening: Receiver, contacts: list[Contact]) -> None:
        endpoint = make_endpoint(listening.url)
        endpoint.secrets.all().delete()
        make_deliveries(endpoint, contacts[:1])

        work_once()

        assert listening.messages == []
        assert (Attempt.objects.get().failure, states()) == ("unsigned", {"pending": 1})

    def test_with_a_secret_that_is_none_stops_no_other(
        self, listening: Receiver, contacts: list[Contact], caplog: pytest.LogCaptureFixture
    ) -> None:
        broken = make_endpoint(listening.url)
        broken.secrets.update(value="whsec_")
        (delivery,) = make_deliveries(broken, contacts[:1])
        make_deliveries(make_endpoint(listening.url), contacts)

        assert work_once() == {None: 1, 200: 20}

        assert Attempt.objects.get(delivery=delivery).failure == "error"
        assert "could not be sent" in caplog.text

    def test_with_an_address_of_another_kind_stops_no_other(
        self, listening: Receiver, contacts: list[Contact], caplog: pytest.LogCaptureFixture
    ) -> None:
        for url in ("ftp://127.0.0.1/", "https://пример.рф/", "http://127.0.0.1:99999/", "nothing"):
            make_deliveries(make_endpoint(url), contacts[:1])
        make_deliveries(make_endpoint(listening.url), contacts)

        assert work_once() == {None: 4, 200: 20}


class TestADatabaseThatFails:
    def test_loses_no_answer(self, listening: Receiver, contacts: list[Contact]) -> None:
        make_deliveries(make_endpoint(listening.url), contacts[:3])
        worker = Worker(Event())
        with patch.object(module, "write_down", side_effect=DatabaseError), pytest.raises(DatabaseError):
            worker.send_all()

        worker.send_all()
        worker.finish()

        assert states() == {"delivered": 3}
        assert len(listening.messages) == 3

    def test_sends_nothing_again_whose_answer_is_known(self, listening: Receiver, contacts: list[Contact]) -> None:
        make_deliveries(make_endpoint(listening.url), contacts[:1])
        ended = Event()
        worker = Worker(ended, told=lambda _parcel, _answer: ended.set())
        with patch.object(module, "write_down", side_effect=DatabaseError), pytest.raises(DatabaseError):
            worker.run()
        Delivery.objects.update(leased_until=timezone.now())

        worker.run()

        assert (len(listening.messages), states()) == (1, {"delivered": 1})


def test_so_many_are_called_at_once_and_no_more(contacts: list[Contact], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_CALLS", 2)
    crowd = Crowd()
    with receiver(always(crowd.join)) as listening:
        for _ in range(2):
            make_deliveries(make_endpoint(listening.url), contacts[:3])
        work_once()

    assert crowd.largest == 2
    assert states() == {"delivered": 6}


class TestTheEnd:
    def test_comes_after_what_is_under_way(self, contacts: list[Contact]) -> None:
        ended = Event()

        def end(_message: Message) -> Any:
            ended.set()
            return status(200)

        with receiver(end) as listening:
            make_deliveries(make_endpoint(listening.url), contacts)
            worker = Worker(ended)
            worker.run()
            worker.finish()

        assert len(listening.messages) == CALLS_AT_ONCE
        assert states() == {"delivered": CALLS_AT_ONCE, "pending": 20 - CALLS_AT_ONCE}
        assert not Delivery.objects.filter(lease__isnull=False).exists()

    def test_of_sending_all_may_come_early(self, contacts: list[Contact]) -> None:
        ended = Event()
        with receiver() as listening:
            make_deliveries(make_endpoint(listening.url), contacts)
            worker = Worker(ended, told=lambda _parcel, _answer: ended.set())
            worker.send_all()
            worker.finish()

        assert states()["pending"] > 0
        assert not Delivery.objects.filter(lease__isnull=False).exists()


def test_what_arrives_meanwhile_is_sent_too(contacts: list[Contact]) -> None:
    endpoint = make_endpoint()
    ended = Event()

    def goes_on(_parcel: Any, answer: Any) -> None:
        if Delivery.objects.count() < 10:
            make_deliveries(endpoint, contacts[:1])
        else:
            ended.set()

    with receiver() as listening:
        Endpoint.objects.update(url=listening.url)
        make_deliveries(endpoint, contacts[:1])
        worker = Worker(ended, told=goes_on)
        worker.run()

    assert [json.loads(message.body)["data"]["sequence"] for message in listening.messages] == list(range(1, 11))
