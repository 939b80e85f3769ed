"""The whole back office in Russian: no English is left on any page."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.utils.translation import override
from model_bakery import baker

from crm_project.access.models import ApiClient, ApiKey
from crm_project.admin.accounts import permission_shown
from crm_project.testing.admin_pages import address, messages, open_form, run, save
from crm_project.testing.crawling import pages, read
from crm_project.testing.rows import arrive, make_operator, make_source
from crm_project.webhooks.answers import Failure
from crm_project.webhooks.endpoints import add_secret, subscribe
from crm_project.webhooks.models import Attempt, Endpoint, EventKind
from distribution.handling import close_contact
from leads.models import Contact, Lead
from operators.models import Operator, Weight

pytestmark = [pytest.mark.django_db, pytest.mark.once]

# Names: of the other language, keys, formats, the rights of an API client, groups as they are stored, columns of files.
NAMES = {
    *("english", "enter", "control", "command", "xlsx", "ldap", "single", "sing", "ctrl"),
    *("register", "read", "manage", "supervisor", "auditor", "operator"),
    *("name", "external", "active", "load"),
}
LITERAL = re.compile(r"\{\w+\}|\w+://\S+")


def in_russian() -> Client:
    """Return a browser that asks for Russian."""
    return Client(headers={"Accept-Language": "ru"})


@pytest.fixture
def chief() -> Client:
    """Return the browser of somebody who may do everything, in Russian."""
    client = in_russian()
    client.force_login(User.objects.create(username="шеф", is_staff=True, is_superuser=True))
    return client


@pytest.fixture
def house() -> None:
    """Store rows of every kind, without a Latin word in them."""
    anna, boris = make_operator(name="Анна", max_load=2), make_operator(name="Борис", is_active=False)
    source = make_source({anna: 2, boris: 1}, name="Чат", code="c1")
    endpoint = baker.make(Endpoint, name="Мост", url="https://e.org/")
    subscribe(endpoint, EventKind.values, None)
    add_secret(endpoint)
    contacts = [arrive(source, f"7{number}", text="Здравствуйте") for number in range(4)]
    close_contact(contacts[0].pk)
    baker.make(Attempt, delivery=endpoint.deliveries.latest("pk"), failure=Failure.TIMEOUT, answer="")
    client = baker.make(ApiClient, name="Бот", may_read=True)
    baker.make(ApiKey, client=client, prefix="00000001", place=1)
    Group.objects.create(name="Люди")


def english(html: str) -> set[str]:
    """Return the English words that the page says."""
    texts = (LITERAL.sub("", text) for text in read(html).texts)
    return {word for text in texts for word in re.findall("[A-Za-z]{4,}", text) if word.casefold() not in NAMES}


def answers(client: Client) -> Iterator[tuple[str, Any]]:
    """Yield the pages that no link leads to, by what was done."""
    contacts, weight, file = Contact.objects.filter(status="active"), Weight.objects.first(), "name;max_load\nАнна;x\n"
    for action in ("close", "reassign_to"):
        yield action, run(client, "leads_contact", action, *contacts, select_across="1")
    yield "reassign_to those ticked", run(client, "leads_contact", "reassign_to", *contacts)
    yield "delete_selected", run(client, "operators_weight", "delete_selected", weight)
    for model in ("operator", "source", "weight"):
        url = address(f"{'leads' if model == 'source' else 'operators'}_{model}", "add")
        yield f"a wrong {model}", save(client, url, open_form(client, url, f"{model}_form"), max_load="x", weight="-1")
    url = address("auth_user", "add")
    yield "a wrong user", save(client, url, open_form(client, url, "user_form"), password1="1", password2="2")
    yield "a row that is gone", client.get(address("leads_contact", "change", 999), follow=True)
    yield "a search without success", client.get(address("leads_contact"), {"q": "нет"})
    for text in (file, "", "a;b\n1;2\n"):
        upload = SimpleUploadedFile("f.csv", text.encode())
        form = {"import_file": upload, "format": "0", "resource": ""}
        yield f"the file {text!r}", client.post(address("operators_operator", "import"), form)
    yield "nothing at an address", client.get("/admin/nothing/")
    yield "a bad request", client.post("/i18n/setlang/", {"language": "xx"})
    yield "changing the password", client.get("/admin/password_change/", follow=True)
    yield "a new password without anything", client.post("/admin/password_change/", {}, follow=True)
    yield "logging out", client.post("/admin/logout/", follow=True)
    yield "logging in wrongly", client.post("/admin/login/", {"username": "u", "password": "p"})


@pytest.mark.usefixtures("house")
def test_no_page_that_a_link_leads_to_has_english(chief: Client) -> None:
    found = {url: words for url, html in pages(chief) if (words := english(html))}

    assert found == {}


def test_no_page_of_an_empty_house_has_english(chief: Client) -> None:
    found = {url: words for url, html in pages(chief) if (words := english(html))}

    assert found == {}


@pytest.mark.usefixtures("house")
def test_no_answer_to_a_form_has_english(chief: Client) -> None:
    found = {done: words for done, page in answers(chief) if (words := english(page.content.decode()))}

    assert found == {}


def test_an_english_page_would_be_found(admin_client: Client) -> None:
    words = english(admin_client.get("/admin/").content.decode())

    assert {"Overview", "Search"} & words


class TestTheNumberOfRows:
    @pytest.mark.parametrize(
        ("count", "said"), [(0, "0 операторов"), (1, "1 оператор"), (2, "2 оператора"), (5, "5 операторов")]
    )
    def test_is_said_in_the_plural_that_russian_has_for_it(self, chief: Client, count: int, said: str) -> None:
        Operator.objects.bulk_create(Operator(name="Анна") for _ in range(count))
        assert said in words(chief, address("operators_operator"))

    @pytest.mark.parametrize(
        ("model", "said"),
        [
            ("leads_contact", "4 обращения"),
            ("leads_lead", "4 лида"),
            ("leads_source", "1 источник"),
            ("operators_weight", "2 веса"),
            ("distribution_decision", "5 решений"),
            ("distribution_bulkrun", "0 массовых действий"),
            ("auth_user", "1 пользователь"),
            ("auth_group", "4 группы"),
            ("access_apiclient", "1 клиент API"),
            ("access_apikey", "1 ключ API"),
            ("webhooks_endpoint", "1 получатель"),
            ("webhooks_delivery", "8 доставок"),
        ],
    )
    @pytest.mark.usefixtures("house")
    def test_is_said_on_every_list(self, chief: Client, model: str, said: str) -> None:
        assert said in words(chief, address(model))

    def test_is_said_in_english_too(self, admin_client: Client) -> None:
        make_operator()
        assert "1 operator" in words(admin_client, address("operators_operator"))
        make_operator()
        assert "2 operators" in words(admin_client, address("operators_operator"))

    def test_of_pages_stands_behind_their_numbers(self, chief: Client) -> None:
        baker.make(Lead, _quantity=101)
        assert "1 2 3 – 101 лид" in words(chief, address("leads_lead"))


class TestPermissions:
    def test_are_said_by_what_they_allow(self) -> None:
        def said(codename: str) -> str:
            return permission_shown(Permission.objects.get(codename=codename))

        with override("ru"):
            assert said("delete_weight") == "Веса: удалять"
            assert said("work_as_operator") == "Операторы: работать со своими обращениями"
        with override("en"):
            assert said("view_contact") == "Contacts: see"

    def test_of_what_no_page_shows_are_not_offered(self, admin_client: Client) -> None:
        page: Any = admin_client.get(address("auth_group", "add"))
        offered = page.context["adminform"].form.fields["permissions"].queryset
        apps = set(offered.values_list("content_type__app_label", flat=True))
        assert apps == {"access", "auth", "distribution", "leads", "operators", "webhooks"}

    def test_of_the_roles_are_all_offered(self, admin_client: Client) -> None:
        page: Any = admin_client.get(address("auth_group", "add"))
        offered = page.context["adminform"].form.fields["permissions"].queryset
        assert not Permission.objects.filter(group__isnull=False).exclude(pk__in=offered).exists()


class TestDeleting:
    def test_a_group_tells_nothing_of_its_permissions(self, chief: Client) -> None:
        group = Group.objects.get(name="operator")
        assert group.permissions.exists()
        said = words(chief, address("auth_group", "delete", group.pk))
        assert "operator" in said
        assert "Group" not in said

    def test_two_users_is_told_in_words_that_agree(self, chief: Client) -> None:
        users = baker.make(User, _quantity=2)
        page = run(chief, "auth_user", "delete_selected", *users, post="yes")
        assert messages(page) == ["Удалено (пользователи): 2."]


def words(client: Client, url: str) -> str:
    """Return what the page says, on one line."""
    return " ".join(" ".join(read(client.get(url).content.decode()).texts).split())
