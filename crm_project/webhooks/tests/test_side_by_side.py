"""Senders side by side: none takes up what another holds, and no endpoint is kept waiting for another."""

import time
from collections import Counter
from collections.abc import Callable
from functools import partial
from ipaddress import ip_network
from statistics import median
from threading import Barrier, Event
from typing import Any
from unittest.mock import patch

import pytest
from django.db.models import QuerySet

from crm_project.testing.concurrency import run_concurrently
from crm_project.testing.receiver import Behaviour, Receiver, always, hang, receiver, status
from crm_project.testing.rows import make_contacts, make_source
from crm_project.testing.waiting import wait_until
from crm_project.testing.webhooks import make_deliveries, make_endpoint
from crm_project.webhooks import leases
from crm_project.webhooks.leases import take_up
from crm_project.webhooks.messages import message_id
from crm_project.webhooks.models import Endpoint
from crm_project.webhooks.worker import Worker
from distribution.tests.commands import started
from leads.models import Contact

pytestmark = pytest.mark.django_db(transaction=True)

SENDERS, AT_ONCE = 4, 5
DELIVERIES = 200
OF_THE_DEAD = 10_000
OF_THE_GOOD = 20
SECONDS_TO_MEET = 10


@pytest.fixture(autouse=True)
def _loopback(monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
    monkeypatch.setenv("WEBHOOK_NETWORKS", "127.0.0.0/8")
    settings.WEBHOOK_NETWORKS = [ip_network("127.0.0.0/8")]


def taken_at_once(choose: Callable[[Endpoint], list[int]]) -> Counter[int]:
    """Return how often each of many deliveries was taken up by senders that look at the same moment."""
    endpoint = make_endpoint()
    make_deliveries(endpoint, make_contacts(DELIVERIES, make_source()))
    taken = run_concurrently(partial(choose, endpoint), times=SENDERS)
    return Counter(delivery_id for ids in taken for delivery_id in ids)


def take_some(endpoint: Endpoint) -> list[int]:
    return [parcel.delivery_id for parcel in take_up(endpoint.pk, AT_ONCE)]


def lease_when_all_have_chosen() -> Any:
    """Return the patch with which nobody leases before everybody has chosen."""
    meeting, lease = Barrier(SENDERS), leases._lease

    def leased(deliveries: Any) -> Any:
        meeting.wait(SECONDS_TO_MEET)
        return lease(deliveries)

    return patch.object(leases, "_lease", leased)


def without_lock() -> Any:
    return patch.object(QuerySet, "select_for_update", lambda rows, **_options: rows)


class TestTakingUp:
    @pytest.mark.postgresql
    def test_gives_everybody_something_else(self) -> None:
        with lease_when_all_have_chosen():
            taken = taken_at_once(take_some)

        assert len(taken) == SENDERS * AT_ONCE
        assert set(taken.values()) == {1}

    @pytest.mark.postgresql
    def test_without_the_lock_would_give_all_the_same(self) -> None:
        with lease_when_all_have_chosen(), without_lock():
            taken = taken_at_once(take_some)

        assert len(taken) == AT_ONCE
        assert set(taken.values()) == {SENDERS}

    def test_never_gives_anything_twice(self) -> None:
        taken = taken_at_once(take_everything)

        assert len(taken) == DELIVERIES
        assert set(taken.values()) == {1}

    def test_without_the_lease_would_give_the_same_again(self) -> None:
        endpoint = make_endpoint()
        make_deliveries(endpoint, make_contacts(DELIVERIES, make_source()))
        with patch.object(leases, "_lease"):
            assert take_some(endpoint) == take_some(endpoint)


def take_everything(endpoint: Endpoint) -> list[int]:
    """Take up again and again, until there is nothing."""
    taken: list[int] = []
    while some := take_some(endpoint):
        taken += some
    return taken


def send_side_by_side() -> None:
    run_concurrently(lambda: Worker(Event()).send_all(), times=SENDERS)


class TestSending:
    def test_delivers_nothing_twice(self) -> None:
        with receiver() as listening:
            deliveries = make_deliveries(make_endpoint(listening.url), make_contacts(DELIVERIES, make_source()))
            send_side_by_side()

        heard = Counter(message.id for message in listening.messages)
        assert heard == {message_id(delivery.event_id): 1 for delivery in deliveries}
        assert listening.at_once == set()

    def test_keeps_the_order_of_each_contact(self) -> None:
        contacts = make_contacts(20, make_source())
        with receiver() as listening:
            make_deliveries(make_endpoint(listening.url), contacts * 10)
            for _of_each in range(10):
                send_side_by_side()

        for contact in contacts:
            assert sequences(listening, contact) == list(range(1, 11))


def sequences(listening: Receiver, contact: Contact) -> list[int]:
    told = [message.told["data"] for message in listening.messages]
    return [data["sequence"] for data in told if data["contact_id"] == contact.pk]


def delays_of_the_good(listening: Receiver) -> list[float]:
    """Return after how many seconds each of some events arrived, one stored after the other."""
    endpoint, contacts = make_endpoint(listening.url), make_contacts(OF_THE_GOOD, make_source())
    stored = []
    for number, contact in enumerate(contacts, 1):
        stored.append(time.monotonic())
        make_deliveries(endpoint, [contact])
        wait_until(lambda number=number: len(listening.messages) == number)  # type: ignore[misc]
    return [message.arrived - at for message, at in zip(listening.messages, stored, strict=True)]


@pytest.mark.parametrize("death", [hang, status(500)], ids=["hangs", "fails"])
def test_a_dead_endpoint_with_ten_thousand_deliveries_delays_no_other(death: Behaviour) -> None:
    with receiver(always(death)) as dead, receiver() as listening:
        buried = make_endpoint(dead.url)
        make_deliveries(buried, make_contacts(OF_THE_DEAD, make_source()))
        with started("deliver_webhooks"):
            wait_until(lambda: dead.messages)
            delays = delays_of_the_good(listening)

    assert buried.deliveries.filter(state="pending").count() == OF_THE_DEAD
    assert median(delays) < 1
