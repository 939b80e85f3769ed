"""Give the waiting contacts of all sources to whoever has room."""

import logging
from threading import Event
from typing import Any

from django.core.management.base import CommandParser
from django.db import Error, connections
from django.utils.translation import gettext as _

from crm_project.logs import said
from distribution.management import arguments
from distribution.management.base import DatabaseCommand
from distribution.management.interruption import ending_at_once
from distribution.queue import drain
from leads.models import Contact, Source

logger = logging.getLogger(__name__)


class Command(DatabaseCommand):
    """Drain every source, once or again and again."""

    def add_arguments(self, parser: CommandParser) -> None:
        """Say what the command does and what --every changes."""
        parser.description = _("Give waiting contacts, oldest first, to available operators.")
        parser.add_argument(
            "--every",
            metavar="SECONDS",
            help=_("Do it again and again with a pause of so many seconds, until SIGTERM or Ctrl-C."),
        )

    def handle(self, *, every: str | None, **_options: Any) -> None:
        """Drain once, or until a signal comes."""
        pause = None if every is None else arguments.pause(every)
        with ending_at_once() as ended:
            if pause is None:
                self._drain()
            else:
                self._drain_until(ended, pause)

    def _drain_until(self, ended: Event, pause: float) -> None:
        while not ended.is_set():
            try:
                self._drain(only_if_given=True)
            except Error as error:
                logger.warning("The queue was not drained; the next try is in %g s: %s", pause, said(error))
                connections.close_all()
            ended.wait(pause)

    def _drain(self, *, only_if_given: bool = False) -> None:
        given = drain(Source.objects.all())
        if given or not only_if_given:
            waiting = Contact.objects.waiting().count()
            self.stdout.write(_("Given: %(given)s. Still waiting: %(waiting)s.") % {"given": given, "waiting": waiting})
            self.stdout.flush()
