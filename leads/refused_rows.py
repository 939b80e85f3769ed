"""The list of the rows of a table that were refused: a table itself, to be mended and imported."""

import csv
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from itertools import count
from pathlib import Path
from typing import IO, Any

from django.utils.translation import gettext as _

from crm_project.cells import harmless
from leads.importing import COMMENT, STANDARD_INPUT, ContactTable, Line, Part

REFUSED = ".refused.csv"


class RefusedRows:
    """Writes refused rows into a file, as they were and with the reason; makes no file when there are none.

    It opens in a spreadsheet as its table does, and runs nothing there. Mended, it is a table to import: the event
    ids in it say which rows were stored meanwhile.
    """

    def __init__(self, path: Path, table: ContactTable, stack: ExitStack) -> None:
        self.path = path
        self._table = table
        self._stack = stack
        self._writer: Any = None

    def add(self, line: Line, why: str) -> None:
        """Write one row. Raises OSError."""
        if self._writer is None:
            self._writer = csv.writer(self._stack.enter_context(self._opened()), delimiter=self._table.delimiter)
            comments = [f"{COMMENT} {text}" for text in (_("line"), _("why it was refused"))]
            self._write(*comments, *self._table.recognisable_headings)
        self._write(line.number, why, *self._table.recognisable(line))

    def _write(self, *cells: object) -> None:
        self._writer.writerow([harmless(cell) for cell in cells])

    def _opened(self) -> IO[str]:
        """Open a new file, for in one that is there may stand what somebody has mended, or another command writes."""
        names = _alternatives(self.path)
        while True:
            self.path = next(names)
            with suppress(FileExistsError):
                return self.path.open("w" if _is_no_file(self.path) else "x", encoding="utf-8-sig", newline="")


def beside(file: str, part: Part) -> Path:
    """Return where the refused rows of a table go, unless one says."""
    name = "contacts" if file == STANDARD_INPUT else file.removesuffix(".csv")
    return Path(f"{name}.{part.number}_of_{part.of}{REFUSED}" if part.of > 1 else f"{name}{REFUSED}")


def _alternatives(path: Path) -> Iterator[Path]:
    tail = REFUSED if path.name.endswith(REFUSED) else path.suffix
    yield path
    yield from (path.with_name(f"{path.name.removesuffix(tail)}.{number}{tail}") for number in count(2))


def _is_no_file(path: Path) -> bool:
    """Return whether it is a device or the like, which loses nothing."""
    return path.exists() and not path.is_file()
