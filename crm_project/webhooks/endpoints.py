"""What is done to endpoints and their deliveries by hand, and how far behind the sending is."""

from collections.abc import Collection, Iterable
from datetime import timedelta
from itertools import batched

from django.db import transaction
from django.db.models import Exists, Min, OuterRef, Q, QuerySet
from django.db.models.functions import Now
from django.utils import timezone

from crm_project.webhooks.leases import ROWS_AT_ONCE, free, listening, lock, oldest
from crm_project.webhooks.messages import new_secret
from crm_project.webhooks.models import Attempt, Delivery, DeliveryState, Endpoint, EventKind, Secret, Subscription

BOTH_VALID = timedelta(days=1)
FAILING_TOO_LONG = timedelta(days=1)


@transaction.atomic
def subscribe(endpoint: Endpoint, kinds: Iterable[str], source_ids: Collection[int] | None) -> None:
    """Let the endpoint hear of these kinds of events on these sources, None for all, and of nothing else."""
    sources: Collection[int | None] = [None] if source_ids is None else source_ids
    endpoint.subscriptions.all().delete()
    Subscription.objects.bulk_create(
        Subscription(endpoint=endpoint, kind=kind, source_id=source_id) for kind in kinds for source_id in sources
    )


def kinds_heard(endpoint: Endpoint) -> list[EventKind]:
    """Return the kinds of events that the endpoint is told of."""
    return [EventKind(kind) for kind in sorted(set(endpoint.subscriptions.values_list("kind", flat=True)))]


def sources_heard(endpoint: Endpoint) -> list[int] | None:
    """Return the ids of the sources whose events the endpoint is told of; None for all."""
    ids = set(endpoint.subscriptions.order_by().values_list("source", flat=True))
    return None if None in ids else sorted(one for one in ids if one is not None)


@transaction.atomic
def add_secret(endpoint: Endpoint) -> str:
    """Return a new secret of the endpoint; the last one is valid for another day beside it, and none before that."""
    Endpoint.objects.select_for_update(no_key=True).get(pk=endpoint.pk)
    now = timezone.now()
    endpoint.secrets.valid().filter(expires_at__isnull=False).update(expires_at=now)
    endpoint.secrets.filter(expires_at__isnull=True).update(expires_at=now + BOTH_VALID)
    return Secret.objects.create(endpoint=endpoint, value=new_secret()).value


@transaction.atomic
def switch_on(endpoint: Endpoint) -> None:
    """Let the endpoint be told again, of what still waits for it too, beginning now."""
    anew = {"is_active": True, "is_gone": False, "failing_since": None, "paused_until": None}
    _send_from_now_on(endpoint.deliveries.filter(state=DeliveryState.PENDING))
    Endpoint.objects.filter(pk=endpoint.pk).update(**anew)


def remove(endpoint: Endpoint) -> None:
    """Delete the endpoint with its secrets and its whole log, of which nothing is read."""
    Endpoint.objects.filter(pk=endpoint.pk).update(is_active=False)
    with transaction.atomic():
        endpoint.subscriptions.all().delete()
        # Whoever has just called it finds that they hold nothing any more, and writes nothing down.
        held = lock(endpoint.deliveries.filter(lease__isnull=False).only("pk"))
        Delivery.objects.filter(pk__in=[delivery.pk for delivery in held]).update(lease=None, leased_until=None)
        for rows in (Attempt.objects.filter(delivery__endpoint=endpoint), endpoint.deliveries.all()):
            rows._raw_delete(rows.db)
        endpoint.delete()


@transaction.atomic
def send_again(deliveries: QuerySet[Delivery]) -> int:
    """Let deliveries that are over be sent once more, with the same id and body; return how many there are."""
    return _send_from_now_on(deliveries.exclude(state=DeliveryState.PENDING))


def seconds_behind() -> float:
    """Return for how long the oldest delivery that nobody sends has been due; 0 when there is none.

    What an endpoint that fails has not heard yet is no delay of ours, as long as somebody calls it.
    """
    called = Delivery.objects.filter(endpoint=OuterRef("pk"), leased_until__gt=Now())
    deaf = Q(Exists(called), failing_since__isnull=False)
    hearing = listening().exclude(deaf).annotate(due_at=oldest(free()))
    since = hearing.aggregate(since=Min("due_at"))["since"]
    return 0.0 if since is None else max((timezone.now() - since).total_seconds(), 0.0)


def in_need() -> QuerySet[Endpoint]:
    """Return the endpoints that somebody should look at: those that are gone, or have failed for a day."""
    failing = Endpoint.objects.filter(is_active=True, failing_since__lt=timezone.now() - FAILING_TOO_LONG)
    return failing | Endpoint.objects.filter(is_gone=True)


def _send_from_now_on(deliveries: QuerySet[Delivery]) -> int:
    locked = [delivery.pk for delivery in lock(deliveries.only("pk"))]
    for some in batched(locked, ROWS_AT_ONCE):
        Delivery.objects.filter(pk__in=some).update(state=DeliveryState.PENDING, due_at=Now(), attempts=0)
    return len(locked)
