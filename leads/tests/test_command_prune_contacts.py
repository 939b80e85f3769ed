"""Removing old closed contacts, and the leads who have none left."""

import json
import os
import signal
from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from crm_project.testing.concurrency import run_concurrently
from crm_project.testing.rows import arrive, assert_rules_hold, make_lead, make_operator, make_source
from distribution.contact_pruning import in_batches, remove_contacts
from distribution.errors import ContactNotFound
from distribution.handling import close_contact, reopen_contact
from distribution.management.interruption import INTERRUPTED
from distribution.merging import merge_leads
from distribution.models import Decision, Event, LoadChange
from distribution.verification import verify
from leads.models import Contact, Identity, Lead, Merge, Source, SourceEvent

pytestmark = pytest.mark.django_db(transaction=True)

COMMAND = "leads.management.commands.prune_contacts"
LONG_AGO = timezone.now() - timedelta(days=400)

type Prune = Callable[..., str]


@pytest.fixture
def source() -> Source:
    return make_source({make_operator(max_load=1_000): 1})


@pytest.fixture
def prune(capsys: pytest.CaptureFixture[str]) -> Prune:
    """Run the command, and return what it says and its exit code."""

    def run_command(*arguments: str) -> str:
        try:
            call_command("prune_contacts", "--older-than", "365d", *arguments)
        except SystemExit as ended:
            return f"{capsys.readouterr().out.strip()} Exit {ended.code}."
        return capsys.readouterr().out.strip()

    return run_command


def close_long_ago(source: Source, *external_ids: str) -> list[Contact]:
    """Store contacts that were closed long ago, and that nothing recorded names any more."""
    contacts = [close_contact(arrive(source, external_id).pk) for external_id in external_ids]
    Contact.objects.filter(pk__in=[one.pk for one in contacts]).update(closed_at=LONG_AGO)
    for model in (Decision, LoadChange, Event):
        rows: Any = model.objects.filter(contact__in=contacts).order_by()
        rows._raw_delete(rows.db)
    return contacts


def left() -> set[str]:
    return set(Contact.objects.values_list("external_id", flat=True))


def test_what_was_closed_long_ago_goes_with_its_lead(source: Source, prune: Prune) -> None:
    close_long_ago(source, "old", "older")
    arrive(source, "active")
    close_contact(arrive(source, "closed lately").pk)

    assert prune() == "Removed: contacts 2, leads 2."
    assert left() == {"active", "closed lately"}
    assert set(Lead.objects.values_list("external_id", flat=True)) == left()
    assert set(Identity.objects.values_list("value", flat=True)) == left()


def test_a_lead_who_has_other_contacts_stays(source: Source, prune: Prune) -> None:
    close_long_ago(source, "again")
    arrive(source, "again")

    assert prune() == "Removed: contacts 1, leads 0."
    assert Lead.objects.get().contacts.count() == 1


def test_what_it_came_by_and_what_was_merged_goes_too(source: Source, prune: Prune) -> None:
    [contact] = close_long_ago(source, "old")
    SourceEvent.objects.create(source=source, event_id="update_1", contact=contact)
    merge_leads(contact.lead_id, make_lead().pk)

    prune()

    assert not SourceEvent.objects.exists()
    assert not Merge.objects.exists()


def test_a_dry_run_says_what_would_go_and_removes_nothing(source: Source, prune: Prune, tmp_path: Path) -> None:
    close_long_ago(source, "old", "older")

    said = prune("--dry-run", "--export", str(tmp_path / "contacts.jsonl"))

    assert said == "Nothing was written; this would go: contacts 2."
    assert left() == {"old", "older"}
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("model", [Decision, LoadChange, Event])
def test_what_is_still_recorded_stays(model: Any, source: Source, prune: Prune) -> None:
    contact = close_contact(arrive(source, "recorded").pk)
    Contact.objects.update(closed_at=LONG_AGO)
    for other in [one for one in (Decision, LoadChange, Event) if one is not model]:
        rows: Any = other.objects.all()
        rows._raw_delete(rows.db)
    close_long_ago(source, "old")

    assert prune() == ("Removed: contacts 1, leads 1. Kept, because decisions, ledgers or events name them: 1. Exit 1.")
    assert list(Contact.objects.all()) == [contact]


