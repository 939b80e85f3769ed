"""An index made beside the work of the others, again and again until it stands."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.apps import apps
from django.db import connection
from django.db.migrations.state import ProjectState
from django.db.models import Index

from crm_project.postgresql.indexes import AddIndexInUse

pytestmark = [pytest.mark.postgresql, pytest.mark.django_db(transaction=True)]

NAME = "index_of_a_test"
OPERATION = AddIndexInUse("contact", Index(fields=["name"], name=NAME))


def asked(sql: str, *parameters: Any) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        return [value for (value,) in cursor.fetchall()]


def is_valid() -> list[bool]:
    return asked("SELECT indisvalid FROM pg_index JOIN pg_class ON oid = indexrelid WHERE relname = %s", NAME)


def limits() -> list[str]:
    return [asked(f"SHOW {name}")[0] for name in ("lock_timeout", "statement_timeout")]


@pytest.fixture
def states() -> Iterator[tuple[ProjectState, ProjectState]]:
    before = ProjectState.from_apps(apps)
    after = before.clone()
    OPERATION.state_forwards("leads", after)
    yield before, after
    with connection.cursor() as cursor:
        cursor.execute(f"DROP INDEX IF EXISTS {NAME}")


def go(step: str, *states: ProjectState) -> None:
    with connection.schema_editor(atomic=False) as editor:
        getattr(OPERATION, step)("leads", editor, *states)


def test_it_is_made_and_dropped(states: tuple[ProjectState, ProjectState]) -> None:
    go("database_forwards", *states)
    assert is_valid() == [True]

    go("database_backwards", *reversed(states))
    assert is_valid() == []


def test_what_an_attempt_left_behind_is_replaced(states: tuple[ProjectState, ProjectState]) -> None:
    go("database_forwards", *states)
    asked("UPDATE pg_index SET indisvalid = false WHERE indexrelid = %s::regclass RETURNING true", NAME)
    assert is_valid() == [False]

    go("database_forwards", *states)

    assert is_valid() == [True]


def test_the_limits_of_the_connection_hold_again_afterwards(states: tuple[ProjectState, ProjectState]) -> None:
    before = limits()
    assert "0" not in before

    go("database_forwards", *states)

    assert limits() == before
