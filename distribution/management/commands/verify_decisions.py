"""Prove that the decisions were made as they are recorded."""

import sys
from typing import Any

from django.core.management.base import CommandParser
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from distribution.management import arguments
from distribution.management.base import DatabaseCommand
from distribution.management.interruption import INTERRUPTED, ending_at_once
from distribution.management.progress import with_progress
from distribution.models import Decision
from distribution.proof.snapshot import snapshot
from distribution.verification import examined, number_to_examine


class Command(DatabaseCommand):
    """Replay every decision and follow every ledger, and exit with 1 when something is wrong."""

    def add_arguments(self, parser: CommandParser) -> None:
        """Say what the command does and which decisions it can be narrowed to."""
        parser.description = _(
            "Replay every draw from what is recorded of it, follow the ledger of every operator from row to row, and"
            " hold the settings to their history. Writes nothing and keeps nobody waiting. Exit code 0 when everything"
            " holds, 1 when something does not or on an error, 130 when interrupted."
        )
        add = parser.add_argument
        add("--source", metavar="CODE", help=_("of the decisions, only those on this source; the ledgers all the same"))
        add("--since", metavar="TIME", help=_("of the decisions, only those made since: 30m, 2h or 7d ago"))

    def handle(self, *, source: str | None, since: str | None, **_options: Any) -> None:
        """List what is wrong, and sum up in one line."""
        decisions = narrowed(source, since)
        with ending_at_once() as ended, snapshot():
            number = decisions.count()
            wrong = self._wrong(decisions)
        if ended.is_set():
            self.stdout.write(_("Interrupted."))
            sys.exit(INTERRUPTED)
        replayed = ngettext("%(n)d decision looked at.", "%(n)d decisions looked at.", number) % {"n": number}
        if wrong:
            self.stdout.write(f"{replayed} {_('Wrong: %(number)s.') % {'number': wrong}}")
            sys.exit(1)
        self.stdout.write(f"{replayed} {_('All is well.')}")

    def _wrong(self, decisions: QuerySet[Decision]) -> int:
        """Write what is wrong, and return how much."""
        wrong = 0
        for found in with_progress(examined(decisions), _("Verifying"), number_to_examine(decisions)):
            if found is not None:
                wrong += 1
                self.stdout.write(str(found))
        return wrong


def narrowed(source: str | None, since: str | None) -> QuerySet[Decision]:
    """Return the decisions that the options ask for. Raises CommandError."""
    decisions = Decision.objects.all()
    if source is not None:
        decisions = decisions.filter(source=arguments.source(source))
    if since is not None:
        decisions = decisions.filter(at__gte=timezone.now() - arguments.duration(since))
    return decisions
