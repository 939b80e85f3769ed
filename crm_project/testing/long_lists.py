"""A house with long lists, stored by three statements, and by no draw.

The contacts came a hundred at a moment. The newest wait, those before them are in work, all others are closed, in turn
of each source and to each operator; the first operator and the first source are gone: theirs are the oldest only.
"""

from datetime import UTC, datetime
from typing import Any

from django.db import connection
from django.db.models import Count, OuterRef, Subquery
from django.db.models.functions import Coalesce

from leads.models import Contact, Lead, Source
from operators.models import HIGHEST_LIMIT, Operator

SOURCES = 10
OPERATORS = 100
BEGINNING = int(datetime(2026, 1, 1, tzinfo=UTC).timestamp())
SECONDS_BETWEEN_MOMENTS = 260
MOMENT = {"sqlite": "datetime({}, 'unixepoch')", "postgresql": "to_timestamp({})"}

NUMBERS = "WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < %(contacts)s)"

LEADS = """
INSERT INTO leads_lead (external_id, created_at)
{numbers} SELECT 'lead_' || n, {moment} FROM numbers WHERE n <= %(leads)s
"""

IDENTITIES = """
INSERT INTO leads_identity (lead_id, kind, value) SELECT id, 'external_id', external_id FROM leads_lead
"""

CONTACTS = """
INSERT INTO leads_contact (
    lead_id, external_id, source_id, operator_id, status, created_at, assigned_at, closed_at,
    name, phone, email, text, data, sequence
)
{numbers}
SELECT
    %(first_lead)s + n %% %(leads)s,
    'lead_' || (1 + n %% %(leads)s),
    CASE WHEN n <= %(gone)s THEN %(first_source)s ELSE %(first_source)s + 1 + n / 7 %% (%(sources)s - 1) END,
    CASE
        WHEN n > %(contacts)s - %(waiting)s THEN NULL
        WHEN n <= %(gone)s THEN %(first_operator)s
        ELSE %(first_operator)s + 1 + n %% (%(operators)s - 1)
    END,
    CASE
        WHEN n > %(contacts)s - %(waiting)s THEN 'waiting'
        WHEN n > %(contacts)s - %(waiting)s - %(active)s THEN 'active'
        ELSE 'closed'
    END,
    {moment},
    CASE WHEN n > %(contacts)s - %(waiting)s THEN NULL ELSE {moment} END,
    CASE WHEN n > %(contacts)s - %(waiting)s - %(active)s THEN NULL ELSE {moment} END,
    '', '', '', 'Здравствуйте! Когда привезут заказ?', '{{}}', 0
FROM numbers
"""


def fill(contacts: int, active: int | None = None) -> None:
    """Store the house in an empty database: half as many leads as contacts, a thousandth of them waiting.

    So many are in work, unless told otherwise a hundredth of them.
    """
    sources = [Source(name=f"Source {number}", code=f"source_{number}") for number in range(SOURCES)]
    operators = [Operator(name=f"Operator {number}", max_load=HIGHEST_LIMIT) for number in range(OPERATORS)]
    Source.objects.bulk_create(sources)
    Operator.objects.bulk_create(operators)
    extent = {"contacts": contacts, "leads": contacts // 2, "sources": SOURCES, "operators": OPERATORS}
    extent |= {
        "gone": contacts // 100,
        "active": contacts // 100 if active is None else active,
        "waiting": contacts // 1_000,
    }
    _run(LEADS, extent)
    _run(IDENTITIES, {})
    rows: dict[str, Any] = {"source": Source.objects, "operator": Operator.objects, "lead": Lead.objects}
    _run(CONTACTS, extent | {f"first_{name}": manager.earliest("pk").pk for name, manager in rows.items()})
    _count_loads()
    _look_at_the_tables()


def _run(statement: str, parameters: dict[str, Any]) -> None:
    seconds = f"{BEGINNING} + {SECONDS_BETWEEN_MOMENTS} * (n / 100)"
    with connection.cursor() as cursor:
        cursor.execute(statement.format(numbers=NUMBERS, moment=MOMENT[connection.vendor].format(seconds)), parameters)


def _count_loads() -> None:
    active = Contact.objects.active().filter(operator=OuterRef("pk")).order_by().values("operator")
    Operator.objects.update(load=Coalesce(Subquery(active.annotate(number=Count("pk")).values("number")), 0))


def _look_at_the_tables() -> None:
    """Let PostgreSQL do at once what it does by itself within minutes; SQLite never does."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            # A server that does not wait for the disk has not written all of it yet, and VACUUM passes that over.
            for statement in ("SET synchronous_commit = on", "ANALYZE", "VACUUM", "RESET synchronous_commit"):
                cursor.execute(statement)
