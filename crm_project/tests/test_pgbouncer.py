"""What a connection through PgBouncer may do and what it refuses, and the PgBouncer that the tests start."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from urllib.parse import urlsplit

import psycopg
import pytest
from django.db import DEFAULT_DB_ALIAS, connections, transaction

from crm_project.environment import pgbouncer_options, time_limits
from crm_project.postgresql.pgbouncer.base import DatabaseWrapper
from crm_project.setup.children import BASE_DIR
from crm_project.testing.databases import Databases, manage
from crm_project.testing.pgbouncer import (
    LOCK_TIMEOUT_SECONDS,
    PgBouncer,
    PgBouncerError,
    program,
    set_for_pgbouncer,
)
from crm_project.testing.server import free_port
from crm_project.testing.waiting import wait_until
from crm_project.tests.test_postgres import url_of_killed

pytestmark = [pytest.mark.postgresql, pytest.mark.pgbouncer]

ALIAS = "through_pgbouncer"


@pytest.fixture
def pooled(pgbouncer: PgBouncer, fresh_database: str, db: None) -> Iterator[DatabaseWrapper]:
    """A connection through PgBouncer, which `transaction.atomic` knows by ALIAS."""
    set_for_pgbouncer(fresh_database)
    where = urlsplit(pgbouncer.through(fresh_database))
    settings = {
        "HOST": where.hostname,
        "PORT": str(where.port),
        "USER": where.username,
        "NAME": where.path.removeprefix("/"),
        "OPTIONS": pgbouncer_options(LOCK_TIMEOUT_SECONDS),
        "TIME_LIMITS": time_limits(LOCK_TIMEOUT_SECONDS),
    }
    with closing(DatabaseWrapper(connections[DEFAULT_DB_ALIAS].settings_dict | settings, ALIAS)) as connection:
        connections[ALIAS] = connection
        yield connection
    del connections[ALIAS]


def test_rows_are_read_on_while_another_has_the_connection_they_began_on(
    pooled: DatabaseWrapper, pgbouncer: PgBouncer, fresh_database: str
) -> None:
    with pooled.chunked_cursor() as rows:
        rows.execute("SELECT generate_series(1, 3)")
        first = rows.fetchmany(1)

        with psycopg.connect(pgbouncer.through(fresh_database)) as other:
            other.execute("SELECT 1")
            others = rows.fetchmany(2)

    assert first + others == [(1,), (2,), (3,)]


def test_within_a_transaction_the_rows_stay_in_the_database(pooled: DatabaseWrapper) -> None:
    with transaction.atomic(using=ALIAS), pooled.chunked_cursor() as rows:
        rows.execute("SELECT generate_series(1, 3)")

        assert isinstance(rows.cursor, psycopg.ServerCursor)
        assert rows.fetchall() == [(1,), (2,), (3,)]


def test_a_database_that_does_not_limit_the_time_of_statements_is_refused(
    pgbouncer: PgBouncer, fresh_database: str
) -> None:
    refused = manage("check_load", DATABASE_URL=pgbouncer.through(fresh_database), PGBOUNCER="1")

    assert refused.returncode == 1
    assert f'ALTER ROLE "postgres" SET lock_timeout = {LOCK_TIMEOUT_SECONDS * 1000}' in refused.stderr
    assert 'ALTER ROLE "postgres" SET random_page_cost = 0.1' in refused.stderr


def test_other_limits_than_those_of_the_setting_are_refused(pgbouncer: PgBouncer, fresh_database: str) -> None:
    set_for_pgbouncer(fresh_database, lock_timeout_seconds=7)
    url = pgbouncer.through(fresh_database)

    assert manage("check_load", DATABASE_URL=url, PGBOUNCER="1").returncode == 1
    assert manage("check_load", DATABASE_URL=url, PGBOUNCER="1", LOCK_TIMEOUT_SECONDS="7").returncode == 0


def test_migrations_are_refused_before_the_first(pgbouncer: PgBouncer, databases: Databases) -> None:
    url = databases.empty()
    set_for_pgbouncer(url)

    refused = manage("migrate", DATABASE_URL=pgbouncer.through(url), PGBOUNCER="1")

    assert refused.returncode == 1
    assert "Migrations do not run through PgBouncer" in refused.stderr
    with psycopg.connect(url) as connection:
        assert connection.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").fetchone() == (0,)


def test_a_server_that_would_have_to_migrate_says_so_in_one_line(pgbouncer: PgBouncer, databases: Databases) -> None:
    url = databases.empty()
    set_for_pgbouncer(url)

    refused = manage("serve", DATABASE_URL=pgbouncer.through(url), PGBOUNCER="1", PORT=str(free_port()))

    assert len(refused.stderr.splitlines()) == 1
    assert "Migrations do not run through PgBouncer" in refused.stderr


def test_with_every_migration_there_is_nothing_to_refuse(pgbouncer: PgBouncer, fresh_database: str) -> None:
    set_for_pgbouncer(fresh_database)

    done = manage("migrate", DATABASE_URL=pgbouncer.through(fresh_database), PGBOUNCER="1")

    assert (done.returncode, done.stderr) == (0, "")


def test_without_the_setting_pgbouncer_refuses_the_connection(pgbouncer: PgBouncer, fresh_database: str) -> None:
    refused = manage("check_load", DATABASE_URL=pgbouncer.through(fresh_database))

    assert refused.returncode == 1
    assert "unsupported startup parameter: options" in refused.stderr


def test_it_stops_when_the_process_that_started_it_is_killed() -> None:
    url = url_of_killed(
        "import os; from crm_project.testing.pgbouncer import running\n"
        "with running(os.environ['DATABASE_URL']) as it: print(it.through('//host/postgres'), flush=True); input()"
    )

    wait_until(lambda: not answers(url))


def answers(url: str) -> bool:
    try:
        psycopg.connect(url).close()
    except psycopg.OperationalError:
        return False
    return True


def test_a_pgbouncer_that_is_not_there_is_an_error_with_the_way_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGBOUNCER_PROGRAM", "nowhere")

    with pytest.raises(PgBouncerError, match="apt-get install pgbouncer"):
        program()


def test_without_pgbouncer_the_tests_fail() -> None:
    chosen = f"{__file__}::{test_with_every_migration_there_is_nothing_to_refuse.__name__}"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")}

    run = subprocess.run(
        [sys.executable, "-m", "pytest", "--database", "postgresql", "--pgbouncer", chosen],
        env={**environment, "PGBOUNCER_PROGRAM": "nowhere"},
        cwd=BASE_DIR,
        capture_output=True,
        text=True,
        check=False,
    )

    assert run.returncode == pytest.ExitCode.TESTS_FAILED
    assert "apt-get install pgbouncer" in run.stdout
