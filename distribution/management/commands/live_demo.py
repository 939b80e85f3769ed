"""Let contacts arrive and be closed by themselves in a database with the demo."""

from random import Random
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.utils.translation import gettext as _

from distribution.demo import is_told
from distribution.demo_life import STEPS, live
from distribution.management import arguments
from distribution.management.base import DatabaseCommand
from distribution.management.interruption import ending_at_once


class Command(DatabaseCommand):
    """Do so many things at a gentle pace, until a signal comes."""

    def add_arguments(self, parser: CommandParser) -> None:
        """Say what the command does, and how much of it."""
        parser.description = _("Let contacts arrive and be closed by themselves in a database that holds the demo.")
        parser.add_argument("--steps", default=str(STEPS), metavar="N", help=_("how many of both together (5000)"))

    def handle(self, *, steps: str, **_options: Any) -> None:
        """Refuse a database without the demo, and let life go on in the other."""
        number = arguments.positive_number(steps)
        if not is_told():
            raise CommandError(_("This database does not hold the demo."))
        with ending_at_once() as ended:
            live(Random(), number, ended.wait)
