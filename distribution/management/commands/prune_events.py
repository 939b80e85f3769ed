"""Remove old events and what came of telling them."""

import sys
from typing import Any

from django.core.management.base import CommandParser
from django.utils import timezone
from django.utils.translation import gettext as _

from distribution.event_pruning import old_events, prune_events
from distribution.management import arguments
from distribution.management.base import DatabaseCommand
from distribution.management.interruption import INTERRUPTED, stopping_between_steps, until
from distribution.management.progress import with_progress


class Command(DatabaseCommand):
    """Remove events from the oldest on, in small batches."""

    def add_arguments(self, parser: CommandParser) -> None:
        """Name the age, and what changes the way of removing."""
        parser.description = _(
            "Remove old events with their deliveries, from the oldest on, up to the first that an endpoint still waits"
            " for. Safe to interrupt at any time. Exit code 0, 1 on an error, 130 when interrupted."
        )
        add = parser.add_argument
        add("--older-than", required=True, metavar="TIME", help=_("what is older than so long: 12h, 90d"))
        add("--batch", metavar="N", default="500", help=_("so many rows in a transaction, up to 10000; otherwise 500"))
        add("--dry-run", action="store_true", help=_("write nothing, and say what would happen"))

    def handle(self, *, older_than: str, batch: str, dry_run: bool, **_options: Any) -> None:
        """Remove what is old, and sum up in one line."""
        before, size = timezone.now() - arguments.duration(older_than), arguments.size_of_batch(batch)
        there = old_events(before).count()
        if dry_run:
            self.stdout.write(_("Nothing was written; this would go: events %(events)s.") % {"events": there})
            return
        went = 0
        with stopping_between_steps() as stop:
            try:
                for some in with_progress(until(stop, prune_events(before, size)), _("Pruning"), -(-there // size)):
                    went += some
            finally:
                self.stdout.write(_("Removed: events %(events)s.") % {"events": went})
        if stop.is_set():
            sys.exit(INTERRUPTED)
