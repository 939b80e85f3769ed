"""The pytest plugin: chooses the database of a run and offers the fixtures that the tests share."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from crm_project.testing.api import api
from crm_project.testing.browser import browser, visit
from crm_project.testing.databases import databases, empty_database, fresh_database
from crm_project.testing.one_writer import refuse_other_writers
from crm_project.testing.pgbouncer import pgbouncer
from crm_project.testing.postgres import Postgres, PostgresError
from crm_project.testing.server import lasting_server, server

__all__ = [
    "api",
    "browser",
    "databases",
    "empty_database",
    "fresh_database",
    "lasting_server",
    "pgbouncer",
    "server",
    "visit",
]

DATABASES = ("sqlite", "postgresql")
directory = pytest.StashKey[tempfile.TemporaryDirectory[str]]()
postgres = pytest.StashKey[Postgres]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add --database and --pgbouncer."""
    parser.addoption(
        "--database",
        choices=DATABASES,
        default="sqlite",
        help="The database of the run. PostgreSQL is that of DATABASE_URL, else a throw-away server.",
    )
    parser.addoption("--pgbouncer", action="store_true", help="Run the tests through PgBouncer on PostgreSQL, too.")


@pytest.hookimpl(wrapper=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> Iterator[None]:
    """Name the database in DATABASE_URL before pytest-django reads the settings."""
    if early_config.known_args_namespace.database == "sqlite":
        use_sqlite(early_config)
    else:
        use_postgresql(early_config)
    return (yield)


def use_sqlite(config: pytest.Config) -> None:
    """Work in a file of this process; never in the database of the installation, whatever the environment says."""
    config.stash[directory] = tempfile.TemporaryDirectory(prefix="crm-tests-")
    os.environ["DATABASE_URL"] = f"sqlite:///{config.stash[directory].name}/crm.db"


def use_postgresql(config: pytest.Config) -> None:
    """Work on the server of DATABASE_URL, else on a throw-away one, which xdist's workers share by that variable."""
    url = os.environ.get("DATABASE_URL")
    if not url:
        try:
            config.stash[postgres] = Postgres.start()
        except PostgresError as error:
            raise pytest.UsageError(str(error)) from error
        os.environ["DATABASE_URL"] = config.stash[postgres].url
    elif not url.startswith("postgres"):
        raise pytest.UsageError("--database postgresql, but DATABASE_URL names another database.")


def pytest_configure(config: pytest.Config) -> None:
    """Register the markers and change the settings that a test wants otherwise."""
    for database in DATABASES:
        config.addinivalue_line("markers", f"{database}: means something on {database} only")
    config.addinivalue_line("markers", f"once: says the same on every database, so it runs on {DATABASES[0]} only")
    config.addinivalue_line("markers", "pgbouncer: goes through PgBouncer, so it runs on postgresql with --pgbouncer")
    from django.conf import settings

    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]  # a good one takes half a second
    if directory in config.stash:  # threads that race cannot share a database in memory
        file = Path(config.stash[directory].name) / "tests.db"
        settings.DATABASES["default"].setdefault("TEST", {})["NAME"] = str(file)


def pytest_unconfigure(config: pytest.Config) -> None:
    """Stop and remove what the run made."""
    if postgres in config.stash:
        config.stash[postgres].stop()
    if directory in config.stash:
        config.stash[directory].cleanup()


def pytest_report_header(config: pytest.Config) -> str:
    """Say which database the run is on."""
    return f"database: {config.getoption('database')}"


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Choose the tests of the run's database, and begin with those that take longest: with processes beside them."""
    leave_out_foreign(config, items)
    items.sort(key=lambda item: not {"databases", "serve"} & set(getattr(item, "fixturenames", ())))


def leave_out_foreign(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out the tests that the run on the other database shows, or that mean something there only.

    So are those through PgBouncer, which few machines have, unless they are asked for.
    """
    database = config.getoption("database")
    elsewhere = {name for name in DATABASES if name != database} | ({"once"} if database != DATABASES[0] else set())
    if database == "sqlite" or not config.getoption("pgbouncer"):
        elsewhere.add("pgbouncer")
    foreign = {item for item in items if elsewhere & {marker.name for marker in item.iter_markers()}}
    if foreign:
        config.hook.pytest_deselected(items=list(foreign))
        items[:] = [item for item in items if item not in foreign]


@pytest.fixture(autouse=True, scope="session")
def _roles() -> None:
    """Keep the groups that a migration made, whatever a test empties."""
    from crm_project.testing.staff import keep_roles

    keep_roles()


@pytest.fixture(autouse=True)
def _default_language() -> Iterator[None]:
    """Speak the default language again after a test whose caller asked for another."""
    from django.utils import translation

    yield
    translation.deactivate()


@pytest.fixture(autouse=True)
def _documented() -> Iterator[None]:
    """Hold every answer of the API to the OpenAPI document."""
    from crm_project.testing.openapi import every_answer_is_documented

    with every_answer_is_documented():
        yield


@pytest.fixture(autouse=True)
def _one_writer() -> Iterator[None]:
    """Hold every test to the rule of one writer."""
    from django.db import connection

    with connection.execute_wrapper(refuse_other_writers):
        yield
