"""How many statements a call takes at most that changes something, with its API key and its answer."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from crm_project.testing.clients import key_for
from crm_project.testing.rows import make_lead, make_operator, make_source
from leads.models import Contact, Source

pytestmark = pytest.mark.django_db(transaction=True)

OPERATORS = 12


@pytest.fixture
def source() -> Source:
    return make_source({make_operator(max_load=1_000): 10 + number for number in range(OPERATORS)}, code="bot")


@pytest.fixture
def bot(source: Source) -> APIClient:
    client = key_for()
    make_lead("known")
    # What a process asks or writes once, and the first version of the roster, belong to no later call.
    for body in (contact("known"), contact("known", event_id="first")):
        client.post("/api/contacts", body)
    client.post("/api/contacts", contact("known"), headers={"Idempotency-Key": "first"})
    client.post("/api/contacts/bulk", {"contacts": [contact("bulk")]})
    return client


def contact(external_id: str, **fields: Any) -> dict[str, Any]:
    return {"external_id": external_id, "source_code": "bot", **fields}


def statements(call: Callable[[], Any]) -> int:
    """Return how many statements the call takes, BEGIN and COMMIT included where the database is told them."""
    with CaptureQueriesContext(connection) as queries:
        response = call()
    assert response.status_code in {200, 201}
    return len(queries)


def at_most(on_sqlite: int, on_postgresql: int) -> int:
    """Return the budget; PostgreSQL is sent several writes as one statement."""
    return on_sqlite if connection.vendor == "sqlite" else on_postgresql


@pytest.mark.parametrize(
    ("body", "headers", "budget"),
    [
        (contact("new"), {}, (15, 9)),
        (contact("known"), {}, (13, 8)),
        (contact("known", event_id="update 1"), {}, (15, 10)),
        (contact("known"), {"Idempotency-Key": "call-1"}, (15, 11)),
    ],
    ids=["a new lead", "a known lead", "an event id", "an Idempotency-Key"],
)
def test_an_arrival(
    bot: APIClient, body: Mapping[str, Any], headers: Mapping[str, str], budget: tuple[int, int]
) -> None:
    assert statements(lambda: bot.post("/api/contacts", body, headers=headers)) <= at_most(*budget)


@pytest.mark.parametrize("number", [2, 100])
def test_many_arrivals_in_a_call_take_those_of_two(bot: APIClient, number: int) -> None:
    contacts = [contact(f"lead {place}") for place in range(number)]

    assert statements(lambda: bot.post("/api/contacts/bulk", {"contacts": contacts})) <= at_most(16, 13)


def test_many_that_were_sent_before_take_fewer(bot: APIClient) -> None:
    contacts = [contact(f"lead {place}", event_id=f"update {place}") for place in range(100)]
    bot.post("/api/contacts/bulk", {"contacts": contacts})

    assert statements(lambda: bot.post("/api/contacts/bulk", {"contacts": contacts})) <= at_most(11, 11)


def test_a_thousand_in_a_call_take_ten_times_those_of_a_hundred(bot: APIClient) -> None:
    contacts = [contact(f"lead {place}") for place in range(1_000)]

    assert statements(lambda: bot.post("/api/contacts/bulk", {"contacts": contacts})) <= at_most(151, 121)


@pytest.mark.parametrize(("action", "budget"), [("close", (12, 12)), ("reassign", (17, 13))])
def test_an_action_on_a_contact(bot: APIClient, action: str, budget: tuple[int, int]) -> None:
    pk = newest()

    assert statements(lambda: bot.post(f"/api/contacts/{pk}/{action}")) <= at_most(*budget)


def test_reopening(bot: APIClient) -> None:
    pk = newest()
    bot.post(f"/api/contacts/{pk}/close")

    assert statements(lambda: bot.post(f"/api/contacts/{pk}/reopen")) <= at_most(14, 10)


def newest() -> int:
    """Return the id of the contact that came last."""
    return Contact.objects.latest("pk").pk
