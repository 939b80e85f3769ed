"""Files that a spreadsheet writes and opens: CSV in the encodings of Excel, and XLSX."""

import csv
import io
import zipfile
from collections.abc import Iterable, Iterator
from typing import Any

import tablib
from django.utils.translation import gettext as _
from import_export.formats.base_formats import CSV, XLSX, Format
from openpyxl import load_workbook

from crm_project.cells import as_written

MOST_ROWS = 2_000
MOST_COLUMNS = 50
MOST_UNPACKED_BYTES = 20 * 1024 * 1024
DELIMITERS = ";,\t"
EXCEL_DELIMITER = ";"
EXCEL_MARK = "\ufeff"  # says UTF-8


class Unreadable(ValueError):
    """The file is no table that can be read; the text says what to do."""


class Spreadsheet(Format):
    """A CSV or an XLSX, told apart by what is in it."""

    def __init__(self, encoding: str | None = None) -> None:
        """Take no notice of the encoding: it is told from the file."""

    def get_title(self) -> str:
        """Return what the form calls it."""
        return "CSV, XLSX"

    def can_import(self) -> bool:
        """Whether it can be read."""
        return True

    def create_dataset(self, in_stream: bytes) -> Any:
        """Return the table in the file. Raises Unreadable."""
        try:
            lines = xlsx_lines(in_stream) if in_stream.startswith(b"PK") else csv_lines(in_stream)
            return table(list(lines))
        except Unreadable:
            raise
        except Exception as error:
            raise Unreadable(
                _("The file cannot be read. Save it as CSV (UTF-8 or Windows-1251, with ; or ,) or as XLSX.")
            ) from error


class ExcelCSV(CSV):
    """A CSV that Excel opens as it is: semicolons, and a mark that says UTF-8. It is sent while it is read."""


class Workbook(XLSX):
    """An XLSX."""


def csv_lines(data: bytes) -> Iterator[list[str]]:
    """Yield the lines of a CSV; the delimiter is the commonest in its first line."""
    text = decoded(data)
    first = text.split("\n", 1)[0]
    delimiter = max(DELIMITERS, key=first.count)
    yield from csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)


def decoded(data: bytes) -> str:
    """Return the text: UTF-8, UTF-16 with its mark («Unicode text» of Excel), else Windows-1251. Raises ValueError."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        text = data.decode("utf-16")
    else:
        try:
            text = data.decode("utf-8-sig")
        except UnicodeDecodeError:
            text = data.decode("cp1251")
    if "\0" in text:
        raise ValueError("a text has no NUL")
    return text


def xlsx_lines(data: bytes) -> Iterator[list[str]]:
    """Yield the lines of the first sheet. Raises ValueError for one that unpacks to more than anybody types."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        if sum(member.file_size for member in archive.infolist()) > MOST_UNPACKED_BYTES:
            raise ValueError("too large when unpacked")
    book = load_workbook(io.BytesIO(data), read_only=True, data_only=True)
    # One row more than is taken, so that it can be told; the sheet's own size may be a lie.
    for row in book.worksheets[0].iter_rows(max_row=MOST_ROWS + 2, max_col=MOST_COLUMNS, values_only=True):
        yield [cell_text(value) for value in row]


def cell_text(value: object) -> str:
    """Return a cell as a person would type it."""
    match value:
        case None:
            return ""
        case bool():
            return "1" if value else "0"
        case float() if value.is_integer():
            return str(int(value))
    return str(value)


def table(lines: list[list[str]]) -> Any:
    """Return the lines as a table without its empty lines, the first line above it. Raises Unreadable."""
    cells = [[as_written(cell.strip()) for cell in line] for line in lines]
    filled = [line for line in cells if any(line)]
    if not filled:
        raise Unreadable(_("The file is empty."))
    headers = [header.lower() for header in without_empty_end(filled[0])]
    if len(filled) - 1 > MOST_ROWS:
        sentence = _("The file has more than %(most)d rows. Divide it into several.")
        raise Unreadable(sentence % {"most": MOST_ROWS})
    return tablib.Dataset(*rows_under(headers, filled[1:]), headers=headers)


def rows_under(headers: list[str], lines: Iterable[list[str]]) -> Iterator[list[str]]:
    """Yield the lines, each as long as the headers. Raises Unreadable for a longer one."""
    for number, line in enumerate(lines, 1):
        row = without_empty_end(line)
        if len(row) > len(headers):
            sentence = _("Row %(number)d has more cells than the first line has headings.")
            raise Unreadable(sentence % {"number": number})
        yield row + [""] * (len(headers) - len(row))


def without_empty_end(line: list[str]) -> list[str]:
    """Return the cells up to the last that is filled."""
    while line and not line[-1]:
        line = line[:-1]
    return line
