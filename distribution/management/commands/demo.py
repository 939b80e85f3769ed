"""Fill a database of its own with an invented company."""

import os
import sys
from collections import Counter
from typing import Any

from django.core.management import call_command
from django.core.management.base import CommandError, CommandParser
from django.utils.translation import gettext as _

from distribution.demo import Demo, is_empty, is_told
from distribution.demo_accounts import make_accounts
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
            " in Russian, and make an account for each role. The same seed tells the same story, but for the draws."
        )
        parser.add_argument("--contacts", default="2000", metavar="N", help=_("how many contacts (2000)"))
        parser.add_argument("--seed", type=int, default=1, help=_("another number tells another story (1)"))
        parser.add_argument(
            "--once", action="store_true", help=_("leave a database as it is that has the demo already")
        )

    def handle(self, *, contacts: str, seed: int, once: bool, **_options: Any) -> None:
        """Migrate, refuse a database in use, fill it, sum up in one line and print the accounts, the only time."""
        if "DATABASE_URL" not in os.environ:
            raise CommandError(
                _("Name a database for the demo, so that yours stays as it is: DATABASE_URL=sqlite:///demo.db")
            )
        number = arguments.positive_number(contacts)
        call_command("migrate", interactive=False, verbosity=0)
        if once and is_told():
            return
        if not is_empty():
            raise CommandError(_("This database is in use. The demo needs an empty one: name another in DATABASE_URL."))
        self._fill(number, seed)

    def _fill(self, number: int, seed: int) -> None:
        with stopping_between_steps() as stop:
            demo = Demo(number, seed)
            for _step in with_progress(until(stop, demo.run()), _("Telling"), number):
                pass
            demo.set_back_times()
            accounts = make_accounts()
        self.stdout.write(summary())
        for account in accounts:
            self.stdout.write(
                _("Log in as %(login)s with the password %(password)s (shown only this once)")
                % {"login": account.name, "password": account.password}
            )
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
