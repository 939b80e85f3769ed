"""No page of the back office takes more statements when there are more rows."""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple
from unittest.mock import patch

import pytest
from django.contrib import admin
from django.contrib.admin import ModelAdmin
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from crm_project import exports
from crm_project.admin.transfer import TransferAdmin
from crm_project.testing.addresses import addresses_by_route, name_of
from crm_project.testing.admin_pages import address, open_form
from crm_project.testing.full_house import Extent, FullHouse
from crm_project.testing.staff import make_user
from leads.models import Contact, ContactStatus, Source
from operators.models import Operator

pytestmark = pytest.mark.django_db

FEW, MANY = 10, 1_000
ROWS_TICKED = 50
ALL = 1_000_000
WITHOUT_ASKING = {"pause", "resume", "make_keys", "revoke", "make_secrets", "send_tests", "switch_on", "send_again"}


class Request(NamedTuple):
    """An address that is asked, with the data that are sent if there are any, by a name that needs no numbers."""

    name: str
    url: str
    data: Any = None


class Answer(NamedTuple):
    """With which status it was answered, after how many statements."""

    status: int
    statements: int


type Requests = Callable[[Client], Iterator[Request]]


def every_page(_client: Client) -> Iterator[Request]:
    pages = {route: url for route, url in addresses_by_route().items() if "simulate" not in route}
    yield from (Request(route, url) for route, url in pages.items())
    for status in ContactStatus:
        contact = Contact.objects.filter(status=status).latest("pk")
        yield Request(f"{status} contact", address("leads_contact", "change", contact.pk))
        yield Request(f"{status} contact to move", reverse("move_contact", args=[contact.pk]))


def what_if(client: Client) -> Iterator[Request]:
    """Yield the page of the source that has as many operators as the page takes, and what it answers."""
    url = address("leads_source", "simulate", Source.objects.earliest("pk").pk)
    yield Request("what if", url)
    yield Request("what if, answered", url, open_form(client, url, "simulation_form"))


def every_list_narrowed(_client: Client) -> Iterator[Request]:
    for model, model_admin in admin.site._registry.items():
        url = address(name_of(model))
        yield Request(f"{url} searched", f"{url}?q=1")
        for field in related_filters(model_admin):
            newest = field.related_model._default_manager.latest("pk")
            yield Request(f"{url} of one {field.name}", f"{url}?{field.name}__id__exact={newest.pk}")


def related_filters(model_admin: ModelAdmin) -> Iterator[Any]:
    names: list[Any] = [one[0] if isinstance(one, tuple) else one for one in model_admin.list_filter]
    fields: list[Any] = [
        model_admin.opts.get_field(name) for name in names if isinstance(name, str) and "__" not in name
    ]
    return (field for field in fields if field.is_relation)


def every_choice(_client: Client) -> Iterator[Request]:
    for model, model_admin in admin.site._registry.items():
        for page in (model_admin, *model_admin.inlines):
            of = (page.model or model)._meta
            for field in page.autocomplete_fields:
                asked = f"app_label={of.app_label}&model_name={of.model_name}&field_name={field}"
                yield Request(f"{of.label}.{field}", f"{reverse('admin:autocomplete')}?{asked}")
                yield Request(f"{of.label}.{field} searched", f"{reverse('admin:autocomplete')}?{asked}&term=1")


def every_question(client: Client) -> Iterator[Request]:
    for model, model_admin in admin.site._registry.items():
        url, newest = address(name_of(model)), model._default_manager.order_by("-pk").values_list("pk", flat=True)
        for action in set(model_admin.actions or ()) - WITHOUT_ASKING:
            of_all = "" if action == "delete_selected" else "1"  # so many are not deleted at once
            sent = {"action": action, "_selected_action": list(newest[:ROWS_TICKED]), "select_across": of_all}
            yield Request(f"{url} {action}", url, sent)


def every_form_with_weights(client: Client) -> Iterator[Request]:
    for model in (Operator, Source):
        url = address(name_of(model), "change", model._default_manager.latest("pk").pk)
        sent = open_form(client, url, f"{model._meta.model_name}_form")
        yield Request(f"{model.__name__} saved", url, sent)
        yield Request(f"{model.__name__} leaves", url, {**sent, "is_active": ""})


def every_transfer(client: Client) -> Iterator[Request]:
    for model, model_admin in admin.site._registry.items():
        if isinstance(model_admin, TransferAdmin):
            url, sent = address(name_of(model), "export"), {"format": "0", "resource": "0"}
            yield Request(url, url, sent)
            lines = client.post(url, sent).getvalue().splitlines()[: MANY + 1]
            file = SimpleUploadedFile("rows.csv", b"\n".join(lines))
            url = address(name_of(model), "import")
            yield Request(url, url, {"format": "0", "resource": "0", "import_file": file})


def everything_else(client: Client) -> Iterator[Request]:
    kinds = (what_if, every_list_narrowed, every_choice, every_question, every_form_with_weights, every_transfer)
    for requests in kinds:
        yield from requests(client)


@pytest.fixture
def exports_of_one_batch() -> Iterator[None]:
    """Let an export take one statement for all its rows: it takes one for each batch, and is no page."""
    with patch.object(exports, "ROWS_AT_ONCE", ALL):
        yield


@pytest.mark.usefixtures("exports_of_one_batch")
@pytest.mark.parametrize("requests", [every_page, everything_else])
def test_no_page_takes_more_statements_for_more_rows(requests: Requests) -> None:
    answers_in_a_house_of(FEW, requests)  # what a process reads only once is read by now
    few = answers_in_a_house_of(FEW, requests)
    many = answers_in_a_house_of(MANY, requests)

    assert {name: (few[name], many[name]) for name in few if many[name].statements > few[name].statements} == {}
    assert {name: answer.status for name, answer in many.items()} == {name: one.status for name, one in few.items()}


def answers_in_a_house_of(number: int, requests: Requests) -> dict[str, Answer]:
    """Return what is answered where there is so much of everything."""
    empty = transaction.savepoint_create()  # and no block, in which no service would run
    client, user = Client(), make_user(is_superuser=True)
    client.force_login(user)
    FullHouse(Extent.of(number), user).fill()
    answers = {request.name: answer_to(request, client) for request in requests(client)}
    transaction.savepoint_rollback(empty)
    return answers


def answer_to(request: Request, client: Client) -> Answer:
    with CaptureQueriesContext(connection) as statements:
        response = client.get(request.url) if request.data is None else client.post(request.url, request.data)
        if response.streaming:
            response.getvalue()
    return Answer(response.status_code, len(statements))