def test_after_decisions_and_events_are_pruned_all_that_is_old_goes_and_the_rest_is_proved(
    source: Source, prune: Prune, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in range(5):
        close_contact(arrive(source, f"old {number}").pk)
    Contact.objects.update(closed_at=LONG_AGO)
    for model in (Decision, LoadChange, Event):
        model.objects.update(at=LONG_AGO)
    arrive(source, "new")
    call_command("prune_decisions", "--older-than", "365d")
    call_command("prune_events", "--older-than", "365d")
    capsys.readouterr()

    # The last old event stays, by which it is seen that older ones are gone, and its contact with it.
    assert prune().startswith("Removed: contacts 4, leads 4.")
    assert list(verify()) == []
    assert_rules_hold()


def test_each_is_written_down_before_it_goes(source: Source, prune: Prune, tmp_path: Path) -> None:
    contacts = close_long_ago(source, "old", "older")
    path = tmp_path / "contacts.jsonl"
    path.write_text("what was there\n")

    prune("--export", str(path), "--batch", "1")

    first, *lines = path.read_text().splitlines()
    assert first == "what was there"
    assert [json.loads(line)["id"] for line in lines] == [contact.pk for contact in contacts]
    assert json.loads(lines[0])["external_id"] == "old"


def test_what_cannot_be_written_down_stays(source: Source, tmp_path: Path) -> None:
    close_long_ago(source, "old")

    with pytest.raises(CommandError, match="directory"):
        call_command("prune_contacts", "--older-than", "365d", "--export", str(tmp_path / "missing" / "file"))
    assert left() == {"old"}


def test_interrupted_it_says_what_went_and_the_next_run_goes_on(source: Source, prune: Prune) -> None:
    close_long_ago(source, "first", "second", "third")

    with patch(f"{COMMAND}.in_batches", interrupted_after_the_first):
        said = prune("--batch", "1")

    assert said == f"Interrupted, the rest stays. Removed: contacts 1, leads 1. Exit {INTERRUPTED}."
    assert prune() == "Removed: contacts 2, leads 2."


def interrupted_after_the_first(*arguments: Any) -> Iterator[list[Contact]]:
    for batch in in_batches(*arguments):
        os.kill(os.getpid(), signal.SIGINT)
        yield batch


def test_a_contact_that_is_reopened_meanwhile_stays(source: Source) -> None:
    [contact] = close_long_ago(source, "old")
    [batch] = in_batches(timezone.now() - timedelta(days=365), 10)
    reopen_contact(contact.pk)

    assert remove_contacts([one.pk for one in batch], timezone.now() - timedelta(days=365)) == (0, 0)
    assert left() == {"old"}
    assert_rules_hold()


def test_beside_arrivals_and_reopenings_nothing_accepted_is_lost(source: Source) -> None:
    for number in range(5):
        [contact] = close_long_ago(source, f"lead {number}")
        reopened: list[bool] = []

        def reopen(contact_id: int = contact.pk, reopened: list[bool] = reopened) -> None:
            try:
                reopen_contact(contact_id)
                reopened.append(True)
            except ContactNotFound:
                reopened.append(False)

        run_concurrently(
            partial(remove_contacts, [contact.pk], timezone.now() - timedelta(days=365)),
            reopen,
            *[partial(arrive, source, contact.external_id)] * 4,
        )

        assert Contact.objects.filter(external_id=contact.external_id).count() == 4 + sum(reopened)
        assert Lead.objects.filter(external_id=contact.external_id).count() == 1
    assert_rules_hold()
