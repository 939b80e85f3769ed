"""Senders killed with -9, again and again, beside a receiver that answers at random: nothing is lost or falsified."""

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest
from standardwebhooks import Webhook

from crm_project.setup.children import BASE_DIR
from crm_project.testing.receiver import (
    Behaviour,
    Message,
    Receiver,
    gigabyte,
    hang,
    hang_up,
    receiver,
    redirect,
    saying,
    status,
)
from crm_project.testing.rows import make_contacts, make_source
from crm_project.testing.webhooks import make_deliveries, make_endpoint
from crm_project.webhooks.messages import message_id
from crm_project.webhooks.models import Attempt, Delivery, Endpoint
from distribution.tests.commands import database_url, line

pytestmark = pytest.mark.django_db(transaction=True)

ENDPOINTS, CONTACTS, EVENTS_OF_A_CONTACT = 4, 50, 10
WORKERS = 3
MESSAGES_BETWEEN_KILLS = 150
SECONDS = 300
HEARD = status(200)
BEHAVIOURS: dict[Behaviour, int] = {
    HEARD: 70,
    status(500): 8,
    hang: 3,
    redirect("http://169.254.169.254/"): 6,
    saying("SSH-2.0-OpenSSH_9.6\r\n"): 6,
    hang_up: 4,
    gigabyte: 3,
}


@dataclass
class Moods:
    """The script of a receiver that behaves at random; it notes what came before what it had to wait for."""

    too_early: list[Message] = field(default_factory=list)
    _heard: dict[tuple[str, int], int] = field(default_factory=lambda: defaultdict(int))
    _chance: random.Random = field(default_factory=lambda: random.Random(1))

    def __call__(self, message: Message) -> Behaviour:
        (behaviour,) = self._chance.choices(list(BEHAVIOURS), list(BEHAVIOURS.values()))
        contact, number = (message.path, message.told["data"]["contact_id"]), message.told["data"]["sequence"]
        if number > self._heard[contact] + 1:
            self.too_early.append(message)
        if behaviour in {HEARD, gigabyte}:
            self._heard[contact] = max(self._heard[contact], number)
        return behaviour


class Workers:
    """Processes that send, one of which is killed now and then, and another started in its place."""

    def __init__(self, nursery: subprocess.Popen[str]) -> None:
        self._nursery = nursery
        self.running = [self._started() for _ in range(WORKERS)]
        self.killed = 0

    def kill_one(self) -> None:
        """Kill the one that has run for longest; it is an error when it has ended by itself."""
        os.kill(self.running.pop(0), signal.SIGKILL)
        self.killed += 1
        self.running.append(self._started())

    def _started(self) -> int:
        assert self._nursery.stdin
        self._nursery.stdin.write("\n")
        self._nursery.stdin.flush()
        return int(line(self._nursery.stdout))


@contextmanager
def workers() -> Iterator[Workers]:
    nursery = subprocess.Popen(
        [sys.executable, "-m", "crm_project.webhooks.tests.impatient"],
        cwd=BASE_DIR,
        env={**os.environ, "DATABASE_URL": database_url(), "WEBHOOK_NETWORKS": "127.0.0.0/8"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with nursery:
        started = Workers(nursery)
        try:
            yield started
        finally:
            for process_id in started.running:
                os.kill(process_id, signal.SIGKILL)


def kill_until_all_is_delivered(moody: Receiver) -> int:
    """Return how many senders were killed."""
    with workers() as working:
        deadline = time.monotonic() + SECONDS
        while Delivery.objects.filter(state="pending").exists():
            assert time.monotonic() < deadline, "the senders do not come to an end"
            if len(moody.messages) >= MESSAGES_BETWEEN_KILLS * (working.killed + 1):
                working.kill_one()
            time.sleep(0.05)
    return working.killed


def make_work(url: str) -> list[Endpoint]:
    """Store the endpoints, each with events of contacts of its own."""
    endpoints = [make_endpoint(f"{url}/{number}") for number in range(ENDPOINTS)]
    for endpoint in endpoints:
        make_deliveries(endpoint, make_contacts(CONTACTS, make_source()) * EVENTS_OF_A_CONTACT)
    return endpoints


def first_arrivals(messages: Sequence[Message]) -> dict[tuple[str, int], list[int]]:
    """Return the numbers of the events of each contact in the order in which each came for the first time."""
    arrivals: dict[tuple[str, int], list[int]] = defaultdict(list)
    for message in messages:
        data = message.told["data"]
        numbers = arrivals[message.path, data["contact_id"]]
        if data["sequence"] not in numbers:
            numbers.append(data["sequence"])
    return arrivals


def heard_more_often_than_recorded(messages: Sequence[Message]) -> set[str]:
    """Return the messages that arrived once more than is known of: such a sender was killed in between."""
    recorded = Counter(map(message_id, Attempt.objects.values_list("delivery__event", flat=True)))
    return set(Counter(message.id for message in messages) - recorded)


def test_every_event_arrives_signed_in_order_and_with_one_id() -> None:
    moods = Moods()
    with receiver(moods) as moody:
        endpoints = make_work(moody.url)
        killed = kill_until_all_is_delivered(moody)

    expected = {message_id(event_id) for event_id in Delivery.objects.values_list("event", flat=True)}
    assert killed >= 10
    assert len(expected) == 2000
    assert {message.id for message in moody.messages} == expected
    assert len({(message.id, message.path, message.body) for message in moody.messages}) == 2000
    assert heard_more_often_than_recorded(moody.messages), "nobody was killed between a call and its record"
    for endpoint in endpoints:
        signature = Webhook(endpoint.secrets.get().value)
        for message in moody.messages:
            if endpoint.url.endswith(message.path):
                signature.verify(message.body, message.headers)
    assert set(map(tuple, first_arrivals(moody.messages).values())) == {tuple(range(1, EVENTS_OF_A_CONTACT + 1))}
    assert moods.too_early == []
