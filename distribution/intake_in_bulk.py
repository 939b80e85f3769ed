"""Registering many contacts: up to a hundred in one transaction, each by the same rules as one alone."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from django.db import IntegrityError
from django.db.models import OuterRef, QuerySet, Subquery

from crm_project.access.idempotency import Hindrance, Keeping, answered_or_running, keep_all
from crm_project.api.refusals import Refusal
from crm_project.statements import KeptStatement
from crm_project.statements_for_many import KeptForEach, KeptInserts, packed
from distribution.assignment import Placement, place
from distribution.decisions import Attempt
from distribution.errors import SourceInactive, SourceNotFound
from distribution.identities import Known, known_by, leads_known_by, store_leads
from distribution.intake import EventStoredMeanwhile, Intake, Registration, new_contact
from distribution.locks import lock_for_draws, lock_leads
from distribution.models import Trigger
from distribution.queue import drain_after_commit_if_room
from distribution.rosters import LockedRosters
from distribution.transactions import after_commit, in_transaction
from leads.models import Contact, Lead, Source, SourceEvent

MOST_IN_A_CHUNK = 100

type Event = tuple[int, str]
type Sent = tuple[str, str]  # an external id to a source
type Writer = tuple[int, int]  # a lead on a source
type Result = Registration | Refusal | Hindrance
type Foreseen = Contact | Refusal | None
type Told = Callable[[Sequence[Result | None]], None]


class Call(NamedTuple):
    """A call that registers a contact, and how its answer is kept when it has an Idempotency-Key."""

    intake: Intake
    keeping: Keeping | None = None


@in_transaction
def register_chunk(intakes: Sequence[Intake], *, among: Collection[int] | None = None) -> list[Registration | Refusal]:
    """Store the contacts in their order, and return for each what `register_contact` would return or raise.

    What is refused hinders no other. `among` are the sources that exist for the caller, None for all.
    """
    return _registered(intakes, among)


@in_transaction
def register_calls(
    calls: Sequence[Call], *, among: Collection[int] | None = None, committed: Told | None = None
) -> list[Result | None]:
    """Do for each call what `register_contact` does, answer kept included; return what it would return or raise.

    None is for a call that has to go alone afterwards, because of its Idempotency-Key (`answered_or_running`).
    `committed` is told the same as soon as it is committed, before anything that follows.
    """
    results: list[Result | None] = []
    if committed is not None:
        after_commit(committed, results)
    hindrances = answered_or_running([call.keeping for call in calls])
    left = {place: call for place, call in enumerate(calls) if place not in hindrances}
    registered = dict(zip(left, _registered([call.intake for call in left.values()], among), strict=True))
    keep_all(
        (call.keeping, registered[place])
        for place, call in left.items()
        if call.keeping and isinstance(registered[place], Registration)
    )
    outcomes: dict[int, Result | None] = {**hindrances, **registered}
    results += [outcomes[place] for place in range(len(calls))]
    return results


def _registered(intakes: Sequence[Intake], among: Collection[int] | None) -> list[Registration | Refusal]:
    chunk = Chunk.read(intakes, _sources(intakes, among))
    results = [chunk.register(number, intake) for number, intake in enumerate(intakes)]
    chunk.store()
    return results


def foreseen(intakes: Sequence[Intake]) -> list[Foreseen]:
    """Return what would become of each by itself, whatever its lead has open; nothing is written.

    It is the contact that was stored for its event before, why it would be refused, or None for a new contact.
    """
    sources = _sources(intakes, None)
    of_event = _contacts_of_events(intakes, sources)
    return [_foreseen(intake, sources.get(intake.source_code), of_event) for intake in intakes]


def _foreseen(intake: Intake, source: Source | None, of_event: Mapping[Event, Contact]) -> Foreseen:
    if source is None:
        return SourceNotFound()
    if isinstance(known := _known(source, intake.external_id), Refusal):
        return known
    return of_event.get((source.pk, intake.event_id)) or (None if source.is_active else SourceInactive())


@dataclass
class Chunk:
    """What is known of the contacts that are registered together, and what is to be stored of them."""

    sources: Mapping[str, Source]
    known: Mapping[Sent, Known | Refusal]
    leads: Mapping[Known, int]
    new_contacts: Mapping[int, Contact]
    of_event: dict[Event, Contact]
    open_contacts: dict[Writer, Contact]
    last_operators: dict[int, int]
    rosters: LockedRosters
    placements: list[Placement] = field(default_factory=list)
    events: dict[Event, Contact] = field(default_factory=dict)

    @classmethod
    def read(cls, intakes: Sequence[Intake], sources: Mapping[str, Source]) -> "Chunk":
        """Read what there is, and lock it in the order of docs/locking.md."""
        known = {_sent(one): _known(sources[one.source_code], one.external_id) for one in _of(intakes, sources)}
        leads = leads_known_by({one for one in known.values() if isinstance(one, Known)})
        of_event = _contacts_of_events(intakes, sources)
        new = [one for one in _of(intakes, sources) if _event(one, sources) not in of_event]
        taken = [one for one in new if sources[one.source_code].is_active]
        unknown = {known[_sent(one)] for one in taken} - leads.keys()
        leads |= store_leads(one for one in unknown if isinstance(one, Known))
        drawing = {sources[one.source_code] for one in taken}
        open_contacts = _open_contacts(leads, [source for source in sources.values() if source.reuse_open_contact])
        # Made before the locks, which everybody waits for.
        new_contacts = _new_contacts(intakes, sources, known, leads)
        lock_for_draws(drawing)
        returning = any(source.prefer_same_operator for source in drawing)
        return cls(
            sources=sources,
            known=known,
            leads=leads,
            new_contacts=new_contacts,
            of_event=of_event,
            open_contacts=open_contacts,
            last_operators=_last_operators(leads.values()) if returning else {},
            rosters=LockedRosters({source.pk for source in drawing}),
        )

    def register(self, number: int, intake: Intake) -> Registration | Refusal:
        """Return the contact there is, or a new one, of the intake of that number; or why there is none."""
        source = self.sources.get(intake.source_code)
        if source is None:
            return SourceNotFound()
        known = self.known[_sent(intake)]
        if isinstance(known, Refusal):
            return known
        event = _event(intake, self.sources)
        if event in self.of_event:
            return Registration(self.of_event[event], created=False)
        contact = self._open_contact(known, source)
        if contact is None and not source.is_active:
            return SourceInactive()
        registration = Registration(contact or self._place(number, source), created=contact is None)
        if intake.event_id:
            self.of_event[event] = self.events[event] = registration.contact
        return registration

    def store(self) -> None:
        """Store the new contacts with all that follows from them. Raises EventStoredMeanwhile."""
        place(self.placements)
        self.rosters.store_counts()
        waiting = {one.contact.source_id for one in self.placements if one.operator is None}
        for source_id in sorted(waiting):
            drain_after_commit_if_room(source_id)
        try:
            _insert_events.values(
                {"source_id": source_id, "event_id": event_id, "contact_id": contact.pk}
                for (source_id, event_id), contact in sorted(self.events.items(), key=lambda item: item[0])
            )
        except IntegrityError as error:
            raise EventStoredMeanwhile from error

    def _open_contact(self, known: Known, source: Source) -> Contact | None:
        if not source.reuse_open_contact or known not in self.leads:
            return None
        return self.open_contacts.get((self.leads[known], source.pk))

    def _place(self, number: int, source: Source) -> Contact:
        contact = self.new_contacts[number]
        returning_to = self.last_operators.get(contact.lead_id) if source.prefer_same_operator else None
        choice = self.rosters.choose(source, returning_to)
        attempt = Attempt(trigger=Trigger.ARRIVAL, account=choice.account, strategy=source.strategy)
        self.placements.append(Placement(contact, choice.operator, attempt))
        self.open_contacts[contact.lead_id, source.pk] = contact
        if choice.operator is not None:
            self.last_operators[contact.lead_id] = choice.operator.pk
        return contact


def _new_contacts(
    intakes: Sequence[Intake],
    sources: Mapping[str, Source],
    known: Mapping[Sent, Known | Refusal],
    leads: Mapping[Known, int],
) -> dict[int, Contact]:
    """Return by the numbers of the intakes the contacts that they become unless there are others."""
    return {
        number: new_contact(leads[of], sources[intake.source_code], intake)
        for number, intake in enumerate(intakes)
        if isinstance(of := known.get(_sent(intake)), Known) and of in leads
    }


def _event(intake: Intake, sources: Mapping[str, Source]) -> Event:
    return sources[intake.source_code].pk, intake.event_id


def _sent(intake: Intake) -> Sent:
    return intake.source_code, intake.external_id


def _of(intakes: Sequence[Intake], sources: Mapping[str, Source]) -> list[Intake]:
    return [intake for intake in intakes if intake.source_code in sources]


def _known(source: Source, external_id: str) -> Known | Refusal:
    try:
        return known_by(source, external_id)
    except Refusal as refusal:
        return refusal


def _sources(intakes: Sequence[Intake], among: Collection[int] | None) -> dict[str, Source]:
    rows = _sources_by_code(packed({one.source_code for one in intakes}))
    return {source.code: source for source in rows if among is None or source.pk in among}


@KeptStatement
def _sources_by_code(codes: Any) -> QuerySet[Source]:
    return Source.objects.filter(code__among=codes).order_by()


def _contacts_of_events(intakes: Sequence[Intake], sources: Mapping[str, Source]) -> dict[Event, Contact]:
    asked = {_event(one, sources) for one in _of(intakes, sources) if one.event_id}
    if not asked:
        return {}
    known = {
        (source_id, event_id): contact_id
        for source_id in {source_id for source_id, _event_id in asked}
        for event_id, contact_id in _known_events([one for of, one in asked if of == source_id], source_id)
    }
    contacts = Contact.objects.select_related("source", "operator").in_bulk(known.values()) if known else {}
    # One that was pruned in between has taken its event along.
    return {event: contacts[contact_id] for event, contact_id in known.items() if contact_id in contacts}


@KeptForEach
def _known_events(event_id: Any, source_id: Any) -> QuerySet[Any, Any]:
    return SourceEvent.objects.filter(source_id=source_id, event_id=event_id).order_by().values_list("contact_id")


def _open_contacts(leads: Mapping[Known, int], sources: Sequence[Source]) -> dict[Writer, Contact]:
    if not sources:
        return {}
    # The locks make calls for one lead take turns, so that the second finds the contact of the first.
    lock_leads(leads.values())
    contacts = Contact.objects.open().select_related("source", "operator")
    of_leads = contacts.filter(lead__in=leads.values(), source__in=sources).oldest_first()
    return {(contact.lead_id, contact.source_id): contact for contact in reversed(of_leads)}


def _last_operators(lead_ids: Collection[int]) -> dict[int, int]:
    of_lead = Contact.objects.filter(lead=OuterRef("pk"), operator__isnull=False).order_by("-id")
    last = Lead.objects.filter(pk__in=lead_ids).annotate(last=Subquery(of_lead.values("operator")[:1]))
    return dict(last.filter(last__isnull=False).order_by().values_list("pk", "last"))


_insert_events = KeptInserts(SourceEvent)
