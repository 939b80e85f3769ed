"""The outbox: what others are told of, stored with its deliveries in the transaction that makes it true."""

from collections.abc import Sequence
from typing import Any

from django.db.models import BigIntegerField, Exists, OuterRef, Q, QuerySet
from django.db.models.functions import Cast

from crm_project.sending import at_once
from crm_project.statements import KeptInsert, KeptStatement, kept_copy
from crm_project.statements_for_many import KeptInserts
from crm_project.webhooks.models import Delivery, EventKind, Subscription
from distribution.models import Event
from distribution.transactions import in_transaction
from leads.models import Contact
from operators.models import Weight

OF_ARRIVALS = (EventKind.ASSIGNED, EventKind.WAITING)

type Hearing = Sequence[tuple[str, int | None, int]]  # of which events, of which source, None for all, and the endpoint


def record_event(kind: EventKind, contact: Contact, previous_operator_id: int | None = None) -> None:
    """Store what became of the contact, stored and numbered by now, for everybody who wants to be told."""
    event_id = _insert_event.values(
        kind=kind,
        contact_id=contact.pk,
        source_id=contact.source_id,
        operator_id=contact.operator_id,
        previous_operator_id=previous_operator_id,
        sequence=contact.sequence,
    )
    _deliver(event_id, contact.pk, kind, contact.source_id)


def record_events(became: Sequence[tuple[EventKind, Contact]]) -> None:
    """Store the same of many arrivals, each assigned or waiting; what nobody hears of joins what is sent together."""
    hearing = _hearing_of_arrivals() if became else []
    if not hearing:
        _insert_events.values(_event(kind, contact) for kind, contact in became)
        return
    with at_once():
        event_ids = _insert_events.values(_event(kind, contact) for kind, contact in became)
        _insert_deliveries.values(
            {"event_id": event_id, "contact_id": contact.pk, "endpoint_id": endpoint_id}
            for event_id, (kind, contact) in zip(event_ids, became, strict=True)
            for endpoint_id in _endpoints(hearing, kind, contact.source_id)
        )


def _endpoints(hearing: Hearing, kind: EventKind, source_id: int) -> list[int]:
    return sorted({endpoint for of, source, endpoint in hearing if of == kind and source in (None, source_id)})


def _event(kind: EventKind, contact: Contact) -> dict[str, Any]:
    return {
        "kind": kind,
        "contact_id": contact.pk,
        "source_id": contact.source_id,
        "operator_id": contact.operator_id,
        "sequence": contact.sequence,
    }


def record_at_limit(operator_id: int) -> None:
    """Store that the operator has as many contacts as they may, for those who hear of one of their sources."""
    _deliver_of_operator(_insert_event.values(kind=EventKind.AT_LIMIT, operator_id=operator_id), operator_id)


@in_transaction
def send_test(endpoint_id: int) -> None:
    """Let the endpoint be told of nothing in particular, to see whether it hears."""
    event_id = _insert_event.values(kind=EventKind.TEST)
    Delivery.objects.create(event_id=event_id, endpoint_id=endpoint_id)


_insert_event = KeptInsert(Event)
_insert_events = KeptInserts(Event)
_insert_deliveries = KeptInserts(Delivery)


@kept_copy(Delivery, "event_id", "contact_id", "endpoint_id")
def _deliver(event_id: Any, contact_id: Any, kind: Any, source_id: Any) -> QuerySet[Any, Any]:
    of_source = Q(source__isnull=True) | Q(source_id=source_id)
    return _hearing(Q(kind=kind), of_source).values_list(_number(event_id), _number(contact_id), "endpoint_id")


@kept_copy(Delivery, "event_id", "endpoint_id")
def _deliver_of_operator(event_id: Any, operator_id: Any) -> QuerySet[Any, Any]:
    on_list = Exists(Weight.objects.filter(source=OuterRef("source"), operator_id=operator_id))
    hearing = _hearing(Q(kind=EventKind.AT_LIMIT), Q(source__isnull=True) | on_list)
    return hearing.values_list(_number(event_id), "endpoint_id").distinct()


@KeptStatement
def _hearing_of_arrivals() -> QuerySet[Any, Any]:
    hearing = _hearing(Q(kind__in=OF_ARRIVALS), Q())
    return hearing.order_by().values_list("kind", "source_id", "endpoint_id")


def _hearing(of_kind: Any, of_source: Any) -> QuerySet[Subscription]:
    return Subscription.objects.filter(of_kind, of_source, endpoint__is_active=True)


def _number(value: Any) -> Cast:
    return Cast(value, BigIntegerField())
