"""No list by one filter, in whatever order by id or time, reads more rows than it shows, however long it is."""

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from crm_project.testing.clients import key_for
from crm_project.testing.long_lists import fill
from leads.models import Contact, Source
from operators.models import Operator

pytestmark = pytest.mark.django_db(transaction=True)

CONTACTS = 40_000
PAGE = 50
ALIKE = 100  # contacts of one moment
OPEN = CONTACTS // 100 + CONTACTS // 1_000  # passed over where nearly all are closed, and those are asked for
TABLES = ("leads_contact", "leads_lead")
ORDERS = ("", "id", "-id", "created_at", "-created_at")


def filters() -> Iterator[dict[str, Any]]:
    yield {}
    yield from ({"status": status} for status in ("waiting", "active", "closed"))
    for source in (Source.objects.earliest("pk"), Source.objects.latest("pk")):
        yield from ({"source": source.pk}, {"source_code": source.code})
    yield from ({"operator": row.pk} for row in (Operator.objects.earliest("pk"), Operator.objects.latest("pk")))
    yield from ({"lead": Contact.objects.earliest("pk").lead_id}, {"external_id": "lead_7"})


def narrowed_and_ordered() -> Iterator[str]:
    """Yield the addresses of all lists by one filter at most, in every order."""
    for order in ORDERS:
        ordering = {"ordering": order} if order else {}
        yield from (f"/api/contacts?{urlencode({**one, **ordering})}" for one in filters())
        yield from (f"/api/leads?{urlencode({**one, **ordering})}" for one in ({}, {"external_id": "lead_7"}))
    moment = Contact.objects.order_by("created_at")[CONTACTS // 3].created_at.isoformat()
    for name in ("created_after", "created_before"):
        for ordering in ({}, {"ordering": "created_at"}, {"ordering": "-created_at"}):
            yield f"/api/contacts?{urlencode({name: moment, **ordering})}"


def answers(api: APIClient, address: str) -> Iterator[str]:
    """Yield the statements that read two pages by a cursor."""
    here: str | None = f"{address}{'&' if address[-1] != '?' else ''}cursor=start"
    for _page in range(2):
        if here:
            with CaptureQueriesContext(connection) as statements:
                here = api.get(here).json()["next"]
            yield from (one["sql"] for one in statements if any(f'FROM "{table}"' in one["sql"] for table in TABLES))


def reads_too_much(sql: str) -> bool:
    rows_read = {"postgresql": rows_read_on_postgresql, "sqlite": rows_read_on_sqlite}[connection.vendor]
    return rows_read(sql) > PAGE + ALIKE + (OPEN if "'closed'" in sql else 0)


def asked(sql: str) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return list(cursor.fetchall())


def rows_read_on_postgresql(sql: str) -> int:
    """Return how many rows of the table the statement looked at."""
    [(plan,)] = asked(f"EXPLAIN (ANALYZE, FORMAT JSON) {sql}")
    return read_by((json.loads(plan) if isinstance(plan, str) else plan)[0]["Plan"])


def read_by(node: dict[str, Any]) -> int:
    counts = [int(value) for name, value in node.items() if name.startswith("Rows Removed")]
    own = (int(node["Actual Rows"]) + sum(counts)) * int(node["Actual Loops"])
    deeper = sum(read_by(inner) for inner in node.get("Plans", []))
    return deeper + (own if node.get("Relation Name") in TABLES else 0)


def rows_read_on_sqlite(sql: str) -> int:
    """Return all rows where the keys of a page do not come out of an index in its order, else the rows of a page."""
    plan = asked(f"EXPLAIN QUERY PLAN {sql}")
    if any(name in sql for name in ('"lead_id" =', '"external_id" =', "leads_identity")):  # a lead has a few contacts
        return CONTACTS if any(step.startswith("SCAN") for *_place, step in plan) else PAGE
    [place] = [number for number, _parent, _unused, step in plan if step.startswith("LIST SUBQUERY")]
    steps = [step for _number, parent, _unused, step in plan if parent == place]
    narrowed = "=" in sql[sql.rindex("SELECT") :]
    return PAGE if len(steps) == 1 and ("INDEX" in steps[0] or not narrowed) else CONTACTS


def test_a_page_is_found_without_reading_the_list(api: APIClient) -> None:
    fill(CONTACTS)

    found = [
        (address, sql) for address in narrowed_and_ordered() for sql in answers(api, address) if reads_too_much(sql)
    ]

    assert found == []


def test_a_lead_is_found_without_reading_all_contacts_of_the_sources_of_a_key() -> None:
    fill(CONTACTS)
    source = Source.objects.latest("pk")
    bot = key_for("read", sources=[source, Source.objects.earliest("pk")])
    lead = Contact.objects.filter(source=source).earliest("pk").lead

    with CaptureQueriesContext(connection) as statements:
        assert bot.get(f"/api/leads/{lead.pk}").json()["id"] == lead.pk
        assert [one["id"] for one in bot.get(f"/api/leads?external_id={lead.external_id}").json()["results"]]

    found = [one["sql"] for one in statements if 'FROM "leads_lead"' in one["sql"]]
    assert len(found) == 3
    assert not any(map(reads_contacts_of_sources, found))


def reads_contacts_of_sources(sql: str) -> bool:
    if connection.vendor == "postgresql":
        return rows_read_on_postgresql(sql) > PAGE
    return any("contact_source" in step for *_place, step in asked(f"EXPLAIN QUERY PLAN {sql}"))
