"""What the commands of this package have in common."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import Error
from django.utils.translation import gettext as _

from crm_project.access.acting import Actor, acting
from crm_project.api.refusals import Refusal
from crm_project.logs import said


class DatabaseCommand(BaseCommand):
    """A command that works on the database alone, and ends with one line and exit code 1 when that is away."""

    requires_system_checks = ()

    def execute(self, *args: Any, **options: Any) -> Any:
        """Run the command. Raises CommandError for a refusal and for an error of the database."""
        name = type(self).__module__.rpartition(".")[2]
        try:
            with acting(Actor(f"command:{name}", name)):
                return super().execute(*args, **options)
        except Refusal as refusal:
            raise CommandError(str(refusal)) from refusal
        except Error as error:
            raise CommandError(_("The database failed: %(error)s") % {"error": said(error)}) from error
