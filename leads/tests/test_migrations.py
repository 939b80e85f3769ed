"""What migrations do with rows that are there."""

from importlib import import_module
from types import SimpleNamespace
from unittest.mock import patch

import pytest
from django.apps import apps
from django.db import connection
from model_bakery import baker

from crm_project.testing.rows import make_lead
from leads.models import Identity, Lead

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
