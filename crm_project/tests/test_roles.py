"""Every page and action of the back office and every call of the API, tried in each role and as nobody.

The addresses are read from the site and the router, so that one that is added cannot be forgotten.
"""

from collections.abc import Iterable
from html import unescape
from typing import Any

import pytest
from django.apps import apps
from django.contrib import admin
from django.contrib.auth.models import Group, Permission, User
from django.db.models import Model
from django.test import Client
from model_bakery import baker
from rest_framework.test import APIClient

from crm_project.access.acting import because
from crm_project.access.keys import make_key
from crm_project.access.roles import Role, name_shown
from crm_project.access.tests.test_boundaries import ROUTES
from crm_project.router import router
from crm_project.testing.addresses import addresses
from crm_project.testing.clients import make_client
from crm_project.testing.rows import arrive, make_operator, make_source
from crm_project.testing.staff import make_user
from crm_project.webhooks.endpoints import add_secret, subscribe
from crm_project.webhooks.models import Endpoint, EventKind, Secret
from distribution import runs
from distribution.handling import close_contact
from distribution.models import BulkRun, Decision
from distribution.roster import change_operator, change_source
from leads.models import Contact
from operators.models import Operator

pytestmark = pytest.mark.django_db

SECRET = "what only they may know"
ROLES = ["supervisor", "auditor", "operator", "without a role", "nobody"]
POWERLESS = ["operator", "without a role", "nobody"]
CHANGING_NOTHING = ["auditor", *POWERLESS]
APPS_OF_THE_ROLES = {"leads", "operators", "distribution", "webhooks"}
OPEN_PAGES = {"/admin/login/", "/admin/jsi18n/"}
OF_OWN_ACCOUNT = {"/admin/password_change/", "/admin/password_change/done/", "/admin/logout/"}
OWN = "/admin/my-contacts/"
START = {"/admin/", "/admin/start/overview/", "/admin/start/shares/"}
ANYBODY_OF_STAFF = {*START, "/admin/search/", "/admin/jsi18n/", "/admin/login/", *OF_OWN_ACCOUNT}
BODIES = [
    {},
    {"post": "yes", "reason": "because", "is_paused": "1"},
    {"name": "Taken over", "code": "taken", "max_load": "0", "weight": "7", "proposal": "x", "_save": "Save"},
]


@pytest.fixture(autouse=True)
def house() -> None:
    """Fill every table with something of somebody else."""
    operator = make_operator(name=SECRET)
    change_operator(operator.pk, max_load=5)
    source = make_source({operator: 1}, name=SECRET)
    endpoint = baker.make(Endpoint, name=SECRET, url=f"https://example.org/{SECRET}")
    subscribe(endpoint, [EventKind.ASSIGNED], None)
    add_secret(endpoint)
    arrive(source, f"{SECRET} lead", name=SECRET, text=SECRET)
    closed = arrive(source)
    close_contact(closed.pk)
    make_key(make_client("read", name=SECRET))
    make_user("auditor", username=SECRET)
    with because(SECRET):
        runs.begin("close", Contact.objects.all())
        change_source(source.pk, prefer_same_operator=True)


def client_of(role: str) -> Client:
    """Return what calls in the role; an operator is linked to one of their own."""
    client = Client()
    if role != "nobody":
        client.force_login(user_of(role))
    return client


def user_of(role: str) -> User:
    user = make_user(*({role} & {str(name) for name in Role}))
    if role == "operator":
        change_operator(make_operator().pk, user=user)
    return user


def state() -> dict[str, Any]:
    """Return every row that says anything of the work or of who may what."""
    models = [model for label in sorted({*APPS_OF_THE_ROLES, "access"}) for model in models_of(label)]
    rows = {model.__name__: list(model._default_manager.order_by("pk").values()) for model in models}
    users = list(User.objects.order_by("pk").values("pk", "username", "is_staff", "is_superuser", "groups", "password"))
    return {**rows, "User": users, "Group": list(Group.objects.values("pk", "name", "permissions"))}


def models_of(label: str) -> Iterable[type[Model]]:
    return apps.get_app_config(label).get_models()


def app_of(address: str) -> str:
    return address.split("/")[2]


