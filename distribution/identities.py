"""Who wrote: by what a source knows its leads, and the lead behind it."""

import re
from collections.abc import Callable, Collection, Iterable, Iterator
from typing import Any, NamedTuple

from django.db import IntegrityError
from django.db.models import BigIntegerField, Q, QuerySet
from django.db.models.functions import Cast

from crm_project.api.refusals import Refusal
from crm_project.sending import together
from crm_project.statements import KeptInsert, KeptStatement
from crm_project.statements_for_many import KeptForEach, KeptInserts
from distribution.errors import EmailUnreadable, PhoneUnreadable
from distribution.locks import identities_to_lock
from distribution.transactions import StartAnew
from leads.identity import email_address, phone_number
from leads.models import Contact, Identity, IdentityKind, Lead, Source

type Reader = Callable[[str], str | None]

READERS: dict[str, tuple[Reader, type[Refusal]]] = {
    IdentityKind.PHONE: (phone_number, PhoneUnreadable),
    IdentityKind.EMAIL: (email_address, EmailUnreadable),
}


class Known(NamedTuple):
    """What a lead is known by: the kind, and the one form in which it is stored."""

    kind: str
    value: str


class LeadStoredMeanwhile(StartAnew):
    """Another call has stored the same lead at this moment: the next attempt finds it."""


def known_by(source: Source, external_id: str) -> Known:
    """Return what the source knows the lead by. Raises PhoneUnreadable and EmailUnreadable."""
    if source.identified_by not in READERS:
        return Known(source.identified_by, external_id)
    read, unreadable = READERS[source.identified_by]
    value = read(external_id)
    if value is None:
        raise unreadable
    return Known(source.identified_by, value)


def lead_known_by(known: Known) -> int | None:
    """Lock the identity and return the id of its lead, if there is one."""
    return next((lead_id for (lead_id,) in _lead_known_by(*known)), None)


def leads_known_by(known: Collection[Known]) -> dict[Known, int]:
    """Lock the identities and return the ids of their leads, of those that there are."""
    found = {pk: one for kind in {one.kind for one in known} for pk, one in _identities_of(kind, known)}
    # In the order of their keys, in which everybody locks them; one that is gone by now is not known any more.
    return {found[int(pk)]: lead_id for pk, lead_id in _leads_of(sorted(found))} if found else {}


def _identities_of(kind: str, known: Collection[Known]) -> Iterator[tuple[int, Known]]:
    values = [one.value for one in known if one.kind == kind]
    return ((pk, Known(kind, value)) for value, pk in _identities(values, kind))


def leads_named(external_id: str, among: Collection[int] | None = None) -> QuerySet[Any, Any]:
    """Return the ids, as `lead`, of the leads who are known by it, a phone or an e-mail however it is written.

    To whoever sees only the sources `among`, what a lead is known by elsewhere is not told: those who sent it there.
    """
    if among is None:
        return Identity.objects.filter(_named(external_id)).order_by().values("lead")
    return Contact.objects.filter(sent_as(external_id, among), source__in=among).order_by().values("lead")


def sent_as(external_id: str, among: Collection[int]) -> Q:
    """Return the filter of the contacts that were sent with it, a phone or an e-mail however the source wrote it."""
    for kind, (read, _unreadable) in READERS.items():
        if value := read(external_id):
            leads = Identity.objects.filter(kind=kind, value=value).values("lead")
            contacts = Contact.objects.filter(lead__in=leads, source__in=among, source__identified_by=kind).order_by()
            ways = {one for one in contacts.values_list("external_id", flat=True).distinct() if read(one) == value}
            as_it_is_or_read = Q(external_id=external_id) | Q(source__identified_by=kind)
            return Q(external_id__in=ways | {external_id}) & as_it_is_or_read
    return Q(external_id=external_id)


def _named(external_id: str) -> Q:
    named = Q(value=external_id)
    for kind, (read, _unreadable) in READERS.items():
        if value := read(external_id):
            named |= Q(kind=kind, value=value)
    return named


def leads_meant(text: str) -> list[Lead]:
    """Return the leads whom somebody may mean who types this: those known by it, and with № or # the one of the number.

    Digits alone are no number: they may be an id in a bot, whose lead is gone, and the number that of somebody else.
    """
    known = list(Lead.objects.filter(pk__in=leads_named(text)).order_by("pk"))
    number = re.fullmatch(r"[#№] ?([0-9]{1,18})", text)
    return known + [one for one in Lead.objects.filter(pk=int(number[1])) if one not in known] if number else known


def store_lead(known: Known) -> int:
    """Store a lead who is not known yet and return the id. Raises LeadStoredMeanwhile."""
    lead = Lead(external_id=known.value)
    try:
        with together():
            _insert_lead(lead)
            _insert_identity.values(lead_id=lead.pk, **known._asdict())
    except IntegrityError as error:
        raise LeadStoredMeanwhile from error
    return lead.pk


def store_leads(known: Iterable[Known]) -> dict[Known, int]:
    """Store leads who are not known yet and return their ids. Raises LeadStoredMeanwhile."""
    # In order, so that two who store the same leads wait for each other one way only.
    ordered = sorted(known)
    stored = dict(zip(ordered, _insert_leads.values({"external_id": one.value} for one in ordered), strict=True))
    try:
        _insert_identities.values({"lead_id": lead_id, **one._asdict()} for one, lead_id in stored.items())
    except IntegrityError as error:
        raise LeadStoredMeanwhile from error
    return stored


_insert_lead = KeptInsert(Lead)
_insert_leads = KeptInserts(Lead)
_insert_identity = KeptInsert(Identity)
_insert_identities = KeptInserts(Identity)


@KeptStatement
def _lead_known_by(kind: Any, value: Any) -> QuerySet[Any, Any]:
    return identities_to_lock(kind=kind, value=value).values_list("lead_id")


@KeptForEach
def _identities(value: Any, kind: Any) -> QuerySet[Any, Any]:
    return Identity.objects.filter(kind=kind, value=value).order_by().values_list("pk")


@KeptForEach
def _leads_of(pk: Any) -> QuerySet[Any, Any]:
    return identities_to_lock(pk=Cast(pk, BigIntegerField())).values_list("lead_id")
