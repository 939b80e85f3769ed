from random import Random

import pytest
from django.core.management import CommandError, call_command

from crm_project.testing.rows import assert_rules_hold
from distribution.demo import PLACES
from distribution.demo_life import LONGEST_PAUSE_SECONDS, live
from distribution.models import Decision
from distribution.roster import change_source
from leads.models import Contact, Source

pytestmark = pytest.mark.django_db


@pytest.fixture
def told() -> None:
    call_command("demo", contacts="20")


def at_once(_seconds: float) -> bool:
    return False


class Pauses:
    def __init__(self) -> None:
        self.seconds: list[float] = []

    def wait(self, seconds: float) -> bool:
        self.seconds.append(seconds)
        return False


@pytest.mark.usefixtures("told")
def test_contacts_arrive_and_are_closed_and_the_rules_hold() -> None:
    closed = Contact.objects.filter(status="closed").count()

    live(Random(1), 150, at_once)

    assert Contact.objects.count() > 20
    assert Contact.objects.filter(status="closed").count() > closed
    assert_rules_hold()


@pytest.mark.usefixtures("told")
def test_no_more_happens_than_was_asked_for() -> None:
    pauses = Pauses()

    live(Random(1), 12, pauses.wait)

    assert len(pauses.seconds) == 12
    assert Contact.objects.count() <= 20 + 12


@pytest.mark.usefixtures("told")
def test_pauses_differ_and_none_is_long() -> None:
    pauses = Pauses()

    live(Random(1), 50, pauses.wait)

    assert 0 < min(pauses.seconds) < max(pauses.seconds) <= LONGEST_PAUSE_SECONDS


@pytest.mark.usefixtures("told")
def test_it_ends_when_it_shall() -> None:
    decisions = Decision.objects.count()

    live(Random(1), 50, lambda _seconds: True)

    assert Decision.objects.count() == decisions


@pytest.mark.usefixtures("told")
def test_nothing_arrives_where_every_source_is_switched_off() -> None:
    for source in Source.objects.all():
        change_source(source.pk, is_active=False)

    live(Random(1), 30, at_once)

    assert Contact.objects.count() == 20


@pytest.mark.usefixtures("told")
def test_more_than_there_are_places_are_never_in_work() -> None:
    live(Random(2), 100, at_once)

    assert Contact.objects.active().count() <= PLACES + 3


def test_a_database_without_the_demo_is_refused() -> None:
    with pytest.raises(CommandError):
        call_command("live_demo", steps="5")

    assert not Contact.objects.exists()