class TestPages:
    def test_the_site_is_read_whole(self) -> None:
        read = addresses()

        assert {"/admin/", OWN, "/admin/leads/contact/", "/admin/autocomplete/", f"{OWN}live/"} <= set(read)
        assert any(address.endswith("/simulate/") or "/simulate" in address for address in read)
        assert any(address.endswith("/fairness/") for address in read)
        assert not [address for address in read if "<" in address or "(?P" in address]

    @pytest.mark.parametrize("role", ROLES)
    def test_no_page_fails(self, role: str) -> None:
        client = client_of(role)

        for address in addresses():
            assert client.get(address).status_code < 500, address

    @pytest.mark.parametrize("role", POWERLESS)
    def test_whoever_has_no_rights_reads_nothing_of_others(self, role: str) -> None:
        client = client_of(role)

        for address in set(addresses()) - {"/admin/logout/"}:
            response = client.get(address)
            assert SECRET.encode() not in response.content, address
            open_to_them = OPEN_PAGES if role == "nobody" else ANYBODY_OF_STAFF
            if address not in open_to_them and not (role == "operator" and address.startswith(OWN)):
                assert response.status_code in {302, 301, 403, 404, 405}, address

    @pytest.mark.parametrize("role", CHANGING_NOTHING)
    def test_whoever_may_change_nothing_changes_nothing(self, role: str) -> None:
        client = client_of(role)
        outside = OPEN_PAGES | OF_OWN_ACCOUNT | {OWN, f"{OWN}pause/"}
        before = state()

        for address in set(addresses()) - outside:
            for body in BODIES:
                assert client.post(address, body).status_code < 500, address
        assert state() == before

    @pytest.mark.parametrize("role", ["supervisor", "auditor"])
    def test_supervisors_and_auditors_see_the_work_and_not_who_may_what(self, role: str) -> None:
        client = client_of(role)

        for model in admin.site._registry:
            is_work = model._meta.app_label in APPS_OF_THE_ROLES and (role == "supervisor" or model is not BulkRun)
            address = f"/admin/{model._meta.app_label}/{model._meta.model_name}/"
            assert client.get(address).status_code == (200 if is_work else 403), address
        for address in addresses():
            if app_of(address) in {"auth", "access"} and address.count("/") > 3:
                assert client.get(address).status_code in {302, 403}, address

    @pytest.mark.parametrize("role", ["supervisor", "auditor"])
    def test_nobody_reads_what_webhooks_are_signed_with(self, role: str) -> None:
        client, signed_with = client_of(role), Secret.objects.get().value
        read = [client.get(address).content.decode() for address in addresses() if app_of(address) == "webhooks"]

        assert any(SECRET in page for page in read)
        assert not [page for page in read if signed_with in unescape(page)]

    @pytest.mark.parametrize("page", ["fairness", "simulate", "change"])
    def test_an_auditor_reads_the_pages_of_a_source(self, page: str) -> None:
        client = client_of("auditor")
        found = [address for address in addresses() if page in address and "/source/" in address]

        assert [client.get(address).status_code for address in found] == [200]

    def test_an_auditor_may_ask_what_if_and_is_not_offered_the_weights(self) -> None:
        [address] = [one for one in addresses() if "simulate" in one and "source" in one]
        question = {"begins": "2026-01-01T00:00", "ends": "2026-01-02T00:00"}

        for role, status in {"auditor": 403, "supervisor": 302}.items():
            client = client_of(role)
            assert client.post(address, question).status_code == 200
            assert client.post(address, {"proposal": "x", "reason": "because"}).status_code == status

    @pytest.mark.parametrize("role", ["operator", "without a role"])
    def test_the_choices_of_a_field_are_no_way_round(self, role: str) -> None:
        client = client_of(role)

        for field in ("operator", "source"):
            asked = {"app_label": "operators", "model_name": "weight", "field_name": field, "term": ""}
            assert client.get("/admin/autocomplete/", asked).status_code == 403

    @pytest.mark.parametrize("role", ["supervisor", "auditor"])
    def test_the_accounts_are_not_to_be_chosen_from(self, role: str) -> None:
        asked = {"app_label": "operators", "model_name": "operator", "field_name": "user", "term": ""}

        assert client_of(role).get("/admin/autocomplete/", asked).status_code == 403

    def test_a_supervisor_cannot_link_an_account(self) -> None:
        client, operator = client_of("supervisor"), make_operator(name="Anna")
        sent = {"name": "Maria", "max_load": 5, "user": User.objects.first().pk, "is_active": "on"}  # type: ignore[union-attr]
        weights = {f"weights-{name}": "0" for name in ("TOTAL_FORMS", "INITIAL_FORMS")}

        client.post(f"/admin/operators/operator/{operator.pk}/change/", {**sent, **weights})

        operator.refresh_from_db()
        assert (operator.name, operator.user) == ("Maria", None)


