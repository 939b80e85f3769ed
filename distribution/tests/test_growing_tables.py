"""What PostgreSQL plans while a table is small does no harm once it is large."""

from collections.abc import Callable

import pytest
from django.db import connection

from crm_project.testing.rows import make_operator, make_source
from distribution.intake import Intake, register_contact
from distribution.intake_in_bulk import register_chunk

pytestmark = [pytest.mark.django_db, pytest.mark.postgresql]

GROWING = ["leads_contact", "leads_identity", "leads_lead", "leads_sourceevent"]


def intakes(number: int, prefix: str) -> list[Intake]:
    names = [f"{prefix}{place}" for place in range(number)]
    return [Intake(external_id=name, source_code="bot", event_id=name) for name in names]


def one_by_one(intakes: list[Intake]) -> None:
    for intake in intakes:
        register_contact(intake)


def run(sql: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(sql)


def rows_read_through() -> dict[str, int]:
    """Return how many rows of each table this transaction has read without an index; it has them all as its own."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT relname, seq_tup_read FROM pg_stat_xact_user_tables WHERE relname = ANY(%s)", [GROWING])
        return dict(cursor.fetchall())


@pytest.mark.parametrize("register", [register_chunk, one_by_one])
def test_arrivals_go_by_indexes_beside_a_few_that_postgresql_has_counted(
    register: Callable[[list[Intake]], object],
) -> None:
    run("TRUNCATE leads_lead CASCADE")
    make_source({make_operator(max_load=1_000): 1}, code="bot")
    register_chunk(intakes(100, "known"))
    run(f"ANALYZE {', '.join(GROWING)}")
    before = rows_read_through()

    register(intakes(20, "new"))
    run("SET CONSTRAINTS ALL IMMEDIATE")  # the foreign keys are looked up by PostgreSQL itself, at the end

    assert before.keys() == set(GROWING)
    assert rows_read_through() == before
