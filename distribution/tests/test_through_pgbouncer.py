"""The promises of the product when PostgreSQL is reached through PgBouncer in transaction mode.

Two server processes have eight connections to it, and it has four to PostgreSQL.
"""

from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import psycopg
import pytest

from crm_project.testing.concurrency import run_concurrently
from crm_project.testing.pgbouncer import POOL_SIZE, PgBouncer, set_for_pgbouncer
from crm_project.testing.server import Server, StartServer
from crm_project.testing.waiting import wait_until
from distribution.tests.test_under_load import CLIENTS, CONTACTS, KNOWN, NEW, ONE, House, send_at_once_with_one_key

pytestmark = [pytest.mark.postgresql, pytest.mark.pgbouncer]

CALL = {"external_id": "lead", "source_code": "bot"}

type Pooled = Callable[..., Server]


@pytest.fixture
def pooled(server: StartServer, pgbouncer: PgBouncer, limited_database: str) -> Pooled:
    """Start servers on one database through PgBouncer."""
    return partial(server, database_url=pgbouncer.through(limited_database), PGBOUNCER="1")


@pytest.fixture
def limited_database(fresh_database: str) -> str:
    """The address, past PgBouncer, of a database that itself limits the time of statements."""
    set_for_pgbouncer(fresh_database)
    return fresh_database


@pytest.mark.parametrize("leads", [NEW, KNOWN, ONE], ids=["new leads", "known leads", "one lead"])
def test_a_hundred_places_take_a_hundred_of_400_contacts_from_32_clients(pooled: Pooled, leads: list[str]) -> None:
    house = House(pooled(), weights=[1] * 5, limit=20)

    answers = house.register(leads, clients=CLIENTS)

    assert Counter(answer.status_code for answer in answers) == {201: CONTACTS}
    assert house.counted() == house.loads() == [20] * 5
    assert house.statuses() == {"active": 100, "waiting": 300}
    assert house.server.manage("check_load").returncode == 0
    assert house.server.manage("verify_decisions").returncode == 0


def test_postgresql_sees_no_more_connections_than_the_pool_has(pooled: Pooled, limited_database: str) -> None:
    house = House(pooled(), weights=[1], limit=0)

    house.register(NEW[:CLIENTS], clients=CLIENTS)

    with psycopg.connect(limited_database) as connection:
        sql = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        assert connection.execute(sql).fetchone() in [(number,) for number in range(2, POOL_SIZE + 1)]


def test_with_prepared_statements_the_same_load_meets_errors(pooled: Pooled) -> None:
    house = House(pooled(), weights=[1] * 5, limit=20)
    house.server.stop()
    house.server = pooled(application="distribution.tests.with_prepared_statements:application")

    answers = house.register(NEW, clients=CLIENTS)

    assert any(answer.status_code >= 500 for answer in answers)


def test_64_calls_with_one_idempotency_key_make_one_contact_and_get_one_answer(pooled: Pooled) -> None:
    house = House(pooled(), weights=[1, 1], limit=100)

    answers = send_at_once_with_one_key(house)

    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.content for answer in answers}) == 1
    assert (house.statuses(), sum(house.loads())) == ({"active": 1}, 1)


def test_whoever_is_closed_makes_place_for_one_who_waits(pooled: Pooled) -> None:
    house = House(pooled(), weights=[1] * 5, limit=4)
    house.register(NEW[:60], clients=CLIENTS)
    active = [number for (number,) in house.server.rows("SELECT id FROM leads_contact WHERE status = 'active'")]

    answers = run_concurrently(*(partial(house.post, f"contacts/{number}/close", {}) for number in active))

    assert {answer.status_code for answer in answers} == {200}
    assert house.statuses() == {"active": 20, "waiting": 20, "closed": 20}
    assert house.counted() == house.loads() == [4] * 5


def test_the_sweep_serves_whoever_waits_beside_a_free_place(pooled: Pooled) -> None:
    house = House(pooled(drain=True), weights=[1], limit=0)
    house.register(NEW[:3], clients=3)

    house.server.execute("UPDATE operators_operator SET max_load = 2")

    wait_until(lambda: house.statuses() == {"active": 2, "waiting": 1})


def test_a_table_is_imported_and_exported_beside_a_load_that_holds_the_pool(pooled: Pooled, tmp_path: Path) -> None:
    house = House(pooled(), weights=[1, 3], limit=10_000)
    table = tmp_path / "contacts.csv"
    table.write_text("external_id\n" + "".join(f"row_{number}\n" for number in range(1_200)))

    imported, _answers = run_concurrently(
        lambda: house.server.manage("import_contacts", str(table), "--source", "bot").returncode,
        lambda: len(house.register(NEW, clients=8)),
    )
    with house.server.client() as client:
        exported = client.get("/api/exports/contacts").text.splitlines()

    assert imported == 0
    assert house.statuses() == {"active": 1_200 + CONTACTS}
    assert len(exported) == 1 + 1_200 + CONTACTS
    assert house.server.manage("verify_decisions").returncode == 0


def test_a_call_that_waits_too_long_for_a_lock_is_503(pooled: Pooled, limited_database: str) -> None:
    set_for_pgbouncer(limited_database, lock_timeout_seconds=1)
    house = House(pooled(LOCK_TIMEOUT_SECONDS="1"), weights=[1], limit=10)

    with psycopg.connect(limited_database) as connection:
        connection.execute("SELECT FROM operators_operator FOR UPDATE")
        answer = house.post("contacts", CALL)

    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (503, "try_again_later")
    assert house.post("contacts", CALL).status_code == 201


def test_a_call_that_gets_no_connection_in_time_is_503(pooled: Pooled) -> None:
    house = House(pooled(), weights=[1], limit=10)

    with ExitStack() as transactions:
        for _ in range(POOL_SIZE):
            transactions.enter_context(psycopg.connect(house.server.database_url)).execute("SELECT 1")
        answer = house.post("contacts", CALL)

    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (503, "try_again_later")
    assert house.post("contacts", CALL).status_code == 201
