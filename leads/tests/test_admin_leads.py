"""Leads in the back office."""

from typing import Any

import pytest
from django.test import Client
from model_bakery import baker

from crm_project.testing.admin_pages import address, messages, run, shown
from crm_project.testing.rows import arrive, make_operator, make_source
from leads.models import Lead

pytestmark = pytest.mark.django_db

MODEL = "leads_lead"


def test_a_lead_is_found_by_external_id(admin_client: Client) -> None:
    ivan = baker.make(Lead, external_id="Иван@пример.рф")
    baker.make(Lead)
    assert shown(admin_client.get(address(MODEL), {"q": "иван"})) == [ivan]


def test_the_list_says_how_many_contacts_there_are_and_leads_to_them(admin_client: Client) -> None:
    source = make_source()
    contacts = [arrive(source, "user_1"), arrive(source, "user_1")]
    arrive(source, "user_2")
    link = f"{address('leads_contact')}?lead__id__exact={contacts[0].lead_id}"
    assert f'<a href="{link}" class="text-link">2</a>' in admin_client.get(address(MODEL)).content.decode()
    assert set(shown(admin_client.get(link))) == set(contacts)


def test_the_page_shows_what_the_lead_wrote_to_each_source(admin_client: Client) -> None:
    operator = make_operator(name="Anna")
    contact = arrive(make_source({operator: 1}, name="Telegram"), "user_1")
    arrive(make_source(name="Website"), "user_1")
    page = admin_client.get(address(MODEL, "change", contact.lead_id)).content.decode()
    for text in ("Telegram", "Website", "Anna", "waiting", "active", address("leads_contact", "change", contact.pk)):
        assert text in page


def test_the_page_of_a_lead_with_many_contacts_shows_20_at_a_time(
    admin_client: Client, django_assert_max_num_queries: Any
) -> None:
    source = make_source()
    contacts = [arrive(source, "user_1") for _number in range(45)]
    with django_assert_max_num_queries(10):
        response = admin_client.get(address(MODEL, "change", contacts[0].lead_id))
    [formset] = response.context["inline_admin_formsets"]
    assert len(formset.formset.forms) == 20


def test_a_lead_is_neither_added_nor_changed_by_hand(admin_client: Client) -> None:
    lead = baker.make(Lead, external_id="before")
    assert admin_client.get(address(MODEL, "add")).status_code == 403
    response = admin_client.post(address(MODEL, "change", lead.pk), {"external_id": "after"})
    assert response.status_code == 403
    lead.refresh_from_db()
    assert lead.external_id == "before"


def test_a_lead_without_contacts_is_deleted(admin_client: Client) -> None:
    lead = baker.make(Lead)
    response = admin_client.post(address(MODEL, "delete", lead.pk), {"post": "yes"}, follow=True)
    assert response.redirect_chain == [(address(MODEL), 302)]
    assert not Lead.objects.exists()


@pytest.mark.parametrize("method", ["get", "post"])
def test_a_lead_with_contacts_stays(admin_client: Client, method: str) -> None:
    lead = arrive(make_source()).lead
    response = getattr(admin_client, method)(address(MODEL, "delete", lead.pk), {"post": "yes"}, follow=True)
    assert response.redirect_chain == [(address(MODEL, "change", lead.pk), 302)]
    assert "has or had contacts and cannot be deleted" in messages(response)[0]
    assert Lead.objects.get() == lead


def test_of_those_selected_only_the_ones_without_contacts_are_deleted(admin_client: Client) -> None:
    kept = arrive(make_source()).lead
    response = run(admin_client, MODEL, "delete_selected", kept, *baker.make(Lead, _quantity=2), post="yes")
    assert [message.split(":")[0] for message in messages(response)] == ["1 stays", "2 deleted."]
    assert Lead.objects.get() == kept


def test_the_list_takes_few_queries_however_long_it_is(
    admin_client: Client, django_assert_max_num_queries: Any
) -> None:
    source = make_source()
    for _number in range(50):
        arrive(source)
    with django_assert_max_num_queries(6):
        admin_client.get(address(MODEL))
