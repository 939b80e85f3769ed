"""Revoke an API key: from now on it opens nothing."""

from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.utils.translation import gettext as _

from crm_project.access.keys import revoke
from crm_project.access.models import ApiKey
from distribution.management.base import DatabaseCommand


class Command(DatabaseCommand):
    """Revoke the key with a prefix."""

    def add_arguments(self, parser: CommandParser) -> None:
        """Say what the command does and what it takes."""
        parser.description = _("Revoke an API key at once.")
        parser.add_argument("prefix", metavar="PREFIX", help=_("The eight characters after crm_, or the whole key."))

    def handle(self, *, prefix: str, **_options: Any) -> None:
        """Revoke the key and say so."""
        short = prefix.removeprefix("crm_").partition("_")[0]
        keys = ApiKey.objects.filter(prefix=short)
        if not keys.exists():
            raise CommandError(_("There is no API key that begins with crm_%(prefix)s.") % {"prefix": short})
        done = _("Revoked: crm_%(prefix)s.") if revoke(keys) else _("crm_%(prefix)s was revoked before.")
        self.stdout.write(done % {"prefix": short})
