"""Registering a contact: the one way in."""

from dataclasses import dataclass, field
from functools import partial
from typing import Any

from django.db.models import QuerySet, Subquery

from distribution.assignment import Unconfirmed, draw_operator, give, put_in_queue
from distribution.availability import candidates
from distribution.errors import SourceInactive, SourceNotFound
from distribution.locks import lock_lead, lock_operator_with_room
from distribution.queue import drain_within_a_call
from distribution.selectors import queue_before, sources_sharing_operators
from distribution.statements import KeptInsert, KeptStatement
from distribution.transactions import after_commit, in_transaction
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


@in_transaction
def register_contact(intake: Intake) -> Registration:
    """Store the contact and give it to an operator by draw, or let it wait.

    On a source that reuses open contacts, the lead's open contact there is returned instead, unchanged.
    Raises SourceNotFound and SourceInactive, with nothing stored.
    """
    source, lead_id = _source_and_lead(intake)
    if source.reuse_open_contact:
        open_contact = _open_contact(lead_id, source)
        if open_contact is not None:
            return Registration(open_contact, created=False)
    if not source.is_active:
        raise SourceInactive
    return Registration(_assign_or_queue(_new_contact(lead_id, source, intake)), created=True)


def _source_and_lead(intake: Intake) -> tuple[Source, int]:
    for source in _sources_beside_lead(intake.source_code, intake.external_id):
        return source, source.known_lead_id or _new_lead(intake.external_id)
    raise SourceNotFound


def _new_lead(external_id: str) -> int:
    lead = Lead(external_id=external_id)
    if _insert_lead(lead):
        return lead.pk
    # Another call has stored the same lead at this moment: the unique key decided, and the loser reads that one.
    return Lead.objects.only("pk").get(external_id=external_id).pk


_insert_lead = KeptInsert(Lead, ignore_conflicts=True)


@KeptStatement
def _sources_beside_lead(code: Any, external_id: Any) -> QuerySet[Any]:
    lead = Lead.objects.filter(external_id=external_id).order_by().values("pk")
    return Source.objects.filter(code=code).order_by().annotate(known_lead_id=Subquery(lead))


def _open_contact(lead_id: int, source: Source) -> Contact | None:
    # The lock makes calls for one lead take turns, so that the second finds the contact of the first.
    lock_lead(lead_id)
    contacts = Contact.objects.open().select_related("lead", "source", "operator")
    return contacts.filter(lead=lead_id, source=source).oldest_first().first()


def _new_contact(lead_id: int, source: Source, intake: Intake) -> Contact:
    return Contact(
        lead_id=lead_id,
        source=source,
        external_id=intake.external_id,
        name=intake.name,
        phone=intake.phone,
        email=intake.email,
        text=intake.text,
        data=intake.data,
    )


def _assign_or_queue(contact: Contact) -> Contact:
    operator = draw_operator(contact.source_id, confirm=partial(_confirm_arrival, contact.source_id))
    if operator is None:
        put_in_queue(contact)
        after_commit(_drain_if_somebody_has_room, contact.source_id)
    else:
        give(contact, operator)
    return contact


def _confirm_arrival(source_id: int, operator_id: int) -> Operator | None:
    operator = lock_operator_with_room(operator_id)
    # Only under the lock, in a new statement, is the answer final: it sees whoever was committed before.
    somebody_waits = None if operator is None else queue_before(source_id, operator_id)
    if somebody_waits is None:
        raise Unconfirmed(operator_id)
    return None if somebody_waits else operator


def _drain_if_somebody_has_room(source_id: int) -> None:
    # A place may have become free between the draw and the commit, and its drain did not see this contact yet.
    if candidates(source_id):
        drain_within_a_call(sources_sharing_operators(source_id))
