"""Contacts from a table: which column is what, and what each row says."""

import csv
import hashlib
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import batched, islice
from pathlib import Path
from typing import IO, Any, NamedTuple

from django.utils.translation import get_language
from django.utils.translation import gettext as _
from rest_framework.exceptions import ValidationError

from crm_project.api.errors import answer_to
from crm_project.api.refusals import Refusal
from distribution.intake import Intake
from distribution.intake_in_bulk import MOST_IN_A_CHUNK, refusals, register_chunk
from leads.bulk import Outcome, Row, outcomes, read, readable
from leads.showing import intake_serializer

FIELDS = ("external_id", "source_code", "name", "phone", "email", "text", "event_id")
STANDARD_INPUT = "-"
DELIMITERS = ",;\t"
DIGITS_OF_A_FILE = 20


class NoTable(ValueError):
    """The file cannot be read as a table; the text says why."""


class Line(NamedTuple):
    """A row of the table: its number, 1 the first below the headings, its cells as they were, and what they say."""

    number: int
    cells: Sequence[str]
    row: Row


@dataclass(frozen=True)
class Columns:
    """Which heading stands for which field, and what a row is when it names no source."""

    headings: Mapping[str, str] = field(default_factory=dict)
    source_code: str = ""

    def heading_of(self, name: str) -> str:
        """Return the heading of a field."""
        return self.headings.get(name, name)

    def said_by(self, cells: Mapping[str, str], event_id: str) -> dict[str, Any]:
        """Return the fields of a contact; what stands under other headings becomes its data."""
        named = {name: cells.get(self.heading_of(name), "") for name in FIELDS}
        others = cells.keys() - set(map(self.heading_of, FIELDS))
        said: dict[str, Any] = {"source_code": self.source_code, "event_id": event_id}
        said |= {name: value for name, value in named.items() if value}
        return said | {"data": {heading: cells[heading] for heading in sorted(others) if cells[heading]}}


class ContactTable:
    """A table of contacts in CSV and UTF-8, with headings. Raises NoTable, and OSError."""

    def __init__(self, path: Path, columns: Columns) -> None:
        self._path = path
        self._columns = columns
        self._delimiter = self._told_by_first_line()
        self.headings = next(self._rows(), [])
        self.length = sum(1 for _row in self._rows()) - 1
        # Read again, the same row of the same file is recognised: so an import that broke off may be repeated.
        with path.open("rb") as file:
            self._name = hashlib.file_digest(file, "sha256").hexdigest()[:DIGITS_OF_A_FILE]
        self._check_headings()

    def lines(self) -> Iterator[Line]:
        """Yield the rows below the headings."""
        serializer = intake_serializer(get_language())
        for number, cells in enumerate(islice(self._rows(), 1, None), 1):
            named = dict(zip(self.headings, cells, strict=False))
            event_id = f"import:{self._name}:{number}"
            yield Line(number, cells, read(self._columns.said_by(named, event_id), serializer))

    def _rows(self) -> Iterator[list[str]]:
        with self._readable() as text:
            yield from (row for row in csv.reader(text, delimiter=self._delimiter) if row)

    def _told_by_first_line(self) -> str:
        with self._readable() as text:
            return max(DELIMITERS, key=text.readline().count)

    @contextmanager
    def _readable(self) -> Iterator[IO[str]]:
        try:
            with self._path.open(encoding="utf-8-sig", newline="") as text:
                yield text
        except (UnicodeDecodeError, csv.Error) as error:
            raise NoTable(_("The file is no CSV in UTF-8: %(reason)s") % {"reason": error}) from error

    def _check_headings(self) -> None:
        wanted = dict.fromkeys(self._columns.headings.values()) | {self._columns.heading_of("external_id"): None}
        if missing := [heading for heading in wanted if heading not in self.headings]:
            told = {"missing": ", ".join(missing), "headings": ", ".join(self.headings)}
            raise NoTable(_("There is no column %(missing)s. The headings are: %(headings)s.") % told)


@contextmanager
def opened(name: str) -> Iterator[Path]:
    """Yield the path of the file, or of a copy of what comes from the standard input. Raises OSError."""
    if name != STANDARD_INPUT:
        yield Path(name)
        return
    with tempfile.NamedTemporaryFile() as copy:
        shutil.copyfileobj(sys.stdin.buffer, copy)
        copy.flush()
        yield Path(copy.name)


def store(table: ContactTable) -> Iterator[list[tuple[Line, Outcome]]]:
    """Register the rows, a chunk in each transaction, and yield what became of each."""
    return _by_chunks(table, register_chunk)


def rehearse(table: ContactTable) -> Iterator[list[tuple[Line, Refusal | ValidationError | None]]]:
    """Yield the rows with why each would be refused, None for those that would be stored; nothing is written."""
    return _by_chunks(table, refusals)


def _by_chunks[Other](
    table: ContactTable, work: Callable[[list[Intake]], list[Other]]
) -> Iterator[list[tuple[Line, Other | ValidationError]]]:
    for lines in batched(table.lines(), MOST_IN_A_CHUNK):
        rows = [line.row for line in lines]
        yield list(zip(lines, outcomes(rows, work(readable(rows))), strict=True))


def reasons(error: Refusal | ValidationError) -> str:
    """Return what is wrong with a row, in one line."""
    errors = answer_to(error)[1]["errors"]
    return "; ".join(f"{one['attr']}: {one['detail']}" if one["attr"] else one["detail"] for one in errors)