class TestActions:
    @pytest.mark.parametrize("role", ROLES)
    def test_of_every_list(self, role: str) -> None:
        client, before = client_of(role), state()

        for model, model_admin in admin.site._registry.items():
            row = model._default_manager.order_by("pk").first()
            for action in model_admin.actions or ():
                sent = {"action": action, "_selected_action": row.pk if row else 0, "post": "yes"}
                sent["operator"] = Operator.objects.order_by("pk").values_list("pk", flat=True)[0]
                address = f"/admin/{model._meta.app_label}/{model._meta.model_name}/"
                assert client.post(address, sent).status_code < 500, (address, action)
        assert (state() == before) == (role in CHANGING_NOTHING)

    @pytest.mark.parametrize(("role", "offered"), [("supervisor", True), ("auditor", False)])
    def test_are_offered_to_whoever_may(self, role: str, offered: bool) -> None:
        page = client_of(role).get("/admin/leads/contact/").content.decode()

        assert ("reassign_by_draw" in page) is offered


class TestCalls:
    def url(self, address: str) -> str:
        contact = Contact.objects.order_by("pk")[0]
        ids = {
            "contacts": contact.pk,
            "leads": contact.lead_id,
            "sources": contact.source_id,
            "operators": Operator.objects.order_by("pk")[0].pk,
        }
        return address.format(id=ids.get(address.split("/")[2]))

    def caller(self, role: str) -> APIClient:
        client = APIClient()
        if role != "nobody":
            client.force_login(user_of(role))
        return client

    @pytest.mark.parametrize("role", ROLES)
    @pytest.mark.parametrize("address", [address for address, _methods in ROUTES])
    def test_each_role_may_what_is_its_own(self, address: str, role: str) -> None:
        client, before = self.caller(role), state()
        [methods] = [methods for route, methods in ROUTES if route == address]

        for method in methods:
            response = getattr(client, method)(self.url(address), None if method == "get" else {})

            may = role == "supervisor" or (role == "auditor" and method == "get")
            refused = 401 if role == "nobody" else 403
            assert (response.status_code in {200, 201, 400, 409}) if may else (response.status_code == refused), method
            assert may or SECRET.encode() not in response.getvalue()
        assert role == "supervisor" or state() == before

    def test_a_refusal_is_told_as_one_of_permission(self) -> None:
        response = self.caller("auditor").post("/api/operators", {"name": "Anna"})

        assert [error["code"] for error in response.json()["errors"]] == ["permission_denied"]

    def test_one_permission_is_one_kind_of_call(self) -> None:
        user = make_user()
        user.user_permissions.add(Permission.objects.get(codename="view_operator"))
        client = APIClient()
        client.force_login(user)

        assert client.get("/api/operators").status_code == 200
        assert [client.get(f"/api/{kind}").status_code for kind in ("contacts", "leads", "sources")] == [403] * 3

    def test_whoever_may_see_sources_and_not_weights_sees_no_weights(self) -> None:
        user = make_user()
        user.user_permissions.add(Permission.objects.get(codename="view_source"))
        client = APIClient()
        client.force_login(user)
        source = Contact.objects.order_by("pk")[0].source_id

        assert client.get(f"/api/sources/{source}").status_code == 200
        assert client.get(f"/api/sources/{source}/operators").status_code == 403

    def test_every_right_names_a_permission_that_exists(self) -> None:
        known = {f"{one.content_type.app_label}.{one.codename}" for one in Permission.objects.all()}
        views: list[Any] = [view for _prefix, view, _name in router.registry]
        asked = {right.permission(view.queryset.model) for view in views for right in view.rights.values()}

        assert asked <= known


class TestNames:
    @pytest.mark.parametrize(("group", "shown"), [("supervisor", "supervisor"), ("Night shift", "Night shift")])
    def test_a_role_is_shown_by_its_name_and_another_group_by_its_own(self, group: str, shown: str) -> None:
        assert name_shown(group) == shown

    def test_the_groups_are_there(self) -> None:
        make_user("supervisor")

        assert {str(role) for role in Role} <= set(Group.objects.values_list("name", flat=True))

    def test_the_pages_of_users_and_groups_show_them(self, admin_client: Client) -> None:
        user = make_user("auditor")

        assert "auditor" in admin_client.get(f"/admin/auth/user/{user.pk}/change/").content.decode()
        assert "auditor" in admin_client.get("/admin/auth/group/").content.decode()

    def test_a_group_that_was_there_keeps_what_it_had(self) -> None:
        group, _created = Group.objects.get_or_create(name="auditor")
        group.permissions.add(Permission.objects.get(codename="add_source"))

        make_user("auditor")

        assert {"add_source", "view_source"} <= set(group.permissions.values_list("codename", flat=True))


def test_what_is_done_in_a_role_is_signed_with_its_user() -> None:
    user = make_user("supervisor")
    client = APIClient()
    client.force_login(user)
    contact = Contact.objects.active().order_by("pk")[0]
    other = make_operator()

    client.post(f"/api/contacts/{contact.pk}/reassign", {"operator_id": other.pk})

    assert Decision.objects.latest("pk").actor == f"user:{user.pk}"
