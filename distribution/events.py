"""The outbox: what others are told of, stored with its deliveries in the transaction that makes it true."""

from collections.abc import Sequence
from typing import Any

from django.db.models import BigIntegerField, Exists, OuterRef, Q, QuerySet
from django.db.models.functions import Cast

from crm_project.statements import KeptInsert, KeptStatement, kept_copy
from crm_project.statements_for_many import KeptInserts
from crm_project.webhooks.models import Delivery, EventKind, Subscription
from distribution.models import Event
from distribution.transactions import in_transaction
from leads.models import Contact
from operators.models import Weight


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


def record_events(kind: EventKind, contacts: Sequence[Contact]) -> None:
    """Store the same of many contacts."""
    events = _insert_events.values(
        {
            "kind": kind,
            "contact_id": contact.pk,
            "source_id": contact.source_id,
            "operator_id": contact.operator_id,
            "sequence": contact.sequence,
        }
        for contact in contacts
    )
    hearing = _all_hearing(kind) if events else []
    _insert_deliveries.values(
        {"event_id": event, "contact_id": contact.pk, "endpoint_id": endpoint_id}
        for event, contact in zip(events, contacts, strict=True)
        for endpoint_id in sorted({endpoint for source, endpoint in hearing if source in (None, contact.source_id)})
    )


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
    return _hearing(kind, of_source).values_list(_number(event_id), _number(contact_id), "endpoint_id")


@kept_copy(Delivery, "event_id", "endpoint_id")
def _deliver_of_operator(event_id: Any, operator_id: Any) -> QuerySet[Any, Any]:
    on_list = Exists(Weight.objects.filter(source=OuterRef("source"), operator_id=operator_id))
    hearing = _hearing(EventKind.AT_LIMIT, Q(source__isnull=True) | on_list)
    return hearing.values_list(_number(event_id), "endpoint_id").distinct()


@KeptStatement
def _all_hearing(kind: Any) -> QuerySet[Any, Any]:
    return _hearing(kind, Q()).order_by().values_list("source_id", "endpoint_id")


def _hearing(kind: Any, of_source: Any) -> QuerySet[Subscription]:
    return Subscription.objects.filter(of_source, kind=kind, endpoint__is_active=True)


def _number(value: Any) -> Cast:
    return Cast(value, BigIntegerField())
