"""What the pictures show: the story of the demo, and whom and what to look at in it."""

import secrets
from dataclasses import dataclass
from datetime import timedelta

from django.contrib.auth.models import User
from django.core.management import call_command
from django.db.models import Count
from django.utils import timezone

from crm_project.access.acting import Actor, acting
from crm_project.setup.administrator import LOGIN, create_first_administrator
from crm_project.webhooks.answers import Failure
from crm_project.webhooks.endpoints import add_secret, subscribe
from crm_project.webhooks.messages import body_of
from crm_project.webhooks.models import Attempt, Delivery, DeliveryState, Endpoint, EventKind
from distribution.demo_accounts import WORKS_AS
from distribution.merging import merge_leads
from distribution.models import Event
from leads.models import Contact, Lead, Source
from operators.models import Operator

CONTACTS = 2000
EVENTS_TOLD = 30


@dataclass(frozen=True)
class Account:
    """Who logs in, and with what."""

    name: str
    password: str


@dataclass(frozen=True)
class House:
    """Who may look, and the ids that the addresses of pages name."""

    administrator: Account
    operator: Account
    ids: dict[str, int]


def furnish() -> House:
    """Tell the story into the empty database of DATABASE_URL and return what to look at."""
    call_command("demo", contacts=str(CONTACTS))
    operator = Operator.objects.get(name=WORKS_AS)
    source = Source.objects.alias(number=Count("contacts")).order_by("-number")[0]
    lead, *others = Lead.objects.alias(number=Count("contacts")).order_by("-number")[:3]
    contact = Contact.objects.active().order_by("-created_at")[0]
    delivery = _tell_others()
    rows = {"operator": operator, "source": source, "lead": lead, "contact": contact, "delivery": delivery}
    ids = {name: row.pk for name, row in rows.items()} | {
        "endpoint": delivery.endpoint_id,
        "same": _same(lead, *others),
    }
    return House(_administrator(), _account_of(operator), ids)


def _same(lead: Lead, same: Lead, merged: Lead) -> int:
    """Let two leads have given one phone, and a third be merged into the first; return the id of the second."""
    for one, phone in ((lead, "8 (912) 345-67-89"), (same, "+79123456789")):
        Contact.objects.filter(lead=one).update(phone=phone)
    with acting(Actor("", LOGIN)):
        merge_leads(lead.pk, merged.pk)
    return same.pk


def _tell_others() -> Delivery:
    """Store an endpoint that hears and one that fails, and return a delivery of the first that was sent twice."""
    bot = _endpoint("Telegram bot", "https://bot.example.org/webhooks/contacts", [EventKind.ASSIGNED, EventKind.CLOSED])
    failing = _endpoint("CRM", "https://crm.example.org/hooks/7f3a", EventKind.values)
    Endpoint.objects.filter(pk=failing.pk).update(failing_since=timezone.now() - timedelta(hours=2))
    for event in Event.objects.filter(contact__isnull=False).order_by("-pk")[:EVENTS_TOLD][::-1]:
        shared = {"event": event, "contact": event.contact}
        Delivery.objects.create(endpoint=failing, **shared)
        told = _told(Delivery(endpoint=bot, state=DeliveryState.DELIVERED, attempts=2, **shared))
    return told


def _told(delivery: Delivery) -> Delivery:
    """Store the delivery, which was heard at the second attempt."""
    delivery.body = body_of(delivery.event)
    delivery.save()
    sent_at = delivery.event.at + timedelta(seconds=10)
    Attempt.objects.create(delivery=delivery, at=sent_at, milliseconds=10_000, failure=Failure.TIMEOUT)
    sent_at += timedelta(seconds=5)
    Attempt.objects.create(delivery=delivery, at=sent_at, milliseconds=84, status=200, answer="ok")
    return delivery


def _endpoint(name: str, url: str, kinds: list[str]) -> Endpoint:
    endpoint = Endpoint.objects.create(name=name, url=url)
    subscribe(endpoint, kinds, None)
    add_secret(endpoint)
    return endpoint


def _administrator() -> Account:
    password = create_first_administrator()
    assert password
    return Account(LOGIN, password)


def _account_of(operator: Operator) -> Account:
    user = User.objects.get(operator=operator)
    account = Account(user.username, secrets.token_urlsafe(12))
    user.set_password(account.password)
    user.save(update_fields=["password"])
    return account
