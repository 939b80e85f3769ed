"""Register the contacts of a table."""

import re
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.utils.translation import gettext as _
from rest_framework.exceptions import ValidationError

from crm_project.api.refusals import Refusal
from distribution.intake import Registration
from distribution.intake_in_bulk import MOST_IN_A_CHUNK, Foreseen
from distribution.management.base import DatabaseCommand
from distribution.management.interruption import INTERRUPTED, stopping_between_steps, until
from distribution.management.progress import with_progress
from distribution.queue import draining_at_the_end
from leads.importing import FIELDS, Columns, ContactTable, NoTable, Part, opened, reasons, rehearse, store
from leads.refused_rows import RefusedRows, beside

SOME_WERE_REFUSED = 3


class Command(DatabaseCommand):
    """Register contacts from a CSV, by the same rules as those that bots send."""

    def add_arguments(self, parser: CommandParser) -> None:
        """Name the file, what its columns are, and where refused rows go."""
        parser.description = _(
            "Register the contacts of a CSV in UTF-8 with headings, in its order, a hundred in a transaction. A column"
            " is what its heading says: %(fields)s; any other is kept in the data of the contact, but those whose"
            " heading begins with # are left out. Interrupted, or killed, it may be run again with the same file: what"
            " was stored is recognised, and nothing comes twice. So it is with the list of refused rows, once mended."
            " Exit code 0 when all are stored, 1 on an error, 3 when some rows were refused, 130 when interrupted."
        ) % {"fields": ", ".join(FIELDS)}
        add = parser.add_argument
        add("file", metavar="FILE", help=_("the table, - for the standard input"))
        add("--source", default="", metavar="CODE", help=_("the source of the rows that name none"))
        add(
            "--column",
            action="append",
            default=[],
            metavar="FIELD=HEADING",
            help=_("the heading of a field, where it is another word; may be given several times"),
        )
        add("--refused", metavar="FILE", help=_("where refused rows go; otherwise beside the table"))
        add(
            "--part",
            default="1/1",
            metavar="K/N",
            help=_("only every Nth hundred of the rows, from the Kth on, for several commands that share a table"),
        )
        add("--dry-run", action="store_true", help=_("write nothing, and say what would happen"))

    def handle(self, *, file: str, refused: str | None, part: str, dry_run: bool, **options: Any) -> None:
        """Register the rows or rehearse it, sum up in one line, and exit with the code that tells the outcome."""
        columns, own = Columns(dict(map(heading, options["column"])), options["source"]), part_of(part)
        try:
            with ExitStack() as stack:
                table = ContactTable(stack.enter_context(opened(file)), columns, own)
                rows = RefusedRows(Path(refused) if refused else beside(file, own), table, stack)
                tally, is_whole = self._rehearse(table) if dry_run else self._store(table, rows)
        except (NoTable, OSError) as error:
            raise CommandError(str(error)) from error
        if not is_whole:
            sys.exit(INTERRUPTED)
        if tally["refused"]:
            sys.exit(SOME_WERE_REFUSED)

    def _store(self, table: ContactTable, refused: RefusedRows) -> tuple[Counter[str], bool]:
        tally = Counter[str]()
        with stopping_between_steps() as stop:
            try:
                with draining_at_the_end():
                    for outcomes in self._watched(until(stop, store(table)), table):
                        for line, result in outcomes:
                            tally[became(result)] += 1
                            if not isinstance(result, Registration):
                                refused.add(line, reasons(result))
            finally:
                self.stdout.write(" ".join(summary(tally, refused.path)))
        return tally, tally.total() == table.length

    def _rehearse(self, table: ContactTable) -> tuple[Counter[str], bool]:
        tally = Counter[str]()
        for outcomes in self._watched(rehearse(table), table):
            for line, result in outcomes:
                tally[would_become(result)] += 1
                if isinstance(result, Refusal | ValidationError):
                    self.stderr.write(_("Line %(line)s: %(why)s") % {"line": line.number, "why": reasons(result)})
        counts = {name: tally[name] for name in ("stored", "known", "refused")}
        self.stdout.write(
            _(
                "Nothing was written; would be stored: %(stored)s, stored before: %(known)s, would be refused:"
                " %(refused)s."
            )
            % counts
        )
        return tally, True

    def _watched[T](self, chunks: Iterable[T], table: ContactTable) -> Iterable[T]:
        return with_progress(chunks, _("Importing"), -(-table.length // MOST_IN_A_CHUNK))


def heading(text: str) -> tuple[str, str]:
    """Return the field and the heading that an option names. Raises CommandError."""
    name, equals, told = text.partition("=")
    if name not in FIELDS or not equals or not told:
        raise CommandError(
            _("--column %(text)s: write FIELD=HEADING, with one of the fields %(fields)s.")
            % {"text": text, "fields": ", ".join(FIELDS)}
        )
    return name, told


def part_of(text: str) -> Part:
    """Return the part that an option names. Raises CommandError."""
    named = re.fullmatch(r"([0-9]{1,4})/([0-9]{1,4})", text)
    if named and 1 <= int(named[1]) <= int(named[2]):
        return Part(int(named[1]), int(named[2]))
    raise CommandError(_("--part %(text)s: write K/N, such as 1/2 and 2/2 for two commands.") % {"text": text})


def became(result: Registration | Refusal | ValidationError) -> str:
    """Return what became of a row."""
    if not isinstance(result, Registration):
        return "refused"
    return "stored" if result.created else "known"


def would_become(result: Foreseen | ValidationError) -> str:
    """Return what a row would become."""
    if isinstance(result, Refusal | ValidationError):
        return "refused"
    return "stored" if result is None else "known"


def summary(tally: Counter[str], refused: Path) -> Iterator[str]:
    """Yield the sentences that say what was done."""
    yield _("Stored: %(stored)s. Stored before: %(known)s.") % {"stored": tally["stored"], "known": tally["known"]}
    if tally["refused"]:
        yield _("Refused: %(refused)s, listed in %(file)s.") % {"refused": tally["refused"], "file": refused}
