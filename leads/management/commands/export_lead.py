"""Write everything that is stored of one lead."""

from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.utils.translation import gettext as _

from distribution.management.base import DatabaseCommand
from leads.management.arguments import lead_named
from leads.personal import as_json, data_of


class Command(DatabaseCommand):
    """Write what is known of a lead as JSON."""

    def add_arguments(self, parser: CommandParser) -> None:
        """Name the lead and the file."""
        parser.description = _(
            "Write everything that is stored of one lead as JSON: what they are known by, their contacts and what"
            " became of each. Exit code 0, or 1 on an error."
        )
        parser.add_argument("lead", metavar="LEAD", help=_("what the lead is known by, or the number: №12"))
        parser.add_argument("--output", metavar="FILE", help=_("a new file; otherwise the standard output"))

    def handle(self, *, lead: str, output: str | None, **_options: Any) -> None:
        """Write the data."""
        text = as_json(data_of(lead_named(lead).pk))
        if output is None:
            self.stdout.write(text)
            return
        try:
            with Path(output).open("x", encoding="utf-8") as file:
                file.write(text)
        except OSError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(_("Written to %(file)s.") % {"file": output})
