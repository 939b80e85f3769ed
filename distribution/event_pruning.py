"""Removing old events with their deliveries, from the oldest on and without a gap, so that cursors stay honest."""

from collections.abc import Iterator
from datetime import datetime

from django.db.models import F, QuerySet
from django.db.models.fields.tuple_lookups import TupleLessThan

from crm_project.webhooks.models import Attempt, Delivery, DeliveryState
from distribution.models import Event
from distribution.transactions import in_transaction


def old_events(before: datetime) -> QuerySet[Event]:
    """Return the events that can go, the oldest first.

    It ends at the first that an endpoint still waits for. The last of the old ones stays: by it one sees that whoever
    has a cursor before it has missed some.
    """
    events = Event.objects.order_by("transaction_id", "pk")
    recent = events.filter(at__gte=before)
    awaited = events.filter(deliveries__state=DeliveryState.PENDING, deliveries__endpoint__is_active=True)
    ends = [events.filter(_before(end)).last() if end else events.last() for end in (recent.first(), awaited.first())]
    if None in ends:
        return events.none()
    return events.filter(*(_before(end) for end in ends if end is not None))


def prune_events(before: datetime, batch: int) -> Iterator[int]:
    """Remove what can go, a batch in each transaction, and yield how many events went."""
    while went := _prune_some(before, batch):
        yield went


@in_transaction
def _prune_some(before: datetime, batch: int) -> int:
    ids = list(old_events(before).values_list("pk", flat=True)[:batch])
    for rows in (
        Attempt.objects.filter(delivery__in=Delivery.objects.filter(event__in=ids)),
        Delivery.objects.filter(event__in=ids),
        Event.objects.filter(pk__in=ids),
    ):
        rows.order_by()._raw_delete(rows.db)
    return len(ids)


def _before(event: Event) -> TupleLessThan:
    return TupleLessThan((F("transaction_id"), F("pk")), (event.transaction_id, event.pk))
