"""Removing old events, from the oldest on and without a gap."""

import os
import signal
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any
from unittest.mock import patch

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone
from model_bakery import baker

from crm_project.testing.rows import arrive, make_operator, make_source
from crm_project.webhooks.models import Attempt, Delivery, Endpoint, EventKind, Subscription
from distribution.event_pruning import old_events, prune_events
from distribution.management.interruption import INTERRUPTED
from distribution.models import Event
from leads.models import Source

pytestmark = pytest.mark.django_db

COMMAND = "distribution.management.commands.prune_events"

type Prune = Callable[..., str]


@pytest.fixture
def source() -> Source:
    return make_source({make_operator(max_load=100): 1})


@pytest.fixture
def prune(capsys: pytest.CaptureFixture[str]) -> Prune:
    """Run the command and return what it says."""

    def run_command(*arguments: str) -> str:
        call_command("prune_events", *arguments)
        return capsys.readouterr().out.strip()

    return run_command


def make_events(source: Source, old: int, recent: int = 0) -> list[int]:
    """Store events, the first of them a month old, and return their ids."""
    for _ in range(old + recent):
        arrive(source)
    ids = list(Event.objects.order_by("pk").values_list("pk", flat=True))
    Event.objects.filter(pk__in=ids[:old]).update(at=timezone.now() - timedelta(days=30))
    return ids


def left() -> list[int]:
    return list(Event.objects.order_by("pk").values_list("pk", flat=True))


def hear(source: Source, **fields: Any) -> Endpoint:
    endpoint = baker.make(Endpoint, **fields)
    Subscription.objects.create(endpoint=endpoint, kind=EventKind.ASSIGNED, source=source)
    return endpoint


def test_old_events_go_but_the_last_of_them(source: Source, prune: Prune) -> None:
    ids = make_events(source, old=5, recent=2)

    assert prune("--older-than", "7d") == "Removed: events 4."
    assert left() == ids[4:]


def test_a_dry_run_says_what_would_go_and_removes_nothing(source: Source, prune: Prune) -> None:
    ids = make_events(source, old=5)

    assert prune("--older-than", "7d", "--dry-run") == "Nothing was written; this would go: events 4."
    assert left() == ids


def test_their_deliveries_and_attempts_go_with_them(source: Source, prune: Prune) -> None:
    hear(source)
    make_events(source, old=3)
    Delivery.objects.update(state="delivered")
    for delivery in Delivery.objects.all():
        Attempt.objects.create(delivery=delivery, milliseconds=1)

    prune("--older-than", "7d")

    assert (Delivery.objects.count(), Attempt.objects.count()) == (1, 1)


def test_what_an_endpoint_waits_for_stays_with_all_that_came_after_it(source: Source, prune: Prune) -> None:
    hear(source)
    ids = make_events(source, old=6)
    Delivery.objects.exclude(event=ids[3]).update(state="delivered")

    assert prune("--older-than", "7d") == "Removed: events 2."
    assert left() == ids[2:]


def test_what_waits_for_an_endpoint_that_is_off_goes(source: Source, prune: Prune) -> None:
    endpoint = hear(source)
    make_events(source, old=4)
    Endpoint.objects.filter(pk=endpoint.pk).update(is_active=False)

    assert prune("--older-than", "7d") == "Removed: events 3."


def test_it_goes_in_batches_each_of_which_may_be_the_last(source: Source) -> None:
    ids = make_events(source, old=6)
    before = timezone.now() - timedelta(days=7)

    steps = prune_events(before, 2)
    assert next(steps) == 2
    assert left() == ids[2:]
    assert old_events(before).count() == 3
    assert list(steps) == [2, 1]


def test_interrupted_it_says_what_went(source: Source, capsys: pytest.CaptureFixture[str]) -> None:
    make_events(source, old=6)

    with patch(f"{COMMAND}.prune_events", interrupted_after_the_first), pytest.raises(SystemExit) as ended:
        call_command("prune_events", "--older-than", "7d", "--batch", "1")

    assert ended.value.code == INTERRUPTED
    assert capsys.readouterr().out.strip() == "Removed: events 1."


def interrupted_after_the_first(*arguments: Any) -> Iterator[int]:
    for step in prune_events(*arguments):
        os.kill(os.getpid(), signal.SIGINT)
        yield step


@pytest.mark.parametrize("arguments", [[], ["--older-than", "soon"], ["--older-than", "1d", "--batch", "0"]])
def test_what_means_nothing_is_told(arguments: list[str]) -> None:
    with pytest.raises(CommandError):
        call_command("prune_events", *arguments)
