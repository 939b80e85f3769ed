"""Using the pages of endpoints and deliveries."""

import re
from html import unescape
from typing import Any

from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from crm_project.testing import webhooks
from crm_project.testing.admin_pages import Fields, address, messages, open_form, save
from crm_project.testing.rows import arrive, make_operator, make_source
from crm_project.webhooks.endpoints import subscribe
from crm_project.webhooks.models import Attempt, Delivery, Endpoint, EventKind
from distribution.models import Event

SECRET = re.compile(r"whsec_[A-Za-z0-9+/]{43}=")


def make_endpoint(**fields: Any) -> Endpoint:
    """Store an endpoint that hears of everything, with a secret."""
    endpoint = webhooks.make_endpoint(**{"url": "https://example.org/hook", **fields})
    subscribe(endpoint, EventKind.values, None)
    return endpoint


def make_delivery(endpoint: Endpoint | None = None, **fields: Any) -> Delivery:
    """Store a delivery about a contact that has just been assigned."""
    contact = arrive(make_source({make_operator(): 1}))
    event = Event.objects.filter(contact=contact).latest("pk")
    Delivery.objects.all().filter(event=event).delete()
    return Delivery.objects.create(endpoint=endpoint or make_endpoint(), event=event, contact=contact, **fields)


def form_at(client: Client, page: str, *arguments: object) -> tuple[str, Fields]:
    """Return the address of a page of endpoints, and what a browser would send of its form."""
    url = address("webhooks_endpoint", page, *arguments)
    return url, open_form(client, url, "endpoint_form")


def add(client: Client, **typed: Any) -> Any:
    """Save a new endpoint."""
    url, form = form_at(client, "add")
    new = {"name": "Bot", "url": "https://example.org/hook", "kinds": ["contact.assigned"], **typed}
    return save(client, url, {**form, **new})


def change(client: Client, endpoint: Endpoint, **typed: Any) -> Any:
    """Save the endpoint with what is typed."""
    return save(client, *form_at(client, "change", endpoint.pk), **typed)


def press(client: Client, row: Any, action: str) -> Any:
    """Press a button above the page of the row."""
    return client.post(page_of(row), {"CHANGE_FORM-action": action, "_selected_action": row.pk}, follow=True)


def page_of(row: Any) -> str:
    """Return the address of the page of an endpoint or a delivery."""
    return address(f"webhooks_{row._meta.model_name}", "change", row.pk)


def text(client: Client, url: str, **headers: str) -> str:
    """Return the words of the page on one line."""
    html = client.get(url, headers=headers).content.decode()
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", html)).split())


def secrets_in(response: Any) -> set[str]:
    """Return the secrets that the messages of the page show."""
    return {secret for message in messages(response) for secret in SECRET.findall(unescape(message))}


def buttons(client: Client, row: Any) -> set[str]:
    """Return the actions that the page of the row offers."""
    page: Any = client.get(page_of(row))
    form = page.context["action_form"]
    return {name for name, _description in form.fields["action"].choices if name} if form else set()


def statements(client: Client, url: str) -> int:
    """Return how many statements the page takes when it is asked for the second time."""
    client.get(url)
    with CaptureQueriesContext(connection) as captured:
        assert client.get(url).status_code == 200
    return len(captured)


def fill(count: int, endpoint: Endpoint | None = None, **fields: Any) -> Endpoint:
    """Store an endpoint, unless given, with so many deliveries of its own, each with an attempt."""
    first = make_delivery(endpoint or make_endpoint(), **fields)
    contact = first.event.contact
    assert contact
    event = {"kind": EventKind.ASSIGNED, "contact": contact, "source": contact.source, "operator": contact.operator}
    events = Event.objects.bulk_create(Event(sequence=100 + number, **event) for number in range(count - 1))
    rows = [Delivery(event=event, endpoint=first.endpoint, contact=contact, **fields) for event in events]
    deliveries = Delivery.objects.bulk_create(rows)
    Attempt.objects.bulk_create(Attempt(delivery=one, milliseconds=1) for one in [first, *deliveries])
    return first.endpoint
