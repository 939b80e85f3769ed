"""How fast an export is and what it costs the server: `python -m benchmarks.exports`, about five minutes.

A million contacts, half of them of one source, are asked for through HTTP on both databases, all and by that source.
"""

from collections.abc import Iterator
from time import perf_counter
from typing import NamedTuple

from rich.box import MARKDOWN
from rich.console import Console
from rich.table import Table

from benchmarks.house import ROOMY, build
from benchmarks.installations import installations
from benchmarks.measure import MeasuredServer, WrongResultError, new_server, started
from crm_project.testing.databases import Databases

CONTACTS = 1_000_000
SECONDS_BETWEEN_LOOKS = 0.1
WIDTH = 200
HALF = "half"

SOURCE = f"""
INSERT INTO leads_source (name, code, is_active, reuse_open_contact, strategy, prefer_same_operator, created_at)
VALUES ('{HALF}', '{HALF}', true, false, 'weighted_random', false, CURRENT_TIMESTAMP)
"""  # noqa: S608
LEAD = "INSERT INTO leads_lead (external_id, created_at) VALUES ('lead', CURRENT_TIMESTAMP)"
FILL = """
WITH RECURSIVE number(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < {contacts})
INSERT INTO leads_contact (
    lead_id, source_id, operator_id, status, external_id, name, phone, email, text, data,
    created_at, assigned_at, closed_at
)
SELECT
    (SELECT max(id) FROM leads_lead), (SELECT max(id) FROM leads_source) - n % 2,
    (SELECT max(id) FROM operators_operator) - n % 10, 'closed', 'lead', 'Анна ' || n, '+7 900 ' || n,
    'lead' || n || '@example.com', 'Здравствуйте! Когда привезут заказ?', '{{"utm_source": "ads"}}',
    CURRENT_TIMESTAMP, CURRENT_TIMESTAMP, CURRENT_TIMESTAMP
FROM number
"""


class Exported(NamedTuple):
    """An export: the rows, how long it took, its megabytes, and those of the largest server process."""

    database: str
    what: str
    rows: int
    seconds: float
    first: float
    megabytes: float
    memory_before: float
    memory_peak: float


def main() -> None:
    """Measure on both databases and print the table."""
    measured: list[Exported] = []
    for there in installations():
        measured += measure(there.name, there.databases, there.processes, CONTACTS)
    Console(width=WIDTH, highlight=False).print(table(measured))


def measure(name: str, databases: Databases, processes: int, contacts: int) -> Iterator[Exported]:
    """Fill a new database and yield what each export showed. Raises WrongResultError."""
    server = new_server(databases, processes)
    with started(server):
        build(server.port, ROOMY)
        for sql in (SOURCE, LEAD, FILL.format(contacts=contacts)):
            server.execute(sql)
        yield export(server, name, "all", "", contacts)
        yield export(server, name, "half, by source", f"?source_code={HALF}", contacts // 2)


def export(server: MeasuredServer, name: str, what: str, query: str, expected: int) -> Exported:
    """Ask for the contacts. Raises WrongResultError when a row is missing."""
    before = peak = server.memory
    lines = read = 0
    began = perf_counter()
    first = next_look = 0.0
    with server.client() as client, client.stream("GET", f"/api/exports/contacts{query}") as answer:
        for chunk in answer.iter_raw():
            now = perf_counter() - began
            first = first or now
            lines += chunk.count(b"\n")  # none of the texts has a line of its own
            read += len(chunk)
            if now > next_look:
                peak, next_look = max(peak, server.memory), now + SECONDS_BETWEEN_LOOKS
    seconds = perf_counter() - began
    if lines != expected + 1:
        raise WrongResultError(f"The export has {lines} lines, not {expected + 1}.")
    return Exported(name, what, expected, seconds, first, read / 1024**2, before, peak)


def table(measured: list[Exported]) -> Table:
    """Return a table with a row for each export."""
    made = Table("database", "contacts", box=MARKDOWN)
    for column in ("rows", "seconds", "rows/s", "first byte s", "MB", "MB of the server before", "at most"):
        made.add_column(column, justify="right")
    for row in measured:
        made.add_row(
            row.database,
            row.what,
            f"{row.rows:,}",
            f"{row.seconds:.1f}",
            f"{row.rows / row.seconds:,.0f}",
            f"{row.first:.2f}",
            f"{row.megabytes:.0f}",
            f"{row.memory_before:.0f}",
            f"{row.memory_peak:.0f}",
        )
    return made


if __name__ == "__main__":
    main()
