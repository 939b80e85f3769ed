"""The command that sends."""

import logging
import signal
import subprocess
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import ip_network
from threading import Event
from typing import Any
from unittest.mock import patch

import pytest
from django.core.management import CommandError, call_command
from django.db import OperationalError, connection
from django.utils import translation

from crm_project.testing.receiver import Message, Receiver, always, hang, receiver, status
from crm_project.testing.rows import make_contacts, make_source
from crm_project.testing.waiting import wait_until
from crm_project.testing.webhooks import make_deliveries, make_endpoint
from crm_project.webhooks import worker
from crm_project.webhooks.models import Attempt, Delivery
from distribution.tests.commands import line, run, started
from leads.models import Contact

pytestmark = pytest.mark.django_db(transaction=True)

COMMAND = "crm_project.management.commands.deliver_webhooks"


@pytest.fixture(autouse=True)
def _loopback(monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
    monkeypatch.setenv("WEBHOOK_NETWORKS", "127.0.0.0/8")
    settings.WEBHOOK_NETWORKS = [ip_network("127.0.0.0/8")]


@pytest.fixture
def contacts() -> list[Contact]:
    return make_contacts(3, make_source())


@pytest.fixture
def listening() -> Iterator[Receiver]:
    with receiver() as listening:
        yield listening


def states() -> Counter[str]:
    return Counter(Delivery.objects.values_list("state", flat=True))


class TestOnce:
    def test_sends_what_is_due_and_sums_up(
        self, listening: Receiver, contacts: list[Contact], capsys: pytest.CaptureFixture[str]
    ) -> None:
        make_deliveries(make_endpoint(listening.url), contacts)
        with receiver(always(status(500))) as failing:
            make_deliveries(make_endpoint(failing.url), contacts[:1])

            call_command("deliver_webhooks", "--once")

        assert capsys.readouterr().out == "Delivered: 3. Failed: 1.\n"
        assert states() == {"delivered": 3, "pending": 1}

    def test_with_nothing_due_says_so(self, capsys: pytest.CaptureFixture[str]) -> None:
        call_command("deliver_webhooks", "--once")

        assert capsys.readouterr().out == "Delivered: 0. Failed: 0.\n"

    def test_sums_up_in_russian(self, capsys: pytest.CaptureFixture[str]) -> None:
        with translation.override("ru"):
            call_command("deliver_webhooks", "--once")

        assert capsys.readouterr().out == "Доставлено: 0. Не удалось: 0.\n"

    def test_beside_a_database_that_is_away_says_so_and_fails(self) -> None:
        away = patch.object(worker, "endpoints_with_work", side_effect=OperationalError("connection\n\trefused"))
        with away, pytest.raises(CommandError, match="connection refused"):
            call_command("deliver_webhooks", "--once")

    def test_as_a_process_ends_well(self, listening: Receiver, contacts: list[Contact]) -> None:
        make_deliveries(make_endpoint(listening.url), contacts)

        done = run("deliver_webhooks", "--once")

        assert (done.returncode, done.stdout, done.stderr) == (0, "Delivered: 3. Failed: 0.\n", "")


class TestUntilASignal:
    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
    def test_ends_at_once_when_there_is_nothing_to_do(
        self, number: signal.Signals, listening: Receiver, contacts: list[Contact]
    ) -> None:
        make_deliveries(make_endpoint(listening.url), contacts)
        with sending() as process:
            wait_until(lambda: states() == {"delivered": 3})

            process.send_signal(number)

            assert process.wait(timeout=5) == 0
            assert process.communicate() == ("Delivered: 3. Failed: 0.\n", "")

    def test_sends_what_comes_later(self, listening: Receiver, contacts: list[Contact]) -> None:
        endpoint = make_endpoint(listening.url)
        with sending():
            for number, contact in enumerate(contacts, 1):
                make_deliveries(endpoint, [contact])
                wait_until(lambda number=number: states() == {"delivered": number})  # type: ignore[misc]

    def test_writes_down_what_is_under_way_before_it_ends(self, contacts: list[Contact]) -> None:
        asked, told = Event(), Event()

        def wait(_connection: Any) -> None:
            asked.set()
            assert told.wait(5)
            status(200)(_connection)

        with receiver(always(wait)) as listening:
            make_deliveries(make_endpoint(listening.url), contacts[:1])
            with sending() as process:
                assert asked.wait(15)
                process.terminate()
                told.set()

                assert process.wait(timeout=5) == 0
        assert (states(), Attempt.objects.count()) == ({"delivered": 1}, 1)

    def test_does_not_wait_when_it_is_told_twice(self, contacts: list[Contact]) -> None:
        with receiver(always(hang)) as listening:
            make_deliveries(make_endpoint(listening.url), contacts[:1])
            with sending() as process:
                wait_until(lambda: listening.messages)
                process.terminate()
                with pytest.raises(subprocess.TimeoutExpired):
                    process.wait(timeout=1)
                process.terminate()

                assert process.wait(timeout=5) == -signal.SIGINT
        assert states() == {"pending": 1}


@contextmanager
def sending() -> Iterator[Any]:
    with started("deliver_webhooks") as process:
        yield process


class TestADatabaseThatGoesAway:
    def test_is_logged_in_one_line_and_tried_again(
        self,
        listening: Receiver,
        contacts: list[Contact],
        monkeypatch: pytest.MonkeyPatch,
        caplog: pytest.LogCaptureFixture,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        monkeypatch.setattr(f"{COMMAND}.SECONDS_AFTER_AN_ERROR", 0.01)
        make_deliveries(make_endpoint(listening.url), contacts)
        looks = iter([OperationalError("connection\n\trefused")])
        look = worker.endpoints_with_work

        def look_again(moment: Any) -> list[int]:
            for error in looks:
                raise error
            if states() == {"delivered": 3}:
                signal.raise_signal(signal.SIGTERM)
            return look(moment)

        with caplog.at_level(logging.WARNING), patch.object(worker, "endpoints_with_work", look_again):
            call_command("deliver_webhooks")

        assert capsys.readouterr().out == "Delivered: 3. Failed: 0.\n"
        (record,) = caplog.records
        assert record.getMessage() == "Nothing was sent; the next try is in 0.01 s: connection refused"

    @pytest.mark.postgresql
    def test_is_asked_again_on_a_new_connection(self, listening: Receiver, contacts: list[Contact]) -> None:
        endpoint = make_endpoint(listening.url)
        with sending() as process:
            make_deliveries(endpoint, contacts[:1])
            wait_until(lambda: states() == {"delivered": 1})
            end_other_connections()
            assert "Nothing was sent" in line(process.stderr)

            make_deliveries(endpoint, contacts[1:2])

            wait_until(lambda: states() == {"delivered": 2})


def end_other_connections() -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )


def test_the_message_that_arrives_is_the_event(listening: Receiver, contacts: list[Contact]) -> None:
    (delivery,) = make_deliveries(make_endpoint(listening.url), contacts[:1])

    run("deliver_webhooks", "--once")

    message: Message = listening.messages[0]
    assert message.id == f"evt_{delivery.event_id}"
    assert message.told["data"]["contact_id"] == contacts[0].pk
