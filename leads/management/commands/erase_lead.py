"""Erase what tells who a lead was."""

from typing import Any

from django.core.management.base import CommandParser
from django.utils.translation import gettext as _

from distribution.erasing import erase_lead
from distribution.management.base import DatabaseCommand
from leads.management.arguments import lead_named
from leads.models import Contact


class Command(DatabaseCommand):
    """Forget a lead; what counts and proves stays."""

    def add_arguments(self, parser: CommandParser) -> None:
        """Name the lead, and whether to look only."""
        parser.description = _(
            "Erase what tells who a lead was: what they are known by, and the name, phone, e-mail, text and data of"
            " their contacts. The contacts stay, with their operators and decisions. It cannot be undone; export_lead"
            " writes the data before. Exit code 0, or 1 on an error."
        )
        parser.add_argument("lead", metavar="LEAD", help=_("what the lead is known by, or the number: №12"))
        parser.add_argument("--dry-run", action="store_true", help=_("write nothing, and say what would happen"))

    def handle(self, *, lead: str, dry_run: bool, **_options: Any) -> None:
        """Erase the data, and sum up in one line."""
        found = lead_named(lead)
        counts = {"lead": found.pk, "contacts": Contact.objects.filter(lead=found).count()}
        if dry_run:
            self.stdout.write(_("Nothing was written; lead %(lead)d has contacts: %(contacts)d.") % counts)
            return
        erase_lead(found.pk)
        self.stdout.write(_("Lead %(lead)d is erased; contacts that stay without data: %(contacts)d.") % counts)
