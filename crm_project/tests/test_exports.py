"""Tables as CSV: complete, harmless, in flat memory, and never whole to the eye when they are not."""

import csv
import io
import tracemalloc
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from itertools import islice
from typing import Any
from unittest.mock import patch

import pytest
from django.db import OperationalError, connection
from django.test import RequestFactory
from django.test.utils import CaptureQueriesContext
from hypothesis import given
from hypothesis import strategies as st

from crm_project import exports
from crm_project.cells import FORMULA_SIGNS, as_written
from crm_project.exports import BrokenOff, Column, Export, Table, TooManyExports, download, lines, plain
from crm_project.testing.rows import make_contacts, make_source
from leads.models import Contact, Lead

pytestmark = pytest.mark.django_db

TABLE = Table([Column("id", "pk"), Column("external_id", "external_id"), Column("source", "source__code")])
TEXTS = st.text(
    st.characters(exclude_categories=["Cs"]) | st.sampled_from(["=", "+", "-", "@", "\t", "\r", "\n", "'", " "])
)


@pytest.fixture
def three_at_once() -> Iterator[None]:
    """Read three rows by a statement."""
    with patch.object(exports, "ROWS_AT_ONCE", 3):
        yield


def read(text: str, delimiter: str = ",") -> list[list[str]]:
    return list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True))


def ids_in(text: str) -> list[int]:
    return [int(row[0]) for row in read(text)[1:]]


class TestRows:
    @pytest.mark.usefixtures("three_at_once")
    @pytest.mark.parametrize("count", [0, 1, 2, 3, 4, 6, 7, 9])
    def test_each_stands_in_the_table_once_in_the_order_of_their_ids(self, count: int) -> None:
        rows = make_contacts(count, make_source())

        assert ids_in("".join(Export(Contact.objects.order_by("-created_at"), TABLE))) == sorted(row.pk for row in rows)

    @pytest.mark.usefixtures("three_at_once")
    def test_one_that_is_removed_on_the_way_hides_no_other(self) -> None:
        [first, *others] = make_contacts(12, make_source())
        export = Export(Contact.objects.all(), TABLE)
        Contact.objects.filter(pk=others[4].pk).delete()

        assert len(ids_in("".join(export))) == 12
        assert ids_in("".join(Export(Contact.objects.all(), TABLE))) == [
            row.pk for row in [first, *others] if row != others[4]
        ]

    @pytest.mark.usefixtures("three_at_once")
    def test_are_read_by_short_statements_outside_of_any_transaction(self) -> None:
        make_contacts(7, make_source())
        with CaptureQueriesContext(connection) as statements:
            "".join(Export(Contact.objects.all(), TABLE))

        assert len(statements) == 3
        assert all(row["sql"].startswith("SELECT") and "LIMIT 3" in row["sql"] for row in statements)

    @pytest.mark.sqlite
    def test_are_found_by_their_ids_and_not_sorted_again_for_every_batch(self) -> None:
        source = make_source()
        make_contacts(3, source)
        rows = Contact.objects.filter(source=source, status="waiting")
        with CaptureQueriesContext(connection) as statements:
            "".join(Export(rows, TABLE))

        plan = " ".join(str(row) for row in connection.cursor().execute(f"EXPLAIN QUERY PLAN {statements[0]['sql']}"))
        assert "SCAN leads_contact" in plan
        assert "ORDER BY" not in plan


class TestCells:
    @pytest.mark.once
    @given(st.lists(st.lists(TEXTS, min_size=2, max_size=2), max_size=5), st.sampled_from(",;"))
    def test_hold_any_text_and_none_of_them_runs(self, rows: list[list[str]], delimiter: str) -> None:
        text = lines([[plain(value) for value in row] for row in rows], delimiter)

        found = read(text, delimiter)
        assert [[as_written(cell) for cell in row] for row in found] == rows
        assert not [cell for row in found for cell in row if cell.startswith(FORMULA_SIGNS)]

    @pytest.mark.parametrize(
        ("value", "cell"),
        [
            (None, None),
            (-5, -5),
            (True, "true"),
            (False, "false"),
            ({"имя": [1, None]}, '{"имя": [1, null]}'),
            ("-5", "'-5"),
            (" '=1", "' '=1"),
            (datetime(2026, 11, 28, 12, 30, 0, 5, timezone(timedelta(hours=3))), "2026-11-28T09:30:00.000005Z"),
            (datetime(2026, 11, 28, 12, 30, tzinfo=UTC), "2026-11-28T12:30:00Z"),
        ],
    )
    def test_are_written_as_the_api_shows_them(self, value: object, cell: object) -> None:
        assert plain(value) == cell


