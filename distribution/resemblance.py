"""Leads that are possibly the same person: they gave the same phone or the same e-mail."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from django.db.models import QuerySet
from django.db.models.functions import Lower

from leads.identity import DIGITS_AT_END, EndOfPhone, email_address, in_ascii, phone_number, usual_ways
from leads.models import Contact, Identity, Lead

MOST_CONTACTS_READ = 100
MOST_FOUND = 20

type Given = tuple[int, str, str]  # lead id, phone and e-mail as they were given


@dataclass(frozen=True)
class Resemblance:
    """A lead who is possibly the same, and what both gave."""

    lead: Lead
    shared: Sequence[str]


def possibly_same(lead: Lead) -> list[Resemblance]:
    """Return other leads who gave one of the lead's phones or e-mails, the first known first; at most 20.

    Of a lead with many contacts the newest hundred are looked at, and as many contacts of others.
    """
    own = _clues(lead.pk)
    shared: dict[int, set[str]] = defaultdict(set)
    for lead_id, clue in _clues_of_others(lead.pk, own):
        if clue in own:
            shared[lead_id].add(clue)
    leads = Lead.objects.filter(pk__in=shared).order_by("pk")[:MOST_FOUND]
    return [Resemblance(one, sorted(shared[one.pk])) for one in leads]


def _clues(lead_id: int) -> set[str]:
    contacts = _given(Contact.objects.filter(lead=lead_id).order_by("-pk"))
    identities = Identity.objects.filter(lead=lead_id).values_list("lead", "value", "value")
    return {clue for _lead_id, clue in _read([*contacts, *identities])}


def _clues_of_others(lead_id: int, own: set[str]) -> Iterator[tuple[int, str]]:
    emails = {clue for clue in own if "@" in clue}
    phones = own - emails
    digits = {phone.split(";")[0].lstrip("+") for phone in phones}
    others = Contact.objects.exclude(lead=lead_id).order_by("-pk")
    ways = own.union(*map(usual_ways, phones))
    known = Identity.objects.exclude(lead=lead_id).filter(value__in=ways).values_list("lead", "value", "value")
    yield from _read(known[:MOST_CONTACTS_READ])
    ends = {number[-DIGITS_AT_END:] for number in digits}
    yield from _read(_given(others.exclude(phone="").alias(end=EndOfPhone("phone")).filter(end__in=ends)))
    written = emails | {in_ascii(email) for email in emails}
    yield from _read(_given(others.exclude(email="").alias(small=Lower("email")).filter(small__in=written)))


def _given(contacts: QuerySet[Contact]) -> Iterable[Given]:
    return contacts.values_list("lead_id", "phone", "email")[:MOST_CONTACTS_READ]


def _read(given: Iterable[Given]) -> Iterator[tuple[int, str]]:
    """Yield (lead id, phone or e-mail in its one form) of what can be read."""
    for lead_id, phone, email in given:
        for clue in (phone_number(phone), email_address(email)):
            if clue:
                yield lead_id, clue
