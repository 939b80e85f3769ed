"""Remove old decisions and rows of ledgers."""

import sys
from collections import Counter
from collections.abc import Iterator
from typing import Any

from django.core.management.base import CommandParser
from django.utils import timezone
from django.utils.translation import gettext as _

from distribution.management import arguments
from distribution.management.base import DatabaseCommand
from distribution.management.interruption import INTERRUPTED, stopping_between_steps, until
from distribution.management.progress import with_progress
from distribution.pruning import Pruning, Step, number_of_steps, prune


class Command(DatabaseCommand):
    """Prove what is old and remove it in small batches; what does not hold stays."""

    def add_arguments(self, parser: CommandParser) -> None:
        """Name the age, and what changes the way of removing."""
        parser.description = _(
            "Remove old decisions, the rows of the ledgers beside them and stored lists of operators that no decision"
            " names any more. Whatever goes is verified before; what does not hold stays and is listed. The history of"
            " settings is kept for ever. Safe to interrupt at any time: what is left can be verified. Exit code 0 when"
            " everything old went, 1 when something stayed or on an error, 130 when interrupted."
        )
        add = parser.add_argument
        add("--older-than", required=True, metavar="TIME", help=_("what is older than so long: 12h, 90d"))
        add("--batch", metavar="N", default="500", help=_("so many rows in a transaction, up to 10000; otherwise 500"))
        add("--dry-run", action="store_true", help=_("write nothing, and say what would happen"))

    def handle(self, *, older_than: str, batch: str, dry_run: bool, **_options: Any) -> None:
        """Remove what is old, and sum up in one line."""
        before = timezone.now() - arguments.duration(older_than)
        pruning = Pruning(before=before, batch=arguments.size_of_batch(batch), dry_run=dry_run)
        tally = Counter[str]()
        with stopping_between_steps() as stop:
            try:
                for step in with_progress(until(stop, prune(pruning)), _("Pruning"), number_of_steps(pruning)):
                    self._add(step, tally)
            finally:
                self.stdout.write(" ".join(summary(tally, dry_run=dry_run, interrupted=stop.is_set())))
        if stop.is_set():
            sys.exit(INTERRUPTED)
        if tally["kept"]:
            sys.exit(1)

    def _add(self, step: Step, tally: Counter[str]) -> None:
        tally.update(decisions=step.decisions, ledger_rows=step.ledger_rows, rosters=step.rosters, kept=len(step.kept))
        for found in step.kept:
            self.stdout.write(str(found))


def summary(tally: Counter[str], *, dry_run: bool, interrupted: bool) -> Iterator[str]:
    """Yield the sentences that say what went and what stays."""
    if interrupted:
        yield _("Interrupted, the rest stays.")
    yield _("Nothing was written; this would go:") if dry_run else _("Removed:")
    counts = {name: tally[name] for name in ("decisions", "ledger_rows", "rosters", "kept")}
    yield _("decisions %(decisions)s, rows of ledgers %(ledger_rows)s, lists of operators %(rosters)s.") % counts
    if counts["kept"]:
        yield _("Kept, because it does not hold: %(kept)s.") % counts