class TestTheEnd:
    @pytest.mark.usefixtures("three_at_once")
    def test_of_one_that_breaks_off_is_no_row(self, caplog: pytest.LogCaptureFixture) -> None:
        make_contacts(12, make_source())
        export = Export(Contact.objects.all(), TABLE)
        with patch.object(exports, "cells", side_effect=OperationalError("row of somebody")):
            *_rows, last = list(until_broken(export))

        assert last == '"THE EXPORT BROKE OFF HERE, rows are missing. Repeat it.'
        with pytest.raises(csv.Error):
            read(last)
        assert "An export broke off" in caplog.text

    @pytest.mark.usefixtures("three_at_once")
    def test_what_fails_at_the_beginning_is_told_as_it_is(self) -> None:
        make_contacts(4, make_source())
        with patch.object(exports, "cells", side_effect=OperationalError), pytest.raises(OperationalError):
            Export(Contact.objects.all(), TABLE)

        assert_every_place_is_free()

    @pytest.mark.usefixtures("three_at_once")
    def test_comes_when_whoever_reads_has_left(self) -> None:
        make_contacts(30, make_source())
        response: Any = download(RequestFactory().get("/"), "contacts", Contact.objects.all(), TABLE)
        list(islice(response.streaming_content, 3))
        response.close()

        with CaptureQueriesContext(connection) as statements:
            assert list(response.streaming_content) == []
        assert len(statements) == 0
        assert_every_place_is_free()

    def test_of_an_answer_to_head_is_where_it_begins(self) -> None:
        make_contacts(3, make_source())
        with CaptureQueriesContext(connection) as statements:
            response = download(RequestFactory().head("/"), "contacts", Contact.objects.all(), TABLE)

        assert (response.getvalue(), len(statements)) == (b"", 0)
        assert response["Content-Disposition"] == 'attachment; filename="contacts.csv"'
        assert response["Content-Type"] == "text/csv; charset=utf-8"


class TestPlaces:
    @pytest.mark.usefixtures("three_at_once")
    def test_there_are_two_for_long_exports(self) -> None:
        make_contacts(12, make_source())
        first, second = (Export(Contact.objects.all(), TABLE) for _number in range(2))
        with pytest.raises(TooManyExports):
            Export(Contact.objects.all(), TABLE)
        "".join(first)
        third = Export(Contact.objects.all(), TABLE)

        for one in (second, third):
            one.close()
        assert_every_place_is_free()

    def test_a_short_export_keeps_none(self) -> None:
        make_contacts(3, make_source())
        unread = [Export(Contact.objects.all(), TABLE) for _number in range(5)]

        assert [len(ids_in("".join(export))) for export in unread] == [3] * 5


def test_the_memory_does_not_grow_with_the_rows() -> None:
    source = make_source()
    make_contacts(5 * exports.ROWS_AT_ONCE, source, text="a" * 200)
    few = peak()
    make_contacts(15 * exports.ROWS_AT_ONCE, source, text="a" * 200)

    assert peak() < 1.5 * few


def peak() -> int:
    """Return the most bytes that an export of all contacts takes."""
    table = Table([*TABLE.columns, Column("text", "text"), Column("created_at", "created_at")])
    tracemalloc.start()
    try:
        for _part in Export(Contact.objects.all(), table):
            pass
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def until_broken(export: Export) -> Iterator[str]:
    with pytest.raises(BrokenOff):
        yield from export


def assert_every_place_is_free() -> None:
    taken: list[Any] = [exports.places.acquire(blocking=False) for _number in range(exports.MOST_AT_ONCE)]
    for one in taken:
        if one:
            exports.places.release()
    assert all(taken)


def test_the_table_may_be_of_anything_with_an_id() -> None:
    Lead.objects.create(external_id="+7 900")

    assert read("".join(Export(Lead.objects.all(), Table([Column("who", "external_id")])))) == [["who"], ["'+7 900"]]
