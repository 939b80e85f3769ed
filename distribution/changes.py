"""Every event of contacts from a certain one on, for those who ask instead of being told."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Collection
from typing import NamedTuple

from django.db import connection
from django.db.models import BigIntegerField, F, Func, QuerySet
from django.db.models.fields.tuple_lookups import TupleGreaterThan, TupleLessThanOrEqual

from distribution.errors import CursorExpired, CursorUnknown
from distribution.models import Event

LATEST = "latest"
# What begins from here on may belong to a transaction that is open still.
OLDEST_OPEN = Func(template="pg_snapshot_xmin(pg_current_snapshot())::text::bigint", output_field=BigIntegerField())


class Cursor(NamedTuple):
    """The last event that somebody has seen."""

    transaction_id: int
    event_id: int

    @classmethod
    def read(cls, text: str) -> "Cursor":
        """Return what `written` wrote; the beginning for an empty text. Raises CursorUnknown."""
        if not text:
            return BEGINNING
        if text == LATEST:
            return _latest()
        try:
            transaction_id, event_id = urlsafe_b64decode(text.encode()).decode().split(".")
            return cls(_number(transaction_id), _number(event_id))
        except ValueError as error:
            raise CursorUnknown from error

    def written(self) -> str:
        """Return the cursor as a text."""
        return urlsafe_b64encode(f"{self.transaction_id}.{self.event_id}".encode()).decode()


BEGINNING = Cursor(0, 0)


class Changes(NamedTuple):
    """Events, the oldest first, the cursor behind the last of them, and whether there are more already."""

    events: list[Event]
    cursor: Cursor
    more: bool


def changes_after(cursor: Cursor, most: int, among: Collection[int] | None) -> Changes:
    """Return the next events of contacts after the cursor, of these sources, None for all.

    An event is shown when no transaction is open that began before its own, so that none that commits late is passed
    by. Raises CursorExpired when events after the cursor have been pruned.
    """
    latest = _latest()
    events = _settled().filter(TupleGreaterThan((F("transaction_id"), F("id")), cursor), contact__isnull=False)
    if among is not None:
        events = events.filter(source__in=among)
    found = list(events.select_related("contact", "source", "operator")[: most + 1])
    _check_kept(cursor)  # after the look: what is pruned goes from the oldest on, so nothing was missing by then
    shown = found[:most]
    seen = [Cursor(event.transaction_id, event.pk) for event in shown[-1:]]
    if len(found) > most:
        return Changes(shown, seen[0], more=True)
    # What others are told of lies behind whoever has seen all of theirs: else their cursor would expire with it.
    return Changes(shown, max(cursor, latest, *seen), more=False)


def _settled() -> QuerySet[Event]:
    """Return the events that nothing can come before any more, in the order of their transactions."""
    events = Event.objects.order_by("transaction_id", "pk")
    if connection.vendor == "postgresql":
        return events.filter(transaction_id__lt=OLDEST_OPEN)
    return events


def _latest() -> Cursor:
    last = _settled().last()
    return BEGINNING if last is None else Cursor(last.transaction_id, last.pk)


def _check_kept(cursor: Cursor) -> None:
    """Raise CursorExpired when the event at the cursor, or one before it, is no longer there: others may be missing."""
    if cursor == BEGINNING or Event.objects.filter(_up_to(cursor)).exists():
        return
    raise CursorExpired


def _up_to(cursor: Cursor) -> TupleLessThanOrEqual:
    return TupleLessThanOrEqual((F("transaction_id"), F("id")), cursor)


def _number(text: str) -> int:
    number = int(text)
    if not (text.isascii() and text.isdecimal() and number < 2**63):
        raise ValueError(text)
    return number
