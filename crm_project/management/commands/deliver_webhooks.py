"""Tell the endpoints what happened."""

import logging
from collections import Counter
from threading import Event
from typing import Any

from django.core.management.base import CommandParser
from django.db import Error, connections
from django.utils.translation import gettext as _

from crm_project.logs import said
from crm_project.webhooks.answers import Answer
from crm_project.webhooks.leases import Parcel
from crm_project.webhooks.worker import Worker
from distribution.management.base import DatabaseCommand
from distribution.management.interruption import stopping_between_steps

SECONDS_AFTER_AN_ERROR = 2

logger = logging.getLogger(__name__)


class Command(DatabaseCommand):
    """Send the deliveries that are due, again and again or once."""

    def add_arguments(self, parser: CommandParser) -> None:
        """Say what the command does and what --once changes."""
        parser.description = _(
            "Send webhooks until SIGTERM or Ctrl-C. Any number of these may run at once, on any number of machines."
        )
        parser.add_argument("--once", action="store_true", help=_("Send what is due now, and end."))

    def handle(self, *, once: bool, **_options: Any) -> None:
        """Send until a signal comes, or once, and sum up in one line."""
        tally = Counter[bool]()

        def count(_parcel: Parcel, answer: Answer) -> None:
            tally[answer.is_heard] += 1

        with stopping_between_steps() as ended:
            worker = Worker(ended, told=count)
            if once:
                worker.send_all()
            else:
                self._send_until(ended, worker)
            worker.finish()
        counts = {"heard": tally[True], "failed": tally[False]}
        self.stdout.write(_("Delivered: %(heard)s. Failed: %(failed)s.") % counts)

    def _send_until(self, ended: Event, worker: Worker) -> None:
        while not ended.is_set():
            try:
                worker.run()
            except Error as error:
                logger.warning("Nothing was sent; the next try is in %g s: %s", SECONDS_AFTER_AN_ERROR, said(error))
                connections.close_all()
                ended.wait(SECONDS_AFTER_AN_ERROR)
