"""Replay a past period of a source with other weights, limits, activity or strategy."""

import sys
from collections.abc import Iterator
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.utils.formats import number_format
from django.utils.translation import gettext as _
from rich.table import Table

from distribution.history import WEIGHT
from distribution.management import arguments
from distribution.management.base import DatabaseCommand
from distribution.management.interruption import INTERRUPTED, ending_at_once
from distribution.management.progress import progress_of
from distribution.management.tables import rendered
from distribution.period import Period
from distribution.phrases import percent
from distribution.simulation.events import Key
from distribution.simulation.question import SEED, Question, answer
from distribution.simulation.report import Pair, Report, Waits, clock
from distribution.strategy import STRATEGIES
from operators.models import HIGHEST_LIMIT, HIGHEST_WEIGHT


class Command(DatabaseCommand):
    """Show what would have been, beside what was."""

    def add_arguments(self, parser: CommandParser) -> None:
        """Name the source, the period, and what should have been otherwise."""
        parser.description = _(
            "Replay the arrivals and the handling times of a past period in memory with other weights, limits, activity"
            " or strategy, and show shares, waiting times, highest loads and who was left waiting, before and after."
            " Nothing is written. An OPERATOR is an id or an exact name, a MOMENT a date or a date with a time:"
            " 2026-05-04 or 2026-05-04T09:30. What is not named stays as it was recorded. Exit code 0 when it was"
            " simulated, 1 on an error or when the period was not recorded, 130 when interrupted."
        )
        add = parser.add_argument
        add("--source", required=True, metavar="CODE", help=_("the source to ask about"))
        add("--from", required=True, metavar="MOMENT", help=_("the beginning of the period"))
        add("--to", required=True, metavar="MOMENT", help=_("its end; a moment to come means now"))
        several: dict[str, Any] = {"action": "append", "default": []}
        add("--weight", metavar="OPERATOR=N", help=_("another weight on the source; may be repeated"), **several)
        add("--limit", metavar="OPERATOR=N", help=_("another limit; may be repeated"), **several)
        add("--activate", metavar="OPERATOR", help=_("active all through the period; may be repeated"), **several)
        add("--deactivate", metavar="OPERATOR", help=_("inactive all through it; may be repeated"), **several)
        add("--strategy", choices=sorted(STRATEGIES), help=_("another strategy of the source"))
        add("--seed", type=int, default=SEED, help=_("another number for draws that have no recorded ticket (1)"))

    def handle(self, **options: Any) -> None:
        """Simulate, print the tables and one line that sums up."""
        question = asked(options)
        with ending_at_once() as ended:
            report = answer(question, reading=progress_of(_("Reading")), simulating=progress_of(_("Simulating")))
            self.stdout.write(rendered(source_table(report), operator_table(report)))
            self.stdout.write(summary(report))
        if ended.is_set():
            sys.exit(INTERRUPTED)


def asked(options: dict[str, Any]) -> Question:
    """Return the question that the options ask. Raises CommandError and EmptyPeriod."""
    source = arguments.source(options["source"])
    changes: dict[Key, Any] = {}
    for text in options["weight"]:
        operator, number = arguments.operator_and_number(text, HIGHEST_WEIGHT)
        changes[Key(WEIGHT, operator.pk, source.pk)] = number
    for text in options["limit"]:
        operator, number = arguments.operator_and_number(text, HIGHEST_LIMIT)
        changes[Key("max_load", operator.pk)] = number
    for is_active, names in ((True, options["activate"]), (False, options["deactivate"])):
        for text in names:
            key = Key("is_active", arguments.operator(text).pk)
            if key in changes:
                raise CommandError(_("--activate and --deactivate name the same operator."))
            changes[key] = is_active
    if options["strategy"] is not None:
        changes[Key("strategy", None, source.pk)] = options["strategy"]
    period = Period.in_the_past(arguments.moment(options["from"]), arguments.moment(options["to"]))
    return Question(source, period, changes, options["seed"])


def source_table(report: Report) -> Table:
    """Return the sources: waiting times and who waits at the end, before and after."""
    names = (
        *(_("source"), _("contacts"), _("half waited up to"), _("95 in a hundred waited up to")),
        *(_("longest wait"), _("waiting at the end")),
    )
    table = _table(*names)
    for row in report.sources:
        waits = [_arrow(Pair(*(clock(side[place]) for side in row.waits))) for place in range(len(Waits._fields))]
        table.add_row(row.name, str(row.contacts), *waits, _arrow(row.unassigned))
    return table


def operator_table(report: Report) -> Table:
    """Return the operators: weights, contacts, shares and highest loads, before and after."""
    table = _table(_("operator"), _("weight"), _("contacts given"), _("share"), _("highest load"))
    for row in report.operators:
        weight = _arrow(Pair(*("–" if side is None else str(side) for side in row.weight)))
        share = _arrow(Pair(*(percent(side) for side in row.share)))
        table.add_row(row.name, weight, _arrow(row.given), share, _arrow(row.peak))
    return table


def summary(report: Report) -> str:
    """Return the line that sums up."""
    return " ".join(_sentences(report))


def _sentences(report: Report) -> Iterator[str]:
    row = report.source
    yield _("Contacts: %(contacts)s.") % {"contacts": row.contacts}
    yield _("Largest shift of a share: %(points)s points.") % {"points": number_format(100 * report.largest_shift, 1)}
    yield _("95 in a hundred waited up to %(before)s, and would have waited up to %(after)s.") % {
        "before": clock(row.waits.before.most),
        "after": clock(row.waits.after.most),
    }
    yield _("Waiting at the end: %(before)s, would be %(after)s.") % row.unassigned._asdict()
    if report.impossible:
        yield _("Actions by hand that could not be repeated: %(number)s.") % {"number": report.impossible}
    yield _("Nothing was written.")


def _table(first: str, *others: str) -> Table:
    table = Table()
    table.add_column(first)
    for name in others:
        table.add_column(name, justify="right")
    return table


def _arrow(pair: Pair[Any]) -> str:
    """Return both values, or the one that they are."""
    return str(pair.before) if pair.before == pair.after else f"{pair.before} → {pair.after}"
