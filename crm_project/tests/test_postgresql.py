from collections.abc import Iterator
from unittest.mock import patch

import pytest
from django.db import DataError, connection
from django.db.backends.postgresql import base

from crm_project.postgresql.base import DatabaseWrapper
from crm_project.testing.waiting import wait_until

pytestmark = [pytest.mark.postgresql, pytest.mark.django_db]


@pytest.fixture
def idle() -> Iterator[DatabaseWrapper]:
    """A connection beside that of the test."""
    beside = connection.copy()
    beside.ensure_connection()
    assert isinstance(beside, DatabaseWrapper)
    yield beside
    beside.close()


def end(database: DatabaseWrapper) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s)", [database.connection.info.backend_pid])


def test_a_quiet_connection_is_not_asked_whether_it_lives(idle: DatabaseWrapper) -> None:
    with patch.object(base.DatabaseWrapper, "is_usable", return_value=False) as ask:
        assert idle.is_usable()

    ask.assert_not_called()


def test_one_where_something_went_wrong_is_asked(idle: DatabaseWrapper) -> None:
    idle.errors_occurred = True

    with patch.object(base.DatabaseWrapper, "is_usable", return_value=False):
        assert not idle.is_usable()
    assert idle.is_usable()


def test_one_that_the_server_ended_is_found_out(idle: DatabaseWrapper) -> None:
    end(idle)

    wait_until(lambda: not idle.is_usable())


def test_one_that_was_ended_is_replaced_before_the_next_request(idle: DatabaseWrapper) -> None:
    ended = idle.connection
    end(idle)
    wait_until(lambda: not idle.is_usable())

    idle.close_if_unusable_or_obsolete()  # as before each request
    with idle.cursor() as cursor:
        cursor.execute("SELECT 1")

    assert idle.connection is not ended


def test_one_whose_transaction_failed_cannot_be_used(idle: DatabaseWrapper) -> None:
    idle.set_autocommit(False)
    with pytest.raises(DataError), idle.cursor() as cursor:
        cursor.execute("SELECT 1 / 0")
    assert not idle.errors_occurred

    assert not idle.is_usable()


def test_one_that_is_closed_cannot_be_used(idle: DatabaseWrapper) -> None:
    idle.close()

    assert not idle.is_usable()


def test_a_statement_has_one_cursor_for_as_long_as_its_connection(idle: DatabaseWrapper) -> None:
    cursor = idle.plain_cursor("SELECT 1")

    assert idle.plain_cursor("SELECT 1") is cursor
    assert idle.plain_cursor("SELECT 2") is not cursor

    idle.close()
    idle.ensure_connection()

    assert idle.plain_cursor("SELECT 1").execute("SELECT 1").fetchone() == (1,)
