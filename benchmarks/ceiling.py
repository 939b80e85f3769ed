"""The ceiling: the same work sent straight to the database, without HTTP and without Django.

Find or create the lead, draw an operator by weight, count them up, insert the contact, commit. On PostgreSQL all of
it is one prepared statement, over several connections; SQLite knows no statement that writes to several tables, so
there it is a few in one IMMEDIATE transaction of one process. Nothing is validated and nobody looks at the queue: no
application that does the whole job can be as fast.
"""

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime
from functools import partial
from itertools import islice
from random import randrange
from time import perf_counter

import psycopg

from benchmarks.load import SOURCE_CODE, external_ids
from crm_project.sqlite.base import PRAGMAS
from distribution.draw import draw

CONNECTIONS = 8

REGISTER = """
WITH source AS (
    SELECT id FROM leads_source WHERE code = %(source_code)s AND is_active
), known AS (
    SELECT lead_id AS id FROM leads_identity WHERE value = %(external_id)s AND kind = 'external_id'
), new_lead AS (
    INSERT INTO leads_lead (external_id, created_at)
    SELECT %(external_id)s, now() WHERE NOT EXISTS (SELECT FROM known) RETURNING id
), identity AS (
    INSERT INTO leads_identity (lead_id, kind, value) SELECT id, 'external_id', %(external_id)s FROM new_lead
), lead AS (
    SELECT id FROM known UNION ALL SELECT id FROM new_lead
), drawn AS MATERIALIZED (
    SELECT operator.id
    FROM operators_weight AS weight
    JOIN operators_operator AS operator ON operator.id = weight.operator_id
    JOIN source ON source.id = weight.source_id
    WHERE weight.weight > 0 AND operator.is_active AND operator.load < operator.max_load
    ORDER BY -ln(1 - random()) / weight.weight
    LIMIT 1
), counted AS (
    UPDATE operators_operator SET load = load + 1
    WHERE id = (SELECT id FROM drawn) AND is_active AND load < max_load
    RETURNING id
)
INSERT INTO leads_contact (
    lead_id, source_id, operator_id, status, external_id, name, phone, email, text, data, created_at, assigned_at
)
SELECT
    lead.id, source.id, counted.id, CASE WHEN counted.id IS NULL THEN 'waiting' ELSE 'active' END,
    %(external_id)s, '', '', '', '', '{}', now(), CASE WHEN counted.id IS NULL THEN NULL ELSE now() END
FROM source CROSS JOIN lead LEFT JOIN counted ON true
"""

CANDIDATES = """
SELECT operator.id, weight.weight
FROM operators_weight AS weight
JOIN operators_operator AS operator ON operator.id = weight.operator_id
WHERE weight.source_id = ? AND weight.weight > 0 AND operator.is_active AND operator.load < operator.max_load
"""
COUNT_UP = "UPDATE operators_operator SET load = load + 1 WHERE id = ?"
FIND_SOURCE = "SELECT id FROM leads_source WHERE code = ? AND is_active"
FIND_LEAD = "SELECT lead_id FROM leads_identity WHERE value = ? AND kind = 'external_id'"
CREATE_LEAD = "INSERT INTO leads_lead (external_id, created_at) VALUES (?, ?) RETURNING id"
CREATE_IDENTITY = "INSERT INTO leads_identity (lead_id, kind, value) VALUES (?, 'external_id', ?)"
INSERT_CONTACT = """
INSERT INTO leads_contact (
    lead_id, source_id, operator_id, status, external_id, name, phone, email, text, data, created_at, assigned_at
) VALUES (?, ?, ?, ?, ?, '', '', '', '', '{}', ?, ?)
"""


def ceiling(database_url: str, contacts: int, known_leads: int) -> float:
    """Register so many contacts, half of them of known leads, and return how many a second that was."""
    do = on_sqlite if database_url.startswith("sqlite") else on_postgresql
    started = perf_counter()
    do(database_url, list(islice(external_ids(known_leads), contacts)))
    return contacts / (perf_counter() - started)


def on_postgresql(database_url: str, external_ids: list[str]) -> None:
    """Register a contact of each lead, over several connections at once."""
    parts = [external_ids[part::CONNECTIONS] for part in range(CONNECTIONS)]
    with ThreadPoolExecutor(CONNECTIONS) as threads:
        list(threads.map(partial(over_one_connection, database_url), parts))


def over_one_connection(database_url: str, external_ids: list[str]) -> None:
    """Register a contact of each lead, by one statement each."""
    with psycopg.connect(database_url, autocommit=True) as connection, connection.cursor() as cursor:
        for external_id in external_ids:
            cursor.execute(REGISTER, {"source_code": SOURCE_CODE, "external_id": external_id}, prepare=True)


def on_sqlite(database_url: str, external_ids: list[str]) -> None:
    """Register a contact of each lead, one transaction after another."""
    path = database_url.removeprefix("sqlite:///")
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.executescript(PRAGMAS)
        for external_id in external_ids:
            connection.execute("BEGIN IMMEDIATE")
            register(connection, external_id)
            connection.execute("COMMIT")


def register(connection: sqlite3.Connection, external_id: str) -> None:
    """Register one contact with as few statements as SQLite needs."""
    now = datetime.now(UTC).replace(tzinfo=None).isoformat(" ")
    (source_id,) = connection.execute(FIND_SOURCE, [SOURCE_CODE]).fetchone()
    lead = connection.execute(FIND_LEAD, [external_id]).fetchone()
    (lead_id,) = lead or create_lead(connection, external_id, now)
    candidates = connection.execute(CANDIDATES, [source_id]).fetchall()
    if candidates:
        held = [weight for _operator_id, weight in candidates]
        operator_id, _weight = candidates[draw(held, randrange(sum(held)))]
        connection.execute(COUNT_UP, [operator_id])
        row = [lead_id, source_id, operator_id, "active", external_id, now, now]
    else:
        row = [lead_id, source_id, None, "waiting", external_id, now, None]
    connection.execute(INSERT_CONTACT, row)


def create_lead(connection: sqlite3.Connection, external_id: str, now: str) -> tuple[int]:
    """Store a lead and what they are known by; return the id."""
    lead: tuple[int] = connection.execute(CREATE_LEAD, [external_id, now]).fetchone()
    connection.execute(CREATE_IDENTITY, [*lead, external_id])
    return lead
