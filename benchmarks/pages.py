"""How long each page of the back office takes in a large house: `python -m benchmarks.pages`, some minutes.

The pages are asked in one process, without a network: the milliseconds are those of the product and its database.
"""

import json
import sys
from collections.abc import Iterator
from statistics import median
from time import perf_counter, process_time
from typing import Any, NamedTuple

from rich.box import MARKDOWN
from rich.console import Console
from rich.table import Table

from benchmarks.beside import MEASURE, on_both_databases

EXTENT = {
    "operators": 1_000,
    "sources": 200,
    "leads": 50_000,
    "waiting": 1_000,
    "active": 4_000,
    "closed": 195_000,
    "each": 200,
}
TIMES = 10
WIDTH = 200


class Measured(NamedTuple):
    """A page, the statements it takes, and the medians of its milliseconds by the wall clock and of CPU."""

    page: str
    statements: int
    wall: float
    cpu: float


def main() -> None:
    """Measure on both databases and print the table; with `measure`, on the one of DATABASE_URL."""
    if sys.argv[1:] == [MEASURE]:
        print(json.dumps(list(measured())))  # noqa: T201
        return
    sqlite, postgresql = ([Measured._make(row) for row in rows] for rows in on_both_databases("benchmarks.pages"))
    Console(width=WIDTH, highlight=False).print(table(sqlite, postgresql))


def measured() -> Iterator[Measured]:
    """Fill the database and yield the figures of every page that there is."""
    import django

    django.setup()
    from django.test import Client

    from crm_project.testing.addresses import addresses_by_route

    client = Client(headers={"host": "localhost"})
    client.force_login(filled())
    for route, url in addresses_by_route().items():
        response: Any = client.get(url)
        if response.status_code == 200 and not response.streaming:
            yield Measured(route, statements_of(client, url), *milliseconds(client, url))


def filled() -> Any:
    """Fill the house and return who looks at it."""
    from django.contrib.auth.models import User
    from django.db import connection

    from crm_project.testing.full_house import Extent, FullHouse

    user = User.objects.create(username="whoever looks", is_staff=True, is_superuser=True)
    FullHouse(Extent(**EXTENT), user).fill()
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    return user


def statements_of(client: Any, url: str) -> int:
    """Return how many statements the page takes."""
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    with CaptureQueriesContext(connection) as statements:
        client.get(url)
    return len(statements)


def milliseconds(client: Any, url: str) -> tuple[float, float]:
    """Return the medians by the wall clock and of CPU, the database's own process not counted."""
    times = []
    for _time in range(TIMES):
        wall, cpu = perf_counter(), process_time()
        client.get(url)
        times.append((perf_counter() - wall, process_time() - cpu))
    walls, cpus = zip(*times, strict=True)
    return 1_000 * median(walls), 1_000 * median(cpus)


def table(sqlite: list[Measured], postgresql: list[Measured]) -> Table:
    """Return the table, the slowest page first."""
    made = Table("page", box=MARKDOWN)
    for column in ("statements", "SQLite ms", "CPU ms", "PostgreSQL ms", "CPU ms"):
        made.add_column(column, justify="right")
    others = {row.page: row for row in postgresql}
    for row in sorted(sqlite, key=lambda row: -row.wall):
        other = others[row.page]
        figures = (row.wall, row.cpu, other.wall, other.cpu)
        made.add_row(row.page, str(row.statements), *(f"{figure:.0f}" for figure in figures))
    return made


if __name__ == "__main__":
    main()
