"""Fill a database of its own with an invented company."""

import os
import sys
from collections import Counter
from typing import Any

from django.core.management import call_command
from django.core.management.base import CommandError, CommandParser
from django.utils.translation import gettext as _

from distribution.demo import Demo, is_empty
from distribution.management import arguments
from distribution.management.base import DatabaseCommand
from distribution.management.interruption import INTERRUPTED, stopping_between_steps, until
from distribution.management.progress import with_progress
from leads.models import Contact, ContactStatus, Lead, Source
from operators.models import Operator


class Command(DatabaseCommand):
    """Tell the story into the database that DATABASE_URL names."""

    def add_arguments(self, parser: CommandParser) -> None:
        """Say what the command does, and how much of it can be had."""
        parser.description = _(
            "Fill the empty database that DATABASE_URL names with operators, sources, weights and a week of contacts,"
            " in Russian. The same seed tells the same story, but for the draws."
        )
        parser.add_argument("--contacts", default="2000", metavar="N", help=_("how many contacts (2000)"))
        parser.add_argument("--seed", type=int, default=1, help=_("another number tells another story (1)"))

    def handle(self, *, contacts: str, seed: int, **_options: Any) -> None:
        """Migrate, refuse a database in use, fill it and sum up in one line."""
        if "DATABASE_URL" not in os.environ:
            raise CommandError(
                _("Name a database for the demo, so that yours stays as it is: DATABASE_URL=sqlite:///demo.db")
            )
        number = arguments.positive_number(contacts)
        call_command("migrate", interactive=False, verbosity=0)
        if not is_empty():
            raise CommandError(_("This database is in use. The demo needs an empty one: name another in DATABASE_URL."))
        with stopping_between_steps() as stop:
            demo = Demo(number, seed)
            for _step in with_progress(until(stop, demo.run()), _("Telling"), number):
                pass
            demo.set_back_times()
        self.stdout.write(summary())
        if stop.is_set():
            sys.exit(INTERRUPTED)


def summary() -> str:
    """Return in one line what the database holds."""
    statuses = Counter(Contact.objects.values_list("status", flat=True))
    return _(
        "Operators: %(operators)s, sources: %(sources)s, leads: %(leads)s, contacts: %(contacts)s"
        " (closed: %(closed)s, active: %(active)s, waiting: %(waiting)s)."
    ) % {
        "operators": Operator.objects.count(),
        "sources": Source.objects.count(),
        "leads": Lead.objects.count(),
        "contacts": statuses.total(),
        **{status: statuses[status] for status in ContactStatus.values},
    }
