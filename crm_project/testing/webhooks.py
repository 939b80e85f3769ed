"""Endpoints, and deliveries that wait to be sent to them."""

from collections.abc import Sequence
from datetime import timedelta
from itertools import count
from typing import Any

from django.db.models import Max
from django.utils import timezone

from crm_project.webhooks.endpoints import add_secret
from crm_project.webhooks.models import Delivery, Endpoint, EventKind
from distribution.models import Event
from leads.models import Contact

_numbers = count(1)


def make_endpoint(url: str = "https://bot.example/webhooks", **fields: Any) -> Endpoint:
    """Store an endpoint with a secret, switched on unless told otherwise."""
    endpoint = Endpoint.objects.create(**{"name": f"Endpoint {next(_numbers)}", "url": url, **fields})
    add_secret(endpoint)
    return endpoint


def make_deliveries(endpoint: Endpoint, contacts: Sequence[Contact | None], **fields: Any) -> list[Delivery]:
    """Store an event of each contact, named again for each of its events, and its delivery, due a second ago.

    None stands for an event of no contact.
    """
    known = Event.objects.filter(contact__in=[contact for contact in contacts if contact])
    numbers: dict[int, int] = dict(known.values_list("contact").annotate(Max("sequence")))
    events = [_event(contact, numbers) for contact in contacts]
    at = timezone.now() - timedelta(seconds=1)
    return Delivery.objects.bulk_create(
        Delivery(**{"event": event, "endpoint": endpoint, "contact": event.contact, "due_at": at, **fields})
        for event in Event.objects.bulk_create(events)
    )


def _event(contact: Contact | None, numbers: dict[int, int]) -> Event:
    if contact is None:
        return Event(kind=EventKind.TEST)
    numbers[contact.pk] = number = numbers.get(contact.pk, 0) + 1
    return Event(kind=EventKind.ASSIGNED, contact=contact, source=contact.source, sequence=number)
