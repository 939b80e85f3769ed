"""The sender: takes deliveries up, calls the endpoints side by side, and writes down what came of it.

Only the thread that runs the worker uses the database; calls are made in threads, a few for each endpoint, so that one
that is slow or dead holds up nobody but itself.
"""

import logging
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from threading import Event

from django.conf import settings
from django.utils import timezone

from crm_project.webhooks.answers import Answer, Failure
from crm_project.webhooks.leases import Parcel, endpoints_with_work, take_up, write_down
from crm_project.webhooks.messages import headers
from crm_project.webhooks.sending import call
from crm_project.webhooks.threads import begun

CALLS_AT_ONCE = 4
MOST_CALLS = 400  # each in a thread
SECONDS_BETWEEN_LOOKS = 0.2

logger = logging.getLogger(__name__)


@dataclass
class Worker:
    """Sends what is due, until it is told to end.

    When the database fails, what it was doing raises; it may be told to go on, and forgets no call it has made.
    """

    ended: Event
    told: Callable[[Parcel, Answer], None] = lambda _parcel, _answer: None
    _under_way: dict[Future[Answer], Parcel] = field(default_factory=dict)

    def run(self) -> None:
        """Send again and again."""
        while not self.ended.is_set():
            self._begin_turn()
            if self._under_way:
                self._write_down(SECONDS_BETWEEN_LOOKS)
            else:
                self.ended.wait(SECONDS_BETWEEN_LOOKS)

    def send_all(self) -> None:
        """Send what is due by now, each delivery once."""
        moment = timezone.now()
        self._begin_turn(moment)
        while self._under_way and not self.ended.is_set():
            self._write_down(SECONDS_BETWEEN_LOOKS)
            self._begin_turn(moment)

    def finish(self) -> None:
        """Wait for what is under way, and write it down."""
        while self._under_way:
            self._write_down(None)

    def _begin_turn(self, moment: datetime | None = None) -> None:
        """Take up what is due. What is known is written down first: its lease may have run out while nobody could."""
        self._write_down(0)
        self._take_up(moment)

    def _take_up(self, moment: datetime | None = None) -> None:
        for endpoint_id in endpoints_with_work(moment):
            if (places := self._free_places(endpoint_id)) > 0:
                for parcel in take_up(endpoint_id, places, moment):
                    self._under_way[begun(partial(sent, parcel))] = parcel

    def _free_places(self, endpoint_id: int) -> int:
        of_endpoint = sum(parcel.endpoint_id == endpoint_id for parcel in self._under_way.values())
        return min(CALLS_AT_ONCE - of_endpoint, MOST_CALLS - len(self._under_way))

    def _write_down(self, seconds: float | None) -> None:
        """Wait so long for some call to end, and write down those that have."""
        done, _others = wait(self._under_way, timeout=seconds, return_when=FIRST_COMPLETED)
        for future in done:
            parcel, answer = self._under_way[future], future.result()
            write_down(parcel, answer)
            del self._under_way[future]
            self.told(parcel, answer)


def sent(parcel: Parcel) -> Answer:
    """Call the endpoint with the message, signed now. What fails on our side is an answer too: it stops no other."""
    if not parcel.secrets:
        return Answer(failure=Failure.UNSIGNED)
    try:
        signed = headers(parcel.event_id, parcel.body, parcel.secrets, timezone.now())
        return call(parcel.url, signed, parcel.body, settings.WEBHOOK_TIMEOUT_SECONDS)
    except Exception:
        logger.exception("Delivery %d could not be sent", parcel.delivery_id)
        return Answer(failure=Failure.ERROR)
