"""Registering a contact: the one way in."""

from collections.abc import Collection
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from django.db.models import OuterRef, QuerySet, Subquery

from crm_project.statements import KeptInsert, KeptStatement
from distribution.assignment import Unconfirmed, draw_operator, give, put_in_queue
from distribution.decisions import Attempt
from distribution.errors import SourceInactive, SourceNotFound
from distribution.identities import known_by, lead_known_by, store_lead
from distribution.locks import identities_to_lock, lock_for_draw, lock_lead, lock_operator_with_room
from distribution.models import Trigger
from distribution.queue import drain_after_commit_if_room
from distribution.selectors import operator_to_return_to, queue_before
from distribution.transactions import StartAnew, in_transaction
from leads.models import Contact, Source, SourceEvent
from operators.models import Operator


@dataclass(frozen=True, kw_only=True)
class Intake:
    """What a bot sends: who wrote, to which source, and what; `event_id` tells a repeated call from a new one."""

    source_code: str
    external_id: str
    name: str = ""
    phone: str = ""
    email: str = ""
    text: str = ""
    data: dict[str, Any] = field(default_factory=dict)
    event_id: str = ""


@dataclass(frozen=True)
class Registration:
    """The contact as its own transaction committed it, and whether it is new."""

    contact: Contact
    created: bool


class EventStoredMeanwhile(StartAnew):
    """Another call has stored the same event at this moment: the next attempt finds its contact."""


@in_transaction
def register_contact(intake: Intake, *, among: Collection[int] | None = None) -> Registration:
    """Store the contact and give it to an operator by draw, or let it wait.

    The contact of an event that the source sent before is returned instead, unchanged; so is, on a source that
    reuses open contacts, the lead's open contact there. `among` are the sources that exist for the caller, None for
    all. Raises SourceNotFound, SourceInactive, PhoneUnreadable and EmailUnreadable, with nothing stored.
    """
    source, lead_id = _source_and_lead(intake, among)
    if answered := _contact_of_event(source, intake.event_id):
        return Registration(answered, created=False)
    open_contact = _open_contact(lead_id, source)
    if open_contact is None and not source.is_active:
        raise SourceInactive
    contact = open_contact or _assign_or_queue(new_contact(lead_id, source, intake))
    _note_event(contact, intake.event_id)
    return Registration(contact, created=open_contact is None)


def _source_and_lead(intake: Intake, among: Collection[int] | None) -> tuple[Source, int]:
    for source in _sources_beside_lead(intake.source_code, intake.external_id):
        if among is None or source.pk in among:
            known = known_by(source, intake.external_id)
            as_sent = known.value == intake.external_id
            lead_id = source.known_lead_id if as_sent else lead_known_by(known)
            return source, lead_id or store_lead(known)
    raise SourceNotFound


_insert_event = KeptInsert(SourceEvent, ignore_conflicts=True)


@KeptStatement
def _sources_beside_lead(code: Any, external_id: Any) -> QuerySet[Any]:
    known = identities_to_lock(kind=OuterRef("identified_by"), value=external_id)
    return Source.objects.filter(code=code).order_by().annotate(known_lead_id=Subquery(known.values("lead")))


def _contact_of_event(source: Source, event_id: str) -> Contact | None:
    if not event_id:
        return None
    events = SourceEvent.objects.select_related("contact__source", "contact__operator")
    event = events.filter(source=source, event_id=event_id).first()
    return None if event is None else event.contact


def _note_event(contact: Contact, event_id: str) -> None:
    if event_id and not _insert_event(SourceEvent(source_id=contact.source_id, event_id=event_id, contact=contact)):
        raise EventStoredMeanwhile


def _open_contact(lead_id: int, source: Source) -> Contact | None:
    if not source.reuse_open_contact:
        return None
    # The lock makes calls for one lead take turns, so that the second finds the contact of the first.
    lock_lead(lead_id)
    contacts = Contact.objects.open().select_related("source", "operator")
    return contacts.filter(lead=lead_id, source=source).oldest_first().first()


def new_contact(lead_id: int, source: Source, intake: Intake) -> Contact:
    """Return what the lead sent to the source, not stored yet."""
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
    source = contact.source
    lock_for_draw(source)
    choice = draw_operator(
        source, confirm=partial(_confirm_arrival, source.pk), returning_to=operator_to_return_to(contact)
    )
    attempt = Attempt(trigger=Trigger.ARRIVAL, account=choice.account, strategy=source.strategy)
    if choice.operator is None:
        put_in_queue(contact, attempt)
        # A place may become free between the draw and the commit, and its drain does not see this contact yet.
        drain_after_commit_if_room(source.pk)
    else:
        give(contact, choice.operator, attempt)
    return contact


def _confirm_arrival(source_id: int, operator_id: int) -> Operator | None:
    operator = lock_operator_with_room(operator_id)
    # Only under the lock, in a new statement, is the answer final: it sees whoever was committed before.
    somebody_waits = None if operator is None else queue_before(source_id, operator_id)
    if somebody_waits is None:
        raise Unconfirmed(operator_id)
    return None if somebody_waits else operator
