"""Removing old closed contacts, and the leads who have none left.

A contact goes when nothing that is recorded names it any more: decisions and ledgers are removed by
`distribution.pruning`, once they are proved, events by `distribution.event_pruning`.
"""

from collections.abc import Collection, Iterator
from datetime import datetime
from typing import NamedTuple

from django.db.models import Exists, OuterRef, Q, QuerySet

from distribution.locks import lock_contacts_for_deletion, lock_leads_for_deletion
from distribution.models import Decision, Event, LoadChange
from distribution.transactions import StartAnew, in_transaction
from leads.models import Contact, ContactStatus, Lead, Merge


class Removed(NamedTuple):
    """How many went."""

    contacts: int
    leads: int


class LeadMergedMeanwhile(StartAnew):
    """The contacts are of another lead than the one that was locked: the next attempt locks that one."""


def closed_before(moment: datetime) -> QuerySet[Contact]:
    """Return the contacts that have been closed since before the moment."""
    return Contact.objects.filter(status=ContactStatus.CLOSED, closed_at__lt=moment)


def removable(contacts: QuerySet[Contact]) -> QuerySet[Contact]:
    """Return those of the contacts that nothing recorded names any more."""
    recorded = (model.objects.filter(contact=OuterRef("pk")) for model in (Decision, LoadChange, Event))
    return contacts.filter(*(~Exists(rows) for rows in recorded))


def in_batches(moment: datetime, size: int) -> Iterator[list[Contact]]:
    """Yield the contacts that can go with their sources and operators, so many at a time, by id."""
    contacts = removable(closed_before(moment)).select_related("source", "operator").order_by("pk")
    last = 0
    while batch := list(contacts.filter(pk__gt=last)[:size]):
        last = batch[-1].pk
        yield batch


@in_transaction
def remove_contacts(contact_ids: Collection[int], moment: datetime) -> Removed:
    """Remove those of the contacts that still can go, and their leads who have no others; return how many went."""
    of_contacts = Contact.objects.filter(pk__in=contact_ids).order_by().values_list("lead", flat=True)
    leads = lock_leads_for_deletion(set(of_contacts))
    if set(of_contacts.all()) - leads.keys():
        raise LeadMergedMeanwhile
    locked = lock_contacts_for_deletion(removable(closed_before(moment)).filter(pk__in=contact_ids))
    Contact.objects.filter(pk__in=locked).delete()
    return Removed(contacts=len(locked), leads=_remove_leads(leads))


def _remove_leads(lead_ids: Collection[int]) -> int:
    writing = Contact.objects.filter(lead=OuterRef("pk"))
    gone = list(Lead.objects.filter(~Exists(writing), pk__in=lead_ids).values_list("pk", flat=True))
    Merge.objects.filter(Q(survivor_id__in=gone) | Q(lead_id__in=gone)).delete()
    Lead.objects.filter(pk__in=gone).delete()
    return len(gone)
