"""The sender: takes deliveries up, calls the endpoints side by side, and writes down what came of it.

Only the thread that runs the worker uses the database; calls are made in threads, a few for each endpoint, so that one
that is slow or dead holds up nobody but itself.
"""

from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from threading import Event

from django.conf import settings
from django.utils import timezone

from crm_project.webhooks.leases import Parcel, endpoints_with_work, take_up, write_down
from crm_project.webhooks.messages import headers
from crm_project.webhooks.sending import Answer, call

CALLS_AT_ONCE = 4
SECONDS_BETWEEN_LOOKS = 0.2


@dataclass
class Worker:
    """Sends what is due, until it is told to end."""

    ended: Event
    told: Callable[[Parcel, Answer], None] = lambda _parcel, _answer: None
    _callers: dict[int, ThreadPoolExecutor] = field(default_factory=dict)
    _under_way: dict[Future[Answer], Parcel] = field(default_factory=dict)

    def run(self) -> None:
        """Send again and again; at the end finish what is under way."""
        try:
            while not self.ended.is_set():
                self.look()
        finally:
            self._finish()

    def look(self) -> None:
        """Take up what is due, and write down what is done, after a short wait for some of it."""
        for endpoint_id in endpoints_with_work():
            for parcel in take_up(endpoint_id, self._free_places(endpoint_id)):
                self._send(parcel)
        if not self._under_way:
            self.ended.wait(SECONDS_BETWEEN_LOOKS)
        self._write_down(SECONDS_BETWEEN_LOOKS)

    def send_all(self) -> None:
        """Send what is due now, once, and return when all of it is over."""
        self.look()
        while self._under_way:
            self.look()
        self._finish()

    def _free_places(self, endpoint_id: int) -> int:
        return CALLS_AT_ONCE - sum(parcel.endpoint_id == endpoint_id for parcel in self._under_way.values())

    def _send(self, parcel: Parcel) -> None:
        callers = self._callers.setdefault(parcel.endpoint_id, ThreadPoolExecutor(CALLS_AT_ONCE))
        self._under_way[callers.submit(sent, parcel)] = parcel

    def _write_down(self, seconds: float | None) -> None:
        done, _others = wait(self._under_way, timeout=seconds, return_when=FIRST_COMPLETED)
        for future in done:
            parcel = self._under_way.pop(future)
            write_down(parcel, future.result())
            self.told(parcel, future.result())

    def _finish(self) -> None:
        while self._under_way:
            self._write_down(None)
        for callers in self._callers.values():
            callers.shutdown()
        self._callers.clear()


def sent(parcel: Parcel) -> Answer:
    """Call the endpoint with the message, signed now."""
    signed = headers(parcel.event_id, parcel.body, parcel.secrets, timezone.now())
    return call(parcel.url, signed, parcel.body, settings.WEBHOOK_TIMEOUT_SECONDS)
