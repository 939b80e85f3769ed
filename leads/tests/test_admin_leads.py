"""Leads in the back office."""

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from model_bakery import baker

from crm_project.testing.admin_pages import address, messages, run, shown
from crm_project.testing.rows import arrive, make_contacts, make_operator, make_source
from leads.models import Contact, Lead

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
    with django_assert_max_num_queries(11):
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


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("external_id", "Пётр_7"),
        ("name", "Пётр Иванов"),
        ("phone", "+7 900 123-45-67"),
        ("email", "Пётр@пример.рф"),
    ],
)
@pytest.mark.parametrize("change", [str.upper, str.lower, lambda text: text[:6]])
def test_a_lead_is_found_by_what_it_sent_without_regard_to_case(
    admin_client: Client, field: str, value: str, change: Callable[[str], str]
) -> None:
    source = make_source()
    contact = arrive(source, "user_1")
    Contact.objects.filter(pk=contact.pk).update(**{field: value})
    arrive(source, "user_2", name="Мария", phone="+8 800", email="m@example.com")
    assert shown(admin_client.get(address(MODEL), {"q": change(value)})) == [contact.lead]


def test_a_lead_is_found_once_however_many_of_its_contacts_match(admin_client: Client) -> None:
    source = make_source()
    contacts = [arrive(source, "user_1", name="Иван") for _number in range(3)]
    assert shown(admin_client.get(address(MODEL), {"q": "иван"})) == [contacts[0].lead]


@pytest.mark.parametrize("typed", ["\0", "%", "_", "\\", "'", "9" * 300])
def test_a_search_for_anything_is_a_page(admin_client: Client, typed: str) -> None:
    arrive(make_source())
    assert admin_client.get(address(MODEL), {"q": typed}, follow=True).status_code == 200


def test_the_page_leads_to_the_chat_on_each_source(admin_client: Client) -> None:
    contact = arrive(make_source(link_template="https://t.me/{external_id}"), "anna")
    arrive(make_source(link_template="tg://resolve?domain={external_id}"), "anna")
    arrive(make_source(link_template="data:text/html,{external_id}"), "anna")
    page = admin_client.get(address(MODEL, "change", contact.lead_id)).content.decode()
    assert 'href="https://t.me/anna"' in page
    assert 'href="tg://resolve?domain=anna"' in page
    assert "data:text" not in page


@pytest.mark.parametrize("count", [10, 1_000])
def test_the_page_takes_as_many_queries_however_much_the_lead_wrote(
    admin_client: Client, count: int, django_assert_max_num_queries: Any
) -> None:
    contact, *_others = make_contacts(count, make_source())
    # The session and its user, the lead and whether it was merged, its contacts, who is alike, the merges.
    with django_assert_max_num_queries(11):
        admin_client.get(address(MODEL, "change", contact.lead_id))


def test_the_list_and_the_page_show_the_name_that_the_lead_gave_last(admin_client: Client) -> None:
    source = make_source()
    for name in ("Maria <older>", "Maria <newer>", ""):
        contact = arrive(source, "user_1", name=name)
    for url in (address(MODEL), address(MODEL, "change", contact.lead_id)):
        page = admin_client.get(url).content.decode()
        assert "Maria &lt;newer&gt;" in page
        assert "Maria &lt;older&gt;" not in page


def test_a_lead_is_called_what_it_is_called_in_the_way_to_its_page(admin_client: Client) -> None:
    lead = baker.make(Lead, external_id="user_1")

    header = admin_client.get(address(MODEL, "change", lead.pk)).content.decode().partition("</h1>")[0]

    assert "Leads" in header
    assert "user_1" in header
    assert "User_1" not in header
