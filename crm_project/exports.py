"""Tables of any length as CSV: read batch by batch and sent while they are read, in the memory of one batch.

No cursor and no transaction stays open in between, so a row is told as it stood when its batch was read.
"""

import csv
import io
import json
import logging
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from http import HTTPMethod, HTTPStatus
from itertools import chain, islice
from threading import BoundedSemaphore
from typing import Any, NamedTuple

from django.db.models import QuerySet
from django.http import HttpRequest, StreamingHttpResponse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from rest_framework.request import Request

from crm_project.api.refusals import Refusal
from crm_project.cells import harmless
from crm_project.sqlite.by_id import in_order_of_ids

ROWS_AT_ONCE = 500  # more are no faster, and each may have a text of 64 K
READ_BEFORE = 2
MOST_AT_ONCE = 2  # in a server process, each on a thread for as long as its reader is slow
CONTENT_TYPE = "text/csv; charset=utf-8"

logger = logging.getLogger(__name__)
places = BoundedSemaphore(MOST_AT_ONCE)


class TooManyExports(Refusal):
    """The server process sends as many exports as it sends at a time."""

    code = "too_many_exports"
    message = gettext_lazy("Other exports are running. Repeat the call in a minute, when they are done.")
    status = HTTPStatus.TOO_MANY_REQUESTS
    wait = 30


class BrokenOff(Exception):
    """An export ended before its last row."""


def plain(value: object) -> object:
    """Return what the cell of a value holds: times in UTC, true and false, JSON, and no text that runs."""
    match value:
        case str():
            return harmless(value)
        case bool():
            return "true" if value else "false"
        case datetime():
            return f"{value.astimezone(UTC).replace(tzinfo=None).isoformat()}Z"
        case dict() | list():
            return json.dumps(value, ensure_ascii=False)
    return value


class Column(NamedTuple):
    """A column: its heading, where its values are found from the row, and how they are written; None is empty."""

    heading: str
    path: str
    written: Callable[[Any], object] = plain


class Table(NamedTuple):
    """What a table looks like: its columns, what parts the cells, and what the file begins with."""

    columns: Sequence[Column]
    delimiter: str = ","
    beginning: str = ""


class Export(Iterator[str]):
    """The parts of a table, the first of which are read at once: what fails then can still be answered.

    A table of one batch is read whole, and keeps its place no longer than that. Raises TooManyExports, and what the
    database raises.
    """

    def __init__(self, rows: QuerySet[Any], table: Table) -> None:
        self._parts = sent_in_its_place(parts(rows, table))
        self._all = chain(list(islice(self._parts, READ_BEFORE)), self._parts)

    def __next__(self) -> str:
        """Return the next part. Raises BrokenOff after a part that tells of it."""
        return next(self._all)

    def close(self) -> None:
        """Read nothing more; the server calls it when all is sent, and when whoever reads has left."""
        self._parts.close()


def download(request: HttpRequest | Request, name: str, rows: QuerySet[Any], table: Table) -> StreamingHttpResponse:
    """Return the answer with the table, to HEAD without it, for a file of that name. Raises what Export raises."""
    export = () if request.method == HTTPMethod.HEAD else Export(rows, table)
    headers = {"Content-Disposition": f'attachment; filename="{name}.csv"'}
    return StreamingHttpResponse(export, content_type=CONTENT_TYPE, headers=headers)


def parts(rows: QuerySet[Any], table: Table) -> Generator[str]:
    """Yield the table, a batch of rows at a time, the headings before the first."""
    unsent = table.beginning + lines([[column.heading for column in table.columns]], table.delimiter)
    for batch in batches(rows, [column.path for column in table.columns]):
        yield unsent + lines((cells(row, table.columns) for row in batch), table.delimiter)
        unsent = ""
    if unsent:
        yield unsent


def batches(rows: QuerySet[Any], paths: Sequence[str]) -> Iterator[list[tuple[Any, ...]]]:
    """Yield the values of the rows by id, each batch by a statement of its own."""
    values = in_order_of_ids(rows).values_list("pk", *paths)
    batch = list(values[:ROWS_AT_ONCE])
    while batch:
        yield batch
        if len(batch) < ROWS_AT_ONCE:
            return
        batch = list(values.filter(pk__gt=batch[-1][0])[:ROWS_AT_ONCE])


def cells(row: tuple[Any, ...], columns: Sequence[Column]) -> list[object]:
    """Return the cells of a row, whose first value is its id."""
    return [column.written(value) for column, value in zip(columns, row[1:], strict=True)]


def lines(rows: Iterable[Iterable[object]], delimiter: str) -> str:
    """Return the rows as lines."""
    text = io.StringIO(newline="")
    csv.writer(text, delimiter=delimiter).writerows(rows)
    return text.getvalue()


def sent_in_its_place(parts: Generator[str]) -> Generator[str]:
    """Yield the parts, in one of the places for exports; an error after the first of them is logged and told.

    A server may end an answer as if it were whole whatever happens to it. So the last line then is none that a table
    could have: one cell, whose quote is never closed.
    """
    with place():
        yield from islice(parts, READ_BEFORE)
        try:
            yield from parts
        except Exception:
            logger.exception("An export broke off")
            yield '"' + _("THE EXPORT BROKE OFF HERE, rows are missing. Repeat it.")
            raise BrokenOff from None


@contextmanager
def place() -> Iterator[None]:
    """Keep one of the places for exports. Raises TooManyExports."""
    if not places.acquire(blocking=False):
        raise TooManyExports
    try:
        yield
    finally:
        places.release()
