"""A contact that arrives at the very moment when its lead is merged, taken apart, erased or removed, on PostgreSQL."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from typing import Any
from unittest.mock import patch

import pytest
from django.db.models import OuterRef, QuerySet, Subquery
from django.utils import timezone

from crm_project.statements import KeptStatement
from crm_project.testing.concurrency import meet
from crm_project.testing.rows import arrive, assert_rules_hold, make_lead, make_operator, make_source
from distribution import contact_pruning, erasing, intake, intake_in_bulk, merging, roster
from distribution.contact_pruning import remove_contacts
from distribution.erasing import erase_lead
from distribution.errors import CannotUndoMerge
from distribution.handling import close_contact
from distribution.intake import Intake
from distribution.intake_in_bulk import register_chunk
from distribution.merging import merge_leads, undo_merge
from distribution.models import Decision, Event, LoadChange
from leads.models import Contact, Identity, Lead, Source

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.postgresql]

type Arrival = Callable[..., object]


def arrive_in_bulk(source: Source, external_id: str) -> None:
    register_chunk([Intake(source_code=source.code, external_id=external_id)])


ARRIVALS: dict[str, tuple[Arrival, tuple[Any, str]]] = {
    "alone": (arrive, (intake, "_contact_of_event")),
    "in bulk": (arrive_in_bulk, (intake_in_bulk, "store_leads")),
    "by phone": (arrive, (intake, "_contact_of_event")),
}
LOCKING: dict[Callable[..., object], tuple[Any, str]] = {
    merge_leads: (merging, "lock_leads_for_deletion"),
    undo_merge: (merging, "lock_leads_for_deletion"),
    erase_lead: (erasing, "lock_leads_for_deletion"),
    remove_contacts: (contact_pruning, "lock_leads_for_deletion"),
    roster.delete_lead: (roster, "lock_leads_for_deletion"),
}


@pytest.fixture(params=ARRIVALS)
def way(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def source(way: str) -> Source:
    identified_by = "phone" if way == "by phone" else "external_id"
    return make_source({make_operator(max_load=1_000): 1}, identified_by=identified_by)


class Meeting:
    """An arrival by «+7 (912) 345-67-80» and somebody who works on its lead."""

    WRITTEN = "+7 (912) 345-67-80"

    def __init__(self, way: str, source: Source) -> None:
        self.source = source
        self.arrive, self.has_read = ARRIVALS[way]
        self.other = arrive(source, "+7 (912) 345-67-81").lead_id
        self.first = arrive(source, self.WRITTEN)
        self.lead_id = self.first.lead_id

    def come_before(self, work: Callable[..., object], *arguments: Any) -> None:
        """Let the arrival know its lead when the work begins."""
        meet(partial(self.arrive, self.source, self.WRITTEN), partial(work, *arguments), behind=self.has_read)

    def come_after(self, work: Callable[..., object], *arguments: Any) -> None:
        """Let the work hold its locks when the arrival begins."""
        meet(partial(work, *arguments), partial(self.arrive, self.source, self.WRITTEN), behind=LOCKING[work])

    @property
    def arrived(self) -> Contact:
        return Contact.objects.latest("pk")

    def forget(self) -> None:
        """Leave of the first contact nothing that keeps it from being removed."""
        close_contact(self.first.pk)
        for rows in (model.objects.filter(contact=self.first) for model in (Decision, LoadChange, Event)):
            rows._raw_delete(rows.db)


@pytest.fixture
def meeting(way: str, source: Source) -> Iterator[Meeting]:
    yield Meeting(way, source)
    assert_rules_hold()


def in_an_hour() -> Any:
    return timezone.now() + timedelta(hours=1)


class TestMerging:
    def test_takes_the_contact_that_came_before_along(self, meeting: Meeting) -> None:
        meeting.come_before(merge_leads, meeting.other, meeting.lead_id)

        assert meeting.arrived.lead_id == meeting.other

    def test_gives_the_contact_that_comes_after_to_the_survivor(self, meeting: Meeting) -> None:
        meeting.come_after(merge_leads, meeting.other, meeting.lead_id)

        assert meeting.arrived.lead_id == meeting.other


class TestUndoing:
    def test_is_refused_when_a_contact_came_before(self, meeting: Meeting) -> None:
        merge = merge_leads(meeting.other, meeting.lead_id)

        with pytest.RaisesGroup(CannotUndoMerge):
            meeting.come_before(undo_merge, merge.pk)

        assert meeting.arrived.lead_id == meeting.other

    def test_gives_the_contact_that_comes_after_to_the_lead_it_is_of(self, meeting: Meeting) -> None:
        merge = merge_leads(meeting.other, meeting.lead_id)

        meeting.come_after(undo_merge, merge.pk)

        assert meeting.arrived.lead_id == meeting.lead_id != meeting.other


class TestErasing:
    def test_empties_the_contact_that_came_before(self, meeting: Meeting) -> None:
        meeting.come_before(erase_lead, meeting.lead_id)

        assert (meeting.arrived.lead_id, meeting.arrived.external_id) == (meeting.lead_id, "erased")

    def test_makes_who_comes_after_a_new_lead(self, meeting: Meeting) -> None:
        meeting.come_after(erase_lead, meeting.lead_id)

        assert meeting.arrived.lead_id not in (meeting.lead_id, meeting.other)
        assert meeting.arrived.external_id == meeting.WRITTEN

    def test_after_a_merge_that_had_the_locks_before_empties_what_the_merge_brought(self, meeting: Meeting) -> None:
        meet(
            partial(merge_leads, meeting.other, meeting.lead_id),
            partial(erase_lead, meeting.other),
            behind=LOCKING[merge_leads],
        )

        assert set(Contact.objects.values_list("lead", "external_id")) == {(meeting.other, "erased")}
        assert not Identity.objects.exists()


class TestRemoving:
    def test_leaves_the_lead_of_a_contact_that_came_before(self, meeting: Meeting) -> None:
        meeting.forget()

        meeting.come_before(remove_contacts, [meeting.first.pk], in_an_hour())

        assert meeting.arrived.lead_id == meeting.lead_id

    def test_makes_who_comes_after_a_new_lead(self, meeting: Meeting) -> None:
        meeting.forget()

        meeting.come_after(remove_contacts, [meeting.first.pk], in_an_hour())

        assert not Lead.objects.filter(pk=meeting.lead_id).exists()
        assert meeting.arrived.lead_id not in (meeting.lead_id, meeting.other)

    def test_during_a_merge_leaves_no_lead_without_contacts(self, meeting: Meeting) -> None:
        meeting.forget()
        survivor = make_lead("without contacts")

        meet(
            partial(merge_leads, survivor.pk, meeting.lead_id),
            partial(remove_contacts, [meeting.first.pk], in_an_hour()),
            behind=LOCKING[merge_leads],
        )

        assert set(Lead.objects.values_list("pk", flat=True)) == {meeting.other}

    def test_makes_who_comes_after_a_deletion_a_new_lead(self, meeting: Meeting) -> None:
        Contact.objects.filter(pk=meeting.first.pk).update(lead=meeting.other)

        meeting.come_after(roster.delete_lead, meeting.lead_id)

        assert meeting.arrived.lead_id not in (meeting.lead_id, meeting.other)


class TestWithoutTheLockOnTheIdentity:
    """What the tests above would see."""

    @pytest.fixture
    def way(self) -> str:
        return "alone"

    @pytest.fixture(autouse=True)
    def unlocked(self) -> Iterator[None]:
        with arrivals_without_lock():
            yield

    def test_an_erased_lead_would_tell_who_it_was(self, meeting: Meeting) -> None:
        meeting.come_before(erase_lead, meeting.lead_id)

        assert (meeting.arrived.lead_id, meeting.arrived.external_id) == (meeting.lead_id, meeting.WRITTEN)

    def test_the_contact_would_go_to_another_lead(self, meeting: Meeting) -> None:
        merge = merge_leads(meeting.other, meeting.lead_id)

        meeting.come_before(undo_merge, merge.pk)

        assert meeting.arrived.lead_id == meeting.other != Lead.objects.get(identities__value=meeting.WRITTEN).pk


@contextmanager
def arrivals_without_lock() -> Iterator[None]:
    @KeptStatement
    def read_only(code: Any, external_id: Any) -> QuerySet[Any]:
        known = Identity.objects.filter(kind=OuterRef("identified_by"), value=external_id).order_by()
        return Source.objects.filter(code=code).order_by().annotate(known_lead_id=Subquery(known.values("lead")))

    with patch.object(intake, "_sources_beside_lead", read_only):
        yield
