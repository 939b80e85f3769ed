import logging
import signal
from pathlib import Path
from unittest.mock import Mock, patch

import pytest
from django.core.management import CommandError, call_command
from django.db import OperationalError, connection, transaction

from crm_project.testing.rows import arrive, make_operator, make_source
from crm_project.testing.waiting import wait_until
from distribution.tests.commands import line, run, started
from leads.models import Contact
from operators.models import Operator

pytestmark = pytest.mark.django_db(transaction=True)

MODULE = "distribution.management.commands.drain_queue"


@pytest.fixture
def waiting() -> Contact:
    """Return a contact that waits beside an operator who got room by no service, so that nothing was drained."""
    operator = make_operator(max_load=0)
    contact = arrive(make_source({operator: 1}))
    Operator.objects.update(max_load=1)
    return contact


def is_active(contact: Contact) -> bool:
    return Contact.objects.active().filter(pk=contact.pk).exists()


def test_a_waiting_contact_is_served_and_counted(waiting: Contact, capsys: pytest.CaptureFixture[str]) -> None:
    arrive(make_source())

    call_command("drain_queue")

    assert is_active(waiting)
    assert capsys.readouterr().out == "Given: 1. Still waiting: 1.\n"


@pytest.mark.parametrize("seconds", ["0", "-1", "soon", "nan", "inf", "86401", ""])
def test_a_pause_that_is_none_is_refused(seconds: str, waiting: Contact) -> None:
    with pytest.raises(CommandError):
        call_command("drain_queue", "--every", seconds)

    assert not is_active(waiting)


def test_a_refusal_exits_with_1() -> None:
    assert run("drain_queue", "--every", "soon").returncode == 1


def test_once_beside_a_database_that_is_away_says_so_and_exits_with_1() -> None:
    with (
        patch(f"{MODULE}.drain", side_effect=OperationalError("connection\n\trefused")),
        pytest.raises(CommandError, match="connection refused"),
    ):
        call_command("drain_queue")


def test_a_database_that_is_away_is_logged_in_one_line_and_tried_again(
    waiting: Contact, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    drain = Mock(side_effect=[OperationalError("connection\n\trefused"), 2, KeyboardInterrupt])
    with caplog.at_level(logging.WARNING), patch(f"{MODULE}.drain", drain):
        call_command("drain_queue", "--every", "0.01")

    assert capsys.readouterr().out == "Given: 2. Still waiting: 1.\n"
    assert [record.getMessage().count("\n") for record in caplog.records] == [0]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_pause_at_once_and_cleanly(number: signal.Signals, waiting: Contact) -> None:
    with started("drain_queue", "--every", "3600") as process:
        assert line(process.stdout) == "Given: 1. Still waiting: 0.\n"

        process.send_signal(number)

        assert process.wait(timeout=5) == 0
        assert process.communicate() == ("", "")


@pytest.mark.postgresql
def test_a_signal_ends_the_wait_for_a_lock_at_once(waiting: Contact) -> None:
    with started("drain_queue", "--every", "3600") as process, transaction.atomic():
        Contact.objects.select_for_update().get(pk=waiting.pk)
        wait_until(somebody_waits_for_a_lock)

        process.terminate()

        assert process.wait(timeout=5) == 0
        assert process.communicate() == ("", "")


@pytest.mark.postgresql
def test_a_connection_that_broke_is_made_anew() -> None:
    with started("drain_queue", "--every", "0.1") as process:
        wait_until(lambda: bool(others()))
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_terminate_backend(%s)", [others()[0]])
        assert "was not drained" in line(process.stderr)

        arrive(make_source({make_operator(max_load=0): 1}))
        Operator.objects.update(max_load=1)

        assert line(process.stdout) == "Given: 1. Still waiting: 0.\n"


@pytest.mark.sqlite
def test_a_database_that_comes_back_is_served(waiting: Contact, tmp_path: Path) -> None:
    elsewhere, home = tmp_path / "elsewhere", tmp_path / "home"
    elsewhere.mkdir()
    with connection.cursor() as cursor:
        cursor.execute("VACUUM INTO %s", [str(elsewhere / "crm.db")])
    with started("drain_queue", "--every", "0.1", url=f"sqlite:///{home}/crm.db") as process:
        assert "was not drained" in line(process.stderr)

        elsewhere.rename(home)

        assert line(process.stdout) == "Given: 1. Still waiting: 0.\n"


def somebody_waits_for_a_lock() -> bool:
    return bool(others("wait_event_type = 'Lock'"))


def others(condition: str = "TRUE") -> list[int]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_stat_clear_snapshot()")
        cursor.execute(
            "SELECT pid FROM pg_stat_activity"
            f" WHERE datname = current_database() AND pid <> pg_backend_pid() AND {condition}"
        )
        return [pid for (pid,) in cursor.fetchall()]
