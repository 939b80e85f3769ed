"""How long the lists of the API take when they are long: `python -m benchmarks.lists`, some minutes.

They are asked in one process, without a network, as the pages are. CONTACTS and TIMES in the environment say how long
the list of contacts is, and how often each list is asked.
"""

import gc
import json
import os
import sys
from collections.abc import Iterator
from statistics import median, quantiles
from time import perf_counter
from typing import Any, NamedTuple
from urllib.parse import urlencode

from rich.box import MARKDOWN
from rich.console import Console
from rich.table import Table

from benchmarks.beside import MEASURE, on_both_databases

CONTACTS = int(os.environ.get("CONTACTS", "1_000_000"))
TIMES = int(os.environ.get("TIMES", "40"))
ROWS = 50
ROWS_BEFORE = 999 * ROWS  # of the 1,000th page
WIDTH = 200
COLUMNS = ("first page", "1,000th", "numbered, counted")


class Measured(NamedTuple):
    """A list, and (p50, p95) of the milliseconds of its first page, of its 1,000th or last, and of a numbered one."""

    name: str
    first: tuple[float, float]
    far: tuple[float, float]
    numbered: tuple[float, float]


def main() -> None:
    """Measure on both databases and print the table; with `measure`, on the one of DATABASE_URL."""
    if sys.argv[1:] == [MEASURE]:
        print(json.dumps(list(measured())))  # noqa: T201
        return
    sqlite, postgresql = ([Measured._make(row) for row in rows] for rows in on_both_databases("benchmarks.lists"))
    Console(width=WIDTH, highlight=False).print(table(sqlite, postgresql))


def measured() -> Iterator[Measured]:
    """Fill the database and yield the figures of each list."""
    import django

    django.setup()
    gc.freeze()  # as the server does
    from django.contrib.auth.models import User
    from django.test import Client

    from crm_project.testing.long_lists import fill

    fill(CONTACTS)
    client = Client(headers={"host": "localhost"})
    client.force_login(User.objects.create(username="whoever asks", is_staff=True, is_superuser=True))
    for name, query in queries().items():
        of = name.partition(" ")[0]
        cursors = [{"cursor": "start"}, {"cursor": far_cursor(of, query)}, {}]
        pages = [f"/api/{of}?{urlencode({**query, **cursor})}" for cursor in cursors]
        yield Measured(name, *(milliseconds(client, page) for page in pages))


def queries() -> dict[str, dict[str, Any]]:
    """Return the parameters of each list by its name: as it is, by one filter, in one order, by one of each."""
    orders = [{}, {"ordering": "created_at"}]
    contacts = [{}, *filters()]
    asked = [("contacts", narrowed | order) for narrowed in contacts for order in orders]
    asked += [("leads", narrowed | order) for narrowed in ({}, {"external_id": "lead_77"}) for order in orders]
    return {f"{name} {' '.join(f'{key}={value}' for key, value in query.items())}": query for name, query in asked}


def filters() -> Iterator[dict[str, Any]]:
    """Yield one filter after the other; the first source and the first operator are those that are gone."""
    from leads.models import Contact, Source
    from operators.models import Operator

    yield from ({"status": status} for status in ("waiting", "active", "closed"))
    for source in (Source.objects.earliest("pk"), Source.objects.latest("pk")):
        yield from ({"source": source.pk}, {"source_code": source.code})
    yield from ({"operator": row.pk} for row in (Operator.objects.earliest("pk"), Operator.objects.latest("pk")))
    yield from ({"lead": 77}, {"external_id": "lead_77"})
    number = Contact.objects.latest("pk").pk
    for part in (10, 2):
        moment = Contact.objects.get(pk=number - number // part).created_at.isoformat()
        yield from ({"created_after": moment}, {"created_before": moment})


def far_cursor(name: str, query: dict[str, Any]) -> str:
    """Return the cursor of the 1,000th page, or of the last, as the page before it would name it."""
    from crm_project.api.cursors import START, Cursor
    from leads.filters import ContactListFilter, LeadFilter
    from leads.models import Contact, Lead

    narrowed: Any = (
        ContactListFilter(query, Contact.objects.all()) if name == "contacts" else LeadFilter(query, Lead.objects.all())
    )
    rows = narrowed.qs
    keys = list(rows.values_list("pk", flat=True)[:ROWS_BEFORE])
    before = keys if len(keys) == ROWS_BEFORE else keys[:-ROWS]
    return Cursor.start(rows).at(rows.get(pk=before[-1]), backwards=False).written() if before else START


def milliseconds(client: Any, address: str) -> tuple[float, float]:
    """Return p50 and p95 by the wall clock."""
    times = []
    for _time in range(TIMES):
        started = perf_counter()
        response = client.get(address)
        times.append(1_000 * (perf_counter() - started))
        if response.status_code != 200:
            raise RuntimeError(f"{address} answers {response.status_code}.")
    return median(times), quantiles(times, n=20, method="inclusive")[-1]


def table(sqlite: list[Measured], postgresql: list[Measured]) -> Table:
    """Return the table: p50 / p95 in milliseconds."""
    made = Table("list", box=MARKDOWN)
    for database in ("SQLite", "PostgreSQL"):
        for column in COLUMNS:
            made.add_column(f"{database}, {column}", justify="right")
    for rows in zip(sqlite, postgresql, strict=True):
        figures = [f"{middle:.0f} / {high:.0f}" for row in rows for middle, high in row[1:]]
        made.add_row(rows[0].name, *figures)
    return made


if __name__ == "__main__":
    main()
