"""Registering a contact: the one way in."""

from dataclasses import dataclass, field
from typing import Any

from django.db.models import QuerySet

from distribution.assignment import confirm_available, draw_operator, give, put_in_queue
from distribution.errors import SourceInactive, SourceNotFound
from distribution.locks import lock_lead
from distribution.queue import drain_after_commit
from distribution.selectors import somebody_waits_for, sources_sharing_operators
from distribution.statements import KeptStatement
from distribution.transactions import in_transaction
from leads.models import Contact, Lead, Source
from operators.models import Operator


@dataclass(frozen=True, kw_only=True)
class Intake:
    """What a bot sends: who wrote, to which source, and what."""

    source_code: str
    external_id: str
    name: str = ""
    phone: str = ""
    email: str = ""
    text: str = ""
    data: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Registration:
    """The contact as its own transaction committed it, and whether it is new."""

    contact: Contact
    created: bool


class QueueComesFirst(Exception):
    """Somebody already waits who could be given to the operator drawn."""


def register_contact(intake: Intake) -> Registration:
    """Store the contact and give it to an operator by draw, or let it wait.

    On a source that reuses open contacts, the lead's open contact there is returned instead, unchanged.
    Raises SourceNotFound and SourceInactive, with nothing stored.
    """
    registration = _register(intake)
    if registration.created and registration.contact.is_waiting:
        drain_after_commit(sources_sharing_operators(registration.contact.source_id))
    return registration


@in_transaction
def _register(intake: Intake) -> Registration:
    source = _source(intake.source_code)
    lead = _lead(intake.external_id)
    if source.reuse_open_contact:
        open_contact = _open_contact(lead, source)
        if open_contact is not None:
            return Registration(open_contact, created=False)
    if not source.is_active:
        raise SourceInactive
    return Registration(_assign_or_queue(_new_contact(lead, source, intake)), created=True)


def _source(code: str) -> Source:
    for source in _sources_with_code(code):
        return source
    raise SourceNotFound


def _lead(external_id: str) -> Lead:
    for lead in _leads_with_external_id(external_id):
        return lead
    # Another call may store the same lead at this moment: the unique key decides, and the loser reads that one.
    return Lead.objects.get_or_create(external_id=external_id)[0]


@KeptStatement
def _sources_with_code(code: Any) -> QuerySet[Source]:
    return Source.objects.filter(code=code).order_by()


@KeptStatement
def _leads_with_external_id(external_id: Any) -> QuerySet[Lead]:
    return Lead.objects.filter(external_id=external_id).order_by()


def _open_contact(lead: Lead, source: Source) -> Contact | None:
    # The lock makes calls for one lead take turns, so that the second finds the contact of the first.
    lock_lead(lead.pk)
    contacts = Contact.objects.open().select_related("lead", "source", "operator")
    return contacts.filter(lead=lead, source=source).oldest_first().first()


def _new_contact(lead: Lead, source: Source, intake: Intake) -> Contact:
    return Contact(
        lead=lead,
        source=source,
        external_id=intake.external_id,
        name=intake.name,
        phone=intake.phone,
        email=intake.email,
        text=intake.text,
        data=intake.data,
    )


def _assign_or_queue(contact: Contact) -> Contact:
    try:
        operator = draw_operator(contact.source_id, confirm=lambda drawn: _confirm_arrival(contact.source_id, drawn))
    except QueueComesFirst:
        operator = None
    if operator is None:
        put_in_queue(contact)
    else:
        give(contact, operator)
    return contact


def _confirm_arrival(source_id: int, operator_id: int) -> Operator:
    operator = confirm_available(source_id, operator_id)
    # Only under the lock is the answer final: whoever committed before it was granted is seen here.
    if somebody_waits_for(operator_id):
        raise QueueComesFirst
    return operator
