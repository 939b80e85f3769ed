"""Contacts from a table: which column is what, and what each row says."""

import csv
import hashlib
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import batched, islice, zip_longest
from pathlib import Path
from typing import IO, Any, NamedTuple

from django.utils.translation import get_language
from django.utils.translation import gettext as _
from rest_framework.exceptions import ValidationError

from crm_project.api.errors import answer_to
from crm_project.api.refusals import Refusal
from crm_project.cells import as_written
from distribution.intake import Intake
from distribution.intake_in_bulk import MOST_IN_A_CHUNK, Foreseen, foreseen, register_chunk
from leads.bulk import Outcome, Row, outcomes, read, readable
from leads.models import event_id_of_row
from leads.showing import intake_serializer

FIELDS = ("external_id", "source_code", "name", "phone", "email", "text", "event_id")
EVENT_ID = "event_id"
COMMENT = "#"  # begins the heading of a column that is for people, and not imported
STANDARD_INPUT = "-"
DELIMITERS = ",;\t"
DIGITS_OF_A_FILE = 20


class NoTable(ValueError):
    """The file cannot be read as a table; the text says why."""


class Line(NamedTuple):
    """A row of the table: its number as a spreadsheet counts, its cells as they were, and what they say.

    By its event id it is recognised when it comes again, in this table or in the list of refused rows.
    """

    number: int
    cells: Sequence[str]
    event_id: str
    row: Row


class Part(NamedTuple):
    """Which rows of a table are imported, when several commands share it: of its hundreds each the next in turn."""

    number: int
    of: int

    def has(self, row: int) -> bool:
        """Return whether the row of this number belongs to it."""
        return (row - 1) // MOST_IN_A_CHUNK % self.of == self.number - 1


@dataclass(frozen=True)
class Columns:
    """Which heading stands for which field, and what a row is when it names no source."""

    headings: Mapping[str, str] = field(default_factory=dict)
    source_code: str = ""

    def heading_of(self, name: str) -> str:
        """Return the heading of a field."""
        return self.headings.get(name, name)

    def is_imported(self, heading: str) -> bool:
        """Return whether the column is no comment."""
        return not heading.startswith(COMMENT) or heading in self.headings.values()

    def said_by(self, cells: Mapping[str, str], event_id: str) -> dict[str, Any]:
        """Return the fields of a contact; what stands under other headings becomes its data, but for comments."""
        named = {name: cells.get(self.heading_of(name), "") for name in FIELDS}
        others = filter(self.is_imported, cells.keys() - set(map(self.heading_of, FIELDS)))
        said: dict[str, Any] = {"source_code": self.source_code, EVENT_ID: event_id}
        said |= {name: value for name, value in named.items() if value}
        return said | {"data": {heading: cells[heading] for heading in sorted(others) if cells[heading]}}


class ContactTable:
    """A table of contacts in CSV and UTF-8, with headings, or a part of it. Raises NoTable, and OSError."""

    def __init__(self, path: Path, columns: Columns, part: Part) -> None:
        self._path = path
        self._columns = columns
        self._part = part
        self.delimiter = self._told_by_first_line()
        self.headings = next((cells for _number, cells in self._rows()), [])
        self.length = sum(1 for _row in self._own_rows())
        # Read again, the same row of the same file is recognised: so an import that broke off may be repeated.
        with path.open("rb") as file:
            self._name = hashlib.file_digest(file, "sha256").hexdigest()[:DIGITS_OF_A_FILE]
        self._check_headings()

    def lines(self) -> Iterator[Line]:
        """Yield the rows below the headings, of the part."""
        serializer = intake_serializer(get_language())
        for place, number, cells in self._own_rows():
            said = self._columns.said_by(self._named(cells), event_id_of_row(self._name, place))
            row = without_heading() if any(self._without_heading(cells)) else read(said, serializer)
            yield Line(number, cells, said[EVENT_ID], row)

    @property
    def recognisable_headings(self) -> list[str]:
        """The headings of `recognisable` rows."""
        event_id = self._columns.heading_of(EVENT_ID)
        return [event_id, *(one for one in self.headings if one and one != event_id and self._columns.is_imported(one))]

    def recognisable(self, line: Line) -> list[str]:
        """Return the cells of a row with its event id first and without comments, those without a heading last."""
        named = self._named(line.cells) | {self._columns.heading_of(EVENT_ID): line.event_id}
        return [*(named.get(one, "") for one in self.recognisable_headings), *self._without_heading(line.cells)]

    def _named(self, cells: Sequence[str]) -> dict[str, str]:
        return {heading: cell for heading, cell in zip(self.headings, cells, strict=False) if heading}

    def _without_heading(self, cells: Sequence[str]) -> list[str]:
        return [cell for heading, cell in zip_longest(self.headings, cells, fillvalue="") if not heading]

    def _own_rows(self) -> Iterator[tuple[int, int, list[str]]]:
        """Yield the rows of the part: their places below the headings, empty ones not counted, their numbers, cells."""
        rows = enumerate(islice(self._rows(), 1, None), 1)
        return ((place, number, cells) for place, (number, cells) in rows if self._part.has(place))

    def _rows(self) -> Iterator[tuple[int, list[str]]]:
        with self._readable() as text:
            rows = enumerate(csv.reader(text, delimiter=self.delimiter), 1)
            yield from ((number, [as_written(cell) for cell in cells]) for number, cells in rows if cells)

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
        imported = Counter(heading for heading in self.headings if heading and self._columns.is_imported(heading))
        if twice := [heading for heading, times in imported.items() if times > 1]:
            raise NoTable(_("Several columns are called %(headings)s.") % {"headings": ", ".join(twice)})


def without_heading() -> ValidationError:
    """Return what is wrong with a row in which a text with a comma stands without quotes, say."""
    return ValidationError(_("A cell of the row has no heading above it."))


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


def rehearse(table: ContactTable) -> Iterator[list[tuple[Line, Foreseen | ValidationError]]]:
    """Yield the rows with what `foreseen` says of each, or why it cannot be read; nothing is written."""
    return _by_chunks(table, foreseen)


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
