import re
import signal
from collections import Counter
from datetime import timedelta
from typing import Any
from unittest.mock import patch

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db.models import F
from django.utils import timezone

from crm_project.testing.rows import assert_rules_hold, empty_the_house, make_operator
from distribution.audit import audit
from distribution.demo import CHANGES, ON_A_BREAK, RUSH_LENGTH
from distribution.demo_accounts import WORKS_AS
from distribution.handling import close_contact
from distribution.models import SettingChange
from leads.models import Contact, Lead, Source
from operators.models import Operator, Weight

pytestmark = pytest.mark.django_db


def story() -> list[tuple[Any, ...]]:
    """Return what the draws and the clock have no part in."""
    return list(Contact.objects.order_by("pk").values_list("source__code", "external_id", "name", "text", "data"))


def test_people_sources_weights_and_contacts_of_every_kind_are_made(capsys: pytest.CaptureFixture[str]) -> None:
    call_command("demo", contacts="300")

    statuses = Counter(Contact.objects.values_list("status", flat=True))
    assert statuses.total() == 300
    assert set(statuses) == {"active", "closed", "waiting"}
    assert Operator.objects.filter(is_active=False).exists()
    assert Source.objects.filter(is_active=False).exists()
    assert Weight.objects.filter(weight=0).exists()
    assert Lead.objects.count() < 300
    summary, *accounts = capsys.readouterr().out.splitlines()
    assert "contacts: 300" in summary
    assert len(accounts) == 3


def test_the_rules_hold_and_the_audit_agrees() -> None:
    call_command("demo", contacts="200")

    assert_rules_hold()
    assert audit() == []


def test_times_lie_in_the_past_week_and_in_their_order() -> None:
    call_command("demo", contacts="200")

    now = timezone.now()
    contacts = list(Contact.objects.all())
    for contact in contacts:
        times = [contact.created_at, contact.assigned_at, contact.closed_at]
        known = [time for time in times if time is not None]
        assert known == sorted(known)
        assert now - timedelta(days=7, minutes=10) < known[0] <= known[-1] < now
    assert max(c.created_at for c in contacts) - min(c.created_at for c in contacts) > timedelta(days=5)


def test_limits_are_older_than_every_assignment_so_that_the_audit_can_judge_it() -> None:
    call_command("demo", contacts="50")

    assert not Contact.objects.filter(assigned_at__lt=F("operator__limit_set_at")).exists()


def test_a_lead_is_as_old_as_its_first_contact() -> None:
    call_command("demo", contacts="50")

    for lead in Lead.objects.prefetch_related("contacts"):
        assert lead.created_at == min(contact.created_at for contact in lead.contacts.all())


def test_a_seed_repeats_the_story_and_another_tells_another() -> None:
    stories = []
    for seed in (1, 1, 2):
        call_command("demo", contacts="40", seed=seed)
        stories.append(story())
        empty_the_house()

    assert stories[0] == stories[1] != stories[2]


@pytest.mark.parametrize("role", ["supervisor", "auditor", "operator"])
def test_an_account_of_each_role_is_printed_with_its_password(capsys: pytest.CaptureFixture[str], role: str) -> None:
    call_command("demo", contacts="10")

    (printed,) = re.findall(rf"Log in as {role} with the password (\S+) ", capsys.readouterr().out)
    user = User.objects.get(username=role)
    assert user.check_password(printed)
    assert user.is_staff
    assert [group.name for group in user.groups.all()] == [role]


def test_the_operator_logs_in_as_somebody_of_the_story() -> None:
    call_command("demo", contacts="10")

    assert Operator.objects.get(user__username="operator").name == WORKS_AS


def test_an_account_that_is_there_keeps_its_password_and_its_rights(capsys: pytest.CaptureFixture[str]) -> None:
    User.objects.create_user("operator", password="mine")

    call_command("demo", contacts="10")

    user = User.objects.get(username="operator")
    assert user.check_password("mine")
    assert not user.groups.exists()
    assert "Log in as operator" not in capsys.readouterr().out


def test_settings_are_changed_over_the_week_each_with_a_reason() -> None:
    call_command("demo", contacts="200")

    changes = [change for change in SettingChange.objects.exclude(reason="") if change.before is not None]
    moments = [change.at for change in changes]
    assert {change.setting for change in changes} >= {"weight", "max_load", "strategy", "is_active"}
    assert {change.reason for change in CHANGES} < {change.reason for change in changes}
    assert max(moments) - min(moments) > timedelta(days=5)


def test_at_the_end_some_wait_while_others_have_room() -> None:
    call_command("demo", contacts="400")

    assert Contact.objects.waiting().count() > 2
    assert Operator.objects.filter(is_active=True, load__lt=F("max_load")).count() > 1
    assert Contact.objects.waiting().filter(created_at__lt=timezone.now() - RUSH_LENGTH).count() == 0


def test_somebody_takes_a_break() -> None:
    call_command("demo", contacts="10")

    assert Operator.objects.get(is_paused=True).name == ON_A_BREAK


def test_told_once_it_is_left_as_it_is() -> None:
    call_command("demo", contacts="10", once=True)
    call_command("demo", contacts="10", once=True)

    assert Contact.objects.count() == 10


def test_told_once_another_database_in_use_is_refused_all_the_same() -> None:
    make_operator()

    with pytest.raises(CommandError):
        call_command("demo", contacts="10", once=True)

    assert not Contact.objects.exists()


def test_one_contact_is_enough() -> None:
    call_command("demo", contacts="1")

    assert Contact.objects.count() == 1


@pytest.mark.parametrize("contacts", ["0", "-5", "some"])
def test_a_number_that_is_none_is_refused(contacts: str) -> None:
    with pytest.raises(CommandError):
        call_command("demo", contacts=contacts)


def test_a_database_in_use_is_refused_and_left() -> None:
    make_operator()

    with pytest.raises(CommandError):
        call_command("demo", contacts="10")

    assert Operator.objects.count() == 1
    assert not Contact.objects.exists()


def test_without_a_database_named_the_usual_one_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DATABASE_URL")

    with pytest.raises(CommandError, match="DATABASE_URL"):
        call_command("demo", contacts="10")

    assert not Operator.objects.exists()


def test_an_interrupted_story_is_true_as_far_as_it_goes() -> None:
    def interrupt(contact_id: int) -> Contact:
        signal.raise_signal(signal.SIGINT)
        return close_contact(contact_id)

    with patch("distribution.demo.close_contact", interrupt), pytest.raises(SystemExit) as ending:
        call_command("demo", contacts="100")

    assert ending.value.code == 130
    assert 0 < Contact.objects.count() < 100
    assert Contact.objects.filter(created_at__gt=timezone.now() - timedelta(days=3)).count() == 0
    assert_rules_hold()
