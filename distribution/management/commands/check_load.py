"""Check the rules on the live database."""

import sys
from typing import Any

from django.core.management.base import CommandParser
from django.utils.translation import gettext as _

from distribution.audit import Finding, audit, mend
from distribution.management.base import DatabaseCommand


class Command(DatabaseCommand):
    """List what breaks a rule, and exit with 1 when something does."""

    def add_arguments(self, parser: CommandParser) -> None:
        """Say what the command does and what --fix adds."""
        parser.description = _(
            "Check that every load is the number of active contacts, that no limit was passed, and that nobody waits"
            " beside an available operator, once the queue is drained. Exit code 1 when something is wrong."
        )
        parser.add_argument(
            "--fix",
            action="store_true",
            help=_("Correct the loads and drain the queue, then check again. A limit that was passed stays reported."),
        )

    def handle(self, *, fix: bool, **_options: Any) -> None:
        """Check, mend when asked to, and check again."""
        findings = self._checked()
        if findings and fix:
            self.stdout.write(_("Loads corrected: %(number)s.") % {"number": mend(findings)})
            findings = self._checked()
        if findings:
            self.stdout.write(_("Wrong: %(number)s.") % {"number": len(findings)})
            sys.exit(1)
        self.stdout.write(_("All is well."))

    def _checked(self) -> list[Finding]:
        findings = audit()
        for finding in findings:
            self.stdout.write(str(finding))
        return findings
