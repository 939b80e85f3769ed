"""The back office as a whole: who may do what, the sidebar, users and groups, languages."""

from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Group, User
from django.test import Client
from unfold.utils import display_for_label

from crm_project.admin.columns import label
from crm_project.testing.admin_pages import address, open_form, run, save
from crm_project.testing.rows import arrive, make_operator, make_source
from crm_project.testing.staff import staff
from leads.models import Contact, Lead, Source
from operators.models import Operator, Weight

pytestmark = pytest.mark.django_db

MODELS: dict[str, Any] = {
    "leads_contact": Contact,
    "leads_lead": Lead,
    "leads_source": Source,
    "operators_operator": Operator,
    "operators_weight": Weight,
}
CHANGES = {
    "leads_contact": "close",
    "leads_source": "deactivate",
    "operators_operator": "deactivate",
    "operators_weight": "delete_selected",
    "leads_lead": "delete_selected",
}


@pytest.fixture
def contact() -> Contact:
    return arrive(make_source({make_operator(name="Anna"): 1}, name="Telegram"), "user_1")


@pytest.mark.parametrize("tone", ["info", "success", "warning", "danger", None])
def test_a_label_looks_as_the_theme_makes_it(tone: str | None) -> None:
    text = "<Анна> & 3 / 10"
    assert label(text, tone) == display_for_label(("tone", text), "-", {"tone": tone})


def titles(response: Any) -> list[str]:
    return [str(item["title"]) for group in response.context["sidebar_navigation"] for item in group["items"]]


@pytest.mark.parametrize("model", MODELS)
def test_every_list_and_page_opens(admin_client: Client, contact: Contact, model: str) -> None:
    row = MODELS[model].objects.get()
    for url in (address(model), address(model, "change", row.pk), address(model, "history", row.pk)):
        assert admin_client.get(url, follow=True).status_code == 200


@pytest.mark.parametrize("model", ["leads_source", "operators_operator", "operators_weight", "auth_user", "auth_group"])
def test_every_page_that_adds_opens(admin_client: Client, model: str) -> None:
    assert admin_client.get(address(model, "add")).status_code == 200


@pytest.mark.parametrize("model", MODELS)
def test_who_may_view_sees_everything_and_changes_nothing(contact: Contact, model: str) -> None:
    client = staff(f"view_{MODELS[model].__name__.lower()}")
    row = MODELS[model].objects.get()
    before = MODELS[model].objects.values().get()
    assert client.get(address(model)).status_code == 200
    assert client.get(address(model, "change", row.pk)).status_code == 200
    assert client.get(address(model, "add")).status_code == 403
    assert client.post(address(model, "change", row.pk), {"name": "Other", "weight": 5}).status_code == 403
    assert client.post(address(model, "delete", row.pk), {"post": "yes"}).status_code == 403
    pressed = {"CHANGE_FORM-action": CHANGES[model], "_selected_action": row.pk}
    assert client.post(address(model, "change", row.pk), pressed).status_code == 403
    run(client, model, CHANGES[model], row, post="yes")
    assert MODELS[model].objects.values().get() == before
    assert not LogEntry.objects.exists()


@pytest.mark.parametrize("model", MODELS)
def test_who_has_no_permission_sees_nothing(contact: Contact, model: str) -> None:
    client = staff()
    for url in (address(model), address(model, "change", 1), address(model, "add"), address(model, "delete", 1)):
        assert client.get(url).status_code == 403
    assert titles(client.get("/admin/")) == []


@pytest.mark.parametrize("model", MODELS)
def test_a_stranger_is_sent_to_the_log_in(contact: Contact, model: str) -> None:
    url = address(model)
    assert Client().get(url).headers["Location"] == f"/admin/login/?next={url}"


def test_who_may_change_contacts_closes_them_without_any_other_permission(contact: Contact) -> None:
    run(staff("change_contact"), "leads_contact", "close", contact)
    contact.refresh_from_db()
    assert contact.is_closed


def test_who_may_change_a_source_but_no_weights_leaves_the_weights(contact: Contact) -> None:
    client = staff("change_source", "view_weight")
    url = address("leads_source", "change", contact.source_id)
    fields = open_form(client, url, "source_form")
    save(client, url, fields, **{"name": "Renamed", "weights-0-weight": "9", "weights-0-DELETE": "on"})
    assert Source.objects.get().name == "Renamed"
    assert Weight.objects.get().weight == 1


def test_who_may_not_delete_weights_deletes_no_operator_that_has_some() -> None:
    make_source({(operator := make_operator()): 1})
    client = staff("view_operator", "delete_operator")
    assert client.post(address("operators_operator", "delete", operator.pk), {"post": "yes"}).status_code == 403
    assert run(client, "operators_operator", "delete_selected", operator, post="yes").status_code == 403
    assert Operator.objects.get() == operator


def test_the_sidebar_leads_to_what_the_user_may_see(admin_client: Client) -> None:
    work = ["Queue", "Board", "Contacts", "Leads", "Bulk actions"]
    distribution = ["Operators", "Sources", "Weights", "Matrix of weights", "Decisions", "History of settings"]
    everything = [*work, *distribution, "Users", "Groups", "API clients", "API keys", "Endpoints", "Deliveries"]
    assert titles(admin_client.get("/admin/")) == everything
    assert titles(staff("view_contact", "change_operator").get("/admin/")) == [
        "Queue",
        "Board",
        "Contacts",
        "Bulk actions",
        "Operators",
    ]


def test_the_page_of_a_group_asks_once_for_all_permissions(
    admin_client: Client, django_assert_max_num_queries: Any
) -> None:
    group = Group.objects.latest("pk")

    with django_assert_max_num_queries(10):
        assert admin_client.get(address("auth_group", "change", group.pk)).status_code == 200


@pytest.mark.parametrize("model", ["auth_user", "auth_group"])
def test_users_and_groups_have_their_pages(admin_client: Client, model: str) -> None:
    group = Group.objects.create(name="Night shift")
    row = User.objects.get() if model == "auth_user" else group
    for url in (address(model), address(model, "change", row.pk), address(model, "delete", row.pk)):
        assert admin_client.get(url).status_code == 200


def test_a_user_is_added_and_their_password_changed(admin_client: Client) -> None:
    password = {"password1": "tr1cky-enough", "password2": "tr1cky-enough"}
    fields = open_form(admin_client, address("auth_user", "add"), "user_form")
    save(admin_client, address("auth_user", "add"), fields, username="anna", usable_password="true", **password)
    user = User.objects.get(username="anna")
    assert user.check_password("tr1cky-enough")
    changed = dict.fromkeys(password, "even-tr1ckier")
    admin_client.post(f"/admin/auth/user/{user.pk}/password/", {**changed, "usable_password": "true"})
    user.refresh_from_db()
    assert user.check_password("even-tr1ckier")


def test_a_log_in_leads_into_the_back_office(client: Client) -> None:
    User.objects.create_superuser("anna", password="secret")
    response = client.post("/admin/login/", {"username": "anna", "password": "secret"})
    assert response.headers["Location"] == "/admin/"


def test_the_language_is_switched(admin_client: Client) -> None:
    page = admin_client.get("/admin/").content.decode()
    assert 'name="language" type="hidden" value="ru"' in page
    admin_client.post("/i18n/setlang/", {"language": "ru", "next": "/admin/"})
    assert '<html lang="ru"' in admin_client.get("/admin/").content.decode()
