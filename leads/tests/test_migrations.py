"""What migrations do with rows that are there."""

from importlib import import_module
from types import SimpleNamespace
from unittest.mock import patch

import pytest
from django.apps import apps
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.auth.models import User
from django.contrib.contenttypes.models import ContentType
from django.db import connection
from model_bakery import baker

from crm_project.testing.rows import make_lead
from leads.models import Contact, Identity, Lead, Merge, Source

merge_contact_count = import_module("leads.migrations.0017_merge_contact_count")
log_by_number = import_module("leads.migrations.0016_log_by_number")
identities_of_leads = import_module("leads.migrations.0010_identities_of_leads")

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("at_a_time", [1, 3, 100])
def test_each_lead_gets_what_they_were_known_by(at_a_time: int) -> None:
    known, leads = make_lead("known already"), baker.make(Lead, _quantity=7)

    with patch.object(identities_of_leads, "LEADS_AT_A_TIME", at_a_time):
        identities_of_leads.store_identities(apps, SimpleNamespace(connection=connection))

    stored = Identity.objects.values_list("lead", "kind", "value")
    assert sorted(stored) == [(lead.pk, "external_id", lead.external_id) for lead in [known, *leads]]


def test_no_leads_are_no_work() -> None:
    identities_of_leads.store_identities(apps, SimpleNamespace(connection=connection))

    assert not Identity.objects.exists()


def test_the_log_names_people_by_number_and_all_else_as_before() -> None:
    types = ContentType.objects.get_for_models(Lead, Contact, Source)
    user = baker.make(User)
    for model in (Lead, Contact, Source):
        baker.make(
            LogEntry, user=user, content_type=types[model], object_id="7", object_repr="Ivan", action_flag=CHANGE
        )
    baker.make(
        LogEntry, user=user, content_type=types[Contact], object_id=None, object_repr="contacts", action_flag=CHANGE
    )

    log_by_number.name_by_number(apps, None)

    named = LogEntry.objects.order_by("pk").values_list("object_repr", flat=True)
    assert list(named) == ["№ 7", "№ 7", "Ivan", "contacts"]


def test_a_merge_counts_the_contacts_both_leads_had_when_it_was_made() -> None:
    survivor, other = make_lead("survivor"), make_lead("other")
    of_both = baker.make(Contact, lead=survivor, _quantity=3)
    baker.make(Contact, lead=survivor)
    merges = baker.make(Merge, survivor_id=survivor.pk, newest_contact_id=of_both[-1].pk, contact_count=0, _quantity=2)
    without_contacts = baker.make(Merge, survivor_id=other.pk, newest_contact_id=0, contact_count=0)

    merge_contact_count.count_contacts(apps, None)

    counts = dict(Merge.objects.values_list("pk", "contact_count"))
    assert counts == {merges[0].pk: 3, merges[1].pk: 3, without_contacts.pk: 0}
