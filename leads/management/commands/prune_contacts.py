"""Remove old closed contacts, and the leads who have none left."""

import os
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from typing import IO, Any

from django.core.management.base import CommandError, CommandParser
from django.utils import timezone
from django.utils.translation import gettext as _
from rest_framework.renderers import JSONRenderer

from distribution.contact_pruning import closed_before, in_batches, remove_contacts
from distribution.management import arguments
from distribution.management.base import DatabaseCommand
from distribution.management.interruption import INTERRUPTED, stopping_between_steps, until
from distribution.management.progress import with_progress
from leads.models import Contact
from leads.showing import shown


class Command(DatabaseCommand):
    """Remove what has been closed for long, in small batches, each written down first."""

    def add_arguments(self, parser: CommandParser) -> None:
        """Name the age, where the contacts go before, and what changes the way of removing."""
        parser.description = _(
            "Remove contacts that have been closed for long, and leads who have no others. Whatever a decision, a"
            " ledger or an event still names stays: run prune_decisions and prune_events with the same age first."
            " Safe to interrupt at any time. Exit code 0 when everything old went, 1 when something stayed or on an"
            " error, 130 when interrupted."
        )
        add = parser.add_argument
        add("--older-than", required=True, metavar="TIME", help=_("what has been closed for so long: 12h, 90d"))
        add("--export", metavar="FILE", help=_("first add the contacts to this file, a line of JSON each"))
        add("--batch", metavar="N", default="500", help=_("so many rows in a transaction, up to 10000; otherwise 500"))
        add("--dry-run", action="store_true", help=_("write nothing, and say what would happen"))

    def handle(self, *, older_than: str, export: str | None, batch: str, dry_run: bool, **_options: Any) -> None:
        """Remove what is old, and sum up in one line."""
        before, size = timezone.now() - arguments.duration(older_than), arguments.size_of_batch(batch)
        tally = Counter[str](old=closed_before(before).count())
        try:
            with stopping_between_steps() as stop, ExitStack() as stack:
                file = stack.enter_context(Path(export).open("a", encoding="utf-8")) if export and not dry_run else None
                stack.callback(lambda: self.stdout.write(" ".join(summary(tally, dry_run, stop.is_set()))))
                steps = until(stop, in_batches(before, size))
                for contacts in with_progress(steps, _("Pruning"), -(-tally["old"] // size)):
                    tally.update(contacts=len(contacts)) if dry_run else tally.update(gone(contacts, before, file))
        except OSError as error:
            raise CommandError(str(error)) from error
        if stop.is_set():
            sys.exit(INTERRUPTED)
        if tally["old"] > tally["contacts"]:
            sys.exit(1)


def gone(contacts: list[Contact], before: datetime, file: IO[str] | None) -> dict[str, int]:
    """Write the contacts down, if there is a file, remove them, and return how many rows went."""
    if file is not None:
        file.writelines(f"{JSONRenderer().render(shown(contact)).decode()}\n" for contact in contacts)
        # On the disk before anything is removed, so that a power cut loses nothing.
        file.flush()
        os.fsync(file.fileno())
    return remove_contacts([contact.pk for contact in contacts], before)._asdict()


def summary(tally: Counter[str], dry_run: bool, interrupted: bool) -> Iterator[str]:
    """Yield the sentences that say what went and what stays."""
    if interrupted:
        yield _("Interrupted, the rest stays.")
    if dry_run:
        yield _("Nothing was written; this would go: contacts %(contacts)d.") % {"contacts": tally["contacts"]}
    else:
        yield _("Removed: contacts %(contacts)d, leads %(leads)d.") % {
            "contacts": tally["contacts"],
            "leads": tally["leads"],
        }
    kept = tally["old"] - tally["contacts"]
    if kept and not interrupted:
        yield _("Kept, because decisions, ledgers or events name them: %(kept)d.") % {"kept": kept}
