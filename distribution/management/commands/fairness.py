"""Report whether the draws of a source were fair."""

import sys
from typing import Any

from django.core.management.base import CommandParser
from django.utils.formats import number_format
from django.utils.translation import gettext as _
from django.utils.translation import pgettext
from rich.table import Table

from distribution.fairness import Verdict
from distribution.fairness_report import OperatorFinding, Report, fairness_report
from distribution.fairness_words import (
    counts_of,
    missed_by,
    name_of,
    unreadable_of,
    verdict_of,
    verdict_on,
)
from distribution.management import arguments
from distribution.management.base import DatabaseCommand
from distribution.management.interruption import INTERRUPTED, ending_at_once
from distribution.management.progress import progress_of
from distribution.management.tables import rendered
from distribution.period import Period
from distribution.wording import signed, tenths

A_REAL_SKEW = 3


class Command(DatabaseCommand):
    """Show what chance gave to each operator of a source, what it should have given, and the verdict."""

    def add_arguments(self, parser: CommandParser) -> None:
        """Name the source and the period."""
        parser.description = _(
            "Count every draw of a source in a period, refused ones too, and say for each operator how often they were"
            " drawn, how often they should have been, and whether the difference is ordinary chance. Writes nothing."
            " Exit code 0, 1 on an error, 3 when there is a real skew, 130 when interrupted."
        )
        add = parser.add_argument
        add("--source", required=True, metavar="CODE", help=_("whose draws are counted"))
        add("--from", metavar="MOMENT", help=_("from this moment on, such as 2026-11-01 or 2026-11-01T09:00+03:00"))
        add("--to", metavar="MOMENT", help=_("before this moment; 30 days up to now unless told otherwise"))

    def handle(self, **options: Any) -> None:
        """Show the table and the verdict, and exit with the code that tells it."""
        source = arguments.source(options["source"])
        period = Period.of(*(arguments.moment(options[name]) if options[name] else None for name in ("from", "to")))
        report = None
        with ending_at_once():
            report = fairness_report(source, period, watch=progress_of(_("Counting")))
        if report is None:
            sys.exit(INTERRUPTED)
        self._show(report)
        if report.judgement.verdict == Verdict.REAL_SKEW:
            sys.exit(A_REAL_SKEW)

    def _show(self, report: Report) -> None:
        if report.operators:
            self.stdout.write(rendered(table_of(report)))
        for line in filter(None, [counts_of(report), unreadable_of(report), verdict_of(report)]):
            self.stdout.write(line)


def table_of(report: Report) -> Table:
    """Return the table of the operators."""
    table = Table(title=str(report.source))
    table.add_column(pgettext("fairness report", "operator"))
    for header in numbers():
        table.add_column(header, justify="right")
    table.add_column(pgettext("fairness report", "missed"))
    table.add_column(pgettext("fairness report", "verdict"))
    for row in report.operators:
        table.add_row(*cells_of(row), style="bold red" if row.is_skewed else None)
    return table


def numbers() -> list[str]:
    """Return the headers of the columns that hold numbers."""
    return [
        pgettext("fairness report", "expected"),
        pgettext("fairness report", "drawn"),
        pgettext("fairness report", "difference"),
        pgettext("fairness report", "by chance"),
        "z",
        "p",
        pgettext("fairness report", "alone"),
        pgettext("fairness report", "by hand"),
        pgettext("fairness report", "returned"),
    ]


def cells_of(row: OperatorFinding) -> list[str]:
    """Return what the table says of an operator."""
    tally, finding = row.tally, row.finding
    return [
        name_of(row),
        tenths(tally.expected),
        number_format(tally.drawn),
        signed(tally.difference),
        f"± {tenths(finding.band)}",
        "" if tally.z is None else signed(tally.z),
        number_format(round(finding.p_value, 4), 4),
        *(number_format(number) for number in (tally.alone, tally.by_hand, tally.returned)),
        missed_by(row),
        verdict_on(row),
    ]
