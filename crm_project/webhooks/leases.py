"""Taking deliveries up, each by one sender at a time, and writing down what came of them."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID, uuid4

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Exists, F, Model, OuterRef, Q, QuerySet
from django.utils import timezone

from crm_project.webhooks.messages import body_of
from crm_project.webhooks.models import Attempt, Delivery, DeliveryState, Endpoint, Secret
from crm_project.webhooks.retries import pause_after
from crm_project.webhooks.sending import Answer

GONE = 410
ASKED_TO_WAIT = {429, 503}


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


def endpoints_with_work() -> list[int]:
    """Return the endpoints for which something could be sent now."""
    return list(due().order_by().values_list("endpoint", flat=True).distinct())


def due() -> QuerySet[Delivery]:
    """Return what should be sent now, to endpoints that are switched on and have not asked to wait."""
    now = timezone.now()
    listening = Q(endpoint__paused_until__isnull=True) | Q(endpoint__paused_until__lte=now)
    return Delivery.objects.filter(listening, endpoint__is_active=True, state=DeliveryState.PENDING, due_at__lte=now)


def take_up(endpoint_id: int, most: int) -> list[Parcel]:
    """Take up the oldest due deliveries of an endpoint that nobody else holds, of each contact the first alone.

    The lease lasts longer than a call may take; whoever dies gives it back by its end.
    """
    lease, until = uuid4(), timezone.now() + timedelta(seconds=2 * settings.WEBHOOK_TIMEOUT_SECONDS + 5)
    with transaction.atomic():
        deliveries = list(_free(endpoint_id).select_for_update(skip_locked=_can_skip(), of=("self",))[:most])
        held = Delivery.objects.filter(pk__in=[delivery.pk for delivery in deliveries])
        held.update(lease=lease, leased_until=until, attempts=F("attempts") + 1)
        return _parcels(endpoint_id, deliveries, lease)


def write_down(parcel: Parcel, answer: Answer) -> None:
    """Store what came of a delivery, and what that says of its endpoint; nothing when its lease has been taken over."""
    with transaction.atomic():
        held = Delivery.objects.select_for_update(of=("self",)).filter(pk=parcel.delivery_id, lease=parcel.lease)
        for delivery in held.select_related("endpoint"):
            Attempt.objects.create(
                delivery=delivery,
                milliseconds=answer.milliseconds,
                status=answer.status,
                failure=answer.failure,
                answer=answer.text,
            )
            _settle(delivery, answer)
            _judge(delivery.endpoint, answer)


def _free(endpoint_id: int) -> QuerySet[Delivery]:
    earlier = Delivery.objects.filter(
        endpoint=OuterRef("endpoint"),
        contact__isnull=False,
        contact=OuterRef("contact"),
        state=DeliveryState.PENDING,
        pk__lt=OuterRef("pk"),
    )
    nobody = Q(leased_until__isnull=True) | Q(leased_until__lt=timezone.now())
    return due().filter(nobody, ~Exists(earlier), endpoint=endpoint_id).order_by("due_at", "pk")


def _parcels(endpoint_id: int, deliveries: Sequence[Delivery], lease: UUID) -> list[Parcel]:
    if not deliveries:
        return []
    endpoint = Endpoint.objects.get(pk=endpoint_id)
    secrets = list(Secret.objects.valid().filter(endpoint=endpoint).values_list("value", flat=True))
    return [
        Parcel(one.pk, lease, one.event_id, endpoint_id, endpoint.url, body, secrets)
        for one, body in zip(deliveries, _bodies(deliveries), strict=True)
    ]


def _bodies(deliveries: Sequence[Delivery]) -> list[str]:
    """Return the messages, each written at its first attempt and the same at every other."""
    unwritten = [delivery.pk for delivery in deliveries if not delivery.body]
    related = ("event__contact", "event__source", "event__operator")
    for delivery in Delivery.objects.filter(pk__in=unwritten).select_related(*related):
        body = body_of(delivery.event)
        Delivery.objects.filter(pk=delivery.pk).update(body=body)
        next(one for one in deliveries if one.pk == delivery.pk).body = body
    return [delivery.body for delivery in deliveries]


def _settle(delivery: Delivery, answer: Answer) -> None:
    """Say whether the delivery is over, and if not, when it is sent again."""
    pause = None if answer.is_heard else pause_after(delivery.attempts, random.random, answer.retry_after)
    if answer.is_heard:
        delivery.state = DeliveryState.DELIVERED
    elif pause is None:
        delivery.state = DeliveryState.GIVEN_UP
    else:
        delivery.due_at = timezone.now() + timedelta(seconds=pause)
    delivery.lease = delivery.leased_until = None
    delivery.save(update_fields=["state", "due_at", "lease", "leased_until"])


def _judge(endpoint: Endpoint, answer: Answer) -> None:
    """Note on the endpoint since when it fails, that it wants to be left alone, or that it is gone for good."""
    now = timezone.now()
    if answer.is_heard:
        _set(endpoint, failing_since=None, paused_until=None)
        return
    _set(endpoint, failing_since=endpoint.failing_since or now)
    if answer.status == GONE:
        _set(endpoint, is_active=False, is_gone=True)
    elif answer.status in ASKED_TO_WAIT and answer.retry_after:
        _set(endpoint, paused_until=_later(now, answer.retry_after))


def _later(now: datetime, seconds: float) -> datetime:
    return now + timedelta(seconds=min(seconds, timedelta(days=1).total_seconds()))


def _set(row: Model, **values: object) -> None:
    """Store what differs."""
    changed = [name for name, value in values.items() if getattr(row, name) != value]
    for name in changed:
        setattr(row, name, values[name])
    if changed:
        row.save(update_fields=changed)


def _can_skip() -> bool:
    return connection.features.has_select_for_update_skip_locked
