"""Taking deliveries up, each by one sender at a time, and writing down what came of them.

Moments of leases are those of the database, so that machines whose clocks differ agree on who holds what.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import batched
from uuid import UUID, uuid4

from django.conf import settings
from django.db import transaction
from django.db.models import Model, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Now
from django.utils import timezone

from crm_project.webhooks.answers import Answer
from crm_project.webhooks.messages import body_of
from crm_project.webhooks.models import Attempt, Delivery, DeliveryState, Endpoint, Secret
from crm_project.webhooks.retries import LONGEST_PAUSE, pause_after

GONE = 410
ASKED_TO_WAIT = {429, 503}
SECONDS_TO_WRITE_DOWN = 5
ROWS_AT_ONCE = 10_000


@dataclass(frozen=True)
class Parcel:
    """A delivery that was taken up: all that sending it needs."""

    delivery_id: int
    lease: UUID
    event_id: int
    endpoint_id: int
    url: str
    body: str
    secrets: Sequence[str]


def endpoints_with_work(moment: datetime | None = None) -> list[int]:
    """Return the endpoints that listen and for which something is due that nobody holds."""
    next_due = oldest(held_by_nobody())
    due = listening().alias(next_due=next_due).filter(next_due__lte=moment or Now())
    return list(due.order_by("pk").values_list("pk", flat=True))


def listening() -> QuerySet[Endpoint]:
    """Return the endpoints that are switched on and have not asked to wait."""
    not_paused = Q(paused_until__isnull=True) | Q(paused_until__lte=Now())
    return Endpoint.objects.filter(not_paused, is_active=True)


def free(moment: datetime | None = None) -> QuerySet[Delivery]:
    """Return what is due, now or at a moment before, and held by nobody: of each contact the first alone."""
    is_first = Q(contact__isnull=True) | Q(pk=_first_of_contact("pk"))
    return held_by_nobody().filter(is_first, due_at__lte=moment or Now())


def _first_of_contact(column: str) -> Subquery:
    """Return, for a query of deliveries, a column of the first that the endpoint is to be told of the same contact.

    It is no join: PostgreSQL, which plans by numbers a minute old, reads the wrong index for one.
    """
    of_contact = Delivery.objects.filter(
        endpoint=OuterRef("endpoint"), contact=OuterRef("contact"), state=DeliveryState.PENDING
    )
    return Subquery(of_contact.order_by("pk").values(column)[:1])


def held_by_nobody() -> QuerySet[Delivery]:
    """Return what is to be sent and is not being sent."""
    no_lease = Q(leased_until__isnull=True) | Q(leased_until__lt=Now())
    return Delivery.objects.filter(no_lease, state=DeliveryState.PENDING)


def oldest(deliveries: QuerySet[Delivery]) -> Subquery:
    """Return, for a query of endpoints, since when the first of these deliveries has been due, or will be."""
    of_endpoint = deliveries.filter(endpoint=OuterRef("pk"))
    return Subquery(of_endpoint.order_by("due_at").values("due_at")[:1])


def take_up(endpoint_id: int, most: int, moment: datetime | None = None) -> list[Parcel]:
    """Take up the free deliveries of an endpoint that have been due for longest.

    The lease lasts longer than a call may take; whoever dies gives it back by its end. An endpoint that was switched
    off meanwhile gets nothing.
    """
    with transaction.atomic():
        rows = free(moment).filter(endpoint=endpoint_id, endpoint__is_active=True).order_by("due_at", "pk")
        locked = rows.select_for_update(skip_locked=True, no_key=True, of=("self",)).values_list("pk", flat=True)
        # In a statement of its own: a join would show a contact as it was before it was erased.
        related = ("endpoint", "event__contact", "event__source", "event__operator")
        deliveries = list(rows.filter(pk__in=list(locked[:most])).select_related(*related))
        if not deliveries:
            _put_off_what_looks_due(endpoint_id)
            return []
        lease = _lease(deliveries)
        secrets = list(Secret.objects.valid().filter(endpoint=endpoint_id).values_list("value", flat=True))
        return [
            Parcel(one.pk, lease, one.event_id, endpoint_id, one.endpoint.url, one.body, secrets) for one in deliveries
        ]


def write_down(parcel: Parcel, answer: Answer) -> None:
    """Store what came of a delivery, and what that says of its endpoint; nothing when its lease has been taken over."""
    with transaction.atomic():
        rows = Delivery.objects.filter(pk=parcel.delivery_id, lease=parcel.lease)
        for delivery in lock(rows.select_related("endpoint")):
            Attempt.objects.create(
                delivery=delivery,
                milliseconds=answer.milliseconds,
                status=answer.status,
                failure=answer.failure,
                # A message that was emptied meanwhile tells of somebody who is forgotten, and so may the answer.
                answer=answer.text if delivery.body else "",
            )
            _settle(delivery, answer)
            if delivery.endpoint.url == parcel.url:
                _judge(delivery.endpoint, answer)


def lock(deliveries: QuerySet[Delivery]) -> list[Delivery]:
    """Lock and return the deliveries, in the order of their keys: whoever locks several does it in that order."""
    return list(deliveries.select_for_update(no_key=True, of=("self",)).order_by("pk"))


def _lease(deliveries: Sequence[Delivery]) -> UUID:
    """Lease the deliveries, and write each message at its first attempt: it is the same at every other."""
    lease, seconds = uuid4(), 2 * settings.WEBHOOK_TIMEOUT_SECONDS + SECONDS_TO_WRITE_DOWN
    rows = Delivery.objects.filter(pk__in=[delivery.pk for delivery in deliveries])
    rows.update(lease=lease, leased_until=Now() + timedelta(seconds=seconds))
    for delivery in deliveries:
        if not delivery.body:
            delivery.body = body_of(delivery.event)
            Delivery.objects.filter(pk=delivery.pk).update(body=delivery.body)
    return lease


def _settle(delivery: Delivery, answer: Answer) -> None:
    """Say whether the delivery is over, and if not, when it is sent again."""
    delivery.attempts += 1
    delivery.lease = delivery.leased_until = None
    pause = None if answer.is_heard else pause_after(delivery.attempts, random.random, answer.retry_after)
    if answer.is_heard:
        delivery.state = DeliveryState.DELIVERED
    elif pause is None:
        delivery.state = DeliveryState.GIVEN_UP
    else:
        delivery.due_at = Now() + timedelta(seconds=pause)
        _put_off_what_follows(delivery)
    delivery.save(update_fields=["state", "attempts", "due_at", "lease", "leased_until"])


def _put_off_what_follows(delivery: Delivery) -> None:
    """Let what comes after for the same contact wait as long: until then nobody looks at it in vain."""
    if delivery.contact_id is not None:
        of_contact = Delivery.objects.filter(endpoint=delivery.endpoint_id, contact=delivery.contact_id)
        following = of_contact.filter(state=DeliveryState.PENDING, pk__gt=delivery.pk, due_at__lt=delivery.due_at)
        lock(following.only("pk"))
        following.update(due_at=delivery.due_at)


def _put_off_what_looks_due(endpoint_id: int) -> None:
    """Let what came after a failure, and is due but behind it, wait as long as what failed."""
    due = held_by_nobody().filter(endpoint=endpoint_id, due_at__lte=Now(), contact__isnull=False)
    behind = due.alias(first_due=_first_of_contact("due_at")).filter(first_due__gt=Now())
    for some in batched([delivery.pk for delivery in lock(behind.only("pk"))], ROWS_AT_ONCE):
        Delivery.objects.filter(pk__in=some).update(due_at=_first_of_contact("due_at"))


def _judge(endpoint: Endpoint, answer: Answer) -> None:
    """Note on the endpoint since when it fails, that it wants to be left alone, or that it is gone for good."""
    now = timezone.now()
    if answer.is_heard:
        _set(endpoint, failing_since=None)
        return
    _set(endpoint, failing_since=endpoint.failing_since or now)
    if answer.status == GONE:
        _set(endpoint, is_active=False, is_gone=True)
    elif answer.status in ASKED_TO_WAIT and answer.retry_after:
        _set(endpoint, paused_until=now + timedelta(seconds=min(answer.retry_after, LONGEST_PAUSE)))


def _set(row: Model, **values: object) -> None:
    """Store what differs."""
    changed = [name for name, value in values.items() if getattr(row, name) != value]
    for name in changed:
        setattr(row, name, values[name])
    if changed:
        row.save(update_fields=changed)
