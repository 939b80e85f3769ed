"""Two leads that turned out to be one, and the way back."""

from itertools import batched, chain

from django.db.models import Count, Max, Q, QuerySet
from django.db.models.functions import Coalesce
from django.utils import timezone

from crm_project.access.acting import actor
from distribution.errors import CannotUndoMerge, LeadErased, LeadNotFound, SameLead
from distribution.locks import lock_leads_for_deletion
from distribution.transactions import in_transaction
from leads.models import Contact, Identity, Lead, Merge

CONTACTS_AT_A_TIME = 10_000


@in_transaction
def merge_leads(survivor_id: int, lead_id: int) -> Merge:
    """Give the contacts and the identities of a lead to another, the survivor, and remove it.

    Whoever writes by one of the identities is the survivor from now on. Raises LeadNotFound, LeadErased, and SameLead
    for one.
    """
    if survivor_id == lead_id:
        raise SameLead
    leads = lock_leads_for_deletion([survivor_id, lead_id])
    if len(leads) < 2:
        raise LeadNotFound
    if any(lead.erased_at for lead in leads.values()):
        raise LeadErased
    contacts, identities = Contact.objects.filter(lead=lead_id), Identity.objects.filter(lead=lead_id)
    merge = Merge.objects.create(
        survivor_id=survivor_id,
        lead_id=lead_id,
        lead_created_at=leads[lead_id].created_at,
        identities=_the_shown_one_first(identities, leads[lead_id]),
        contacts=list(contacts.order_by("pk").values_list("pk", flat=True)),
        actor_name=actor().name,
        **_extent(survivor_id, lead_id),
    )
    contacts.update(lead=survivor_id)
    identities.update(lead=survivor_id)
    leads[lead_id].delete()
    return merge


@in_transaction
def undo_merge(merge_id: int) -> Lead:
    """Take a lead out of the one it was merged into, with all it brought, and return it.

    Raises CannotUndoMerge when something has happened to the survivor since.
    """
    lock_leads_for_deletion(list(Merge.objects.filter(pk=merge_id).values_list("survivor_id", flat=True)))
    merge = Merge.objects.filter(pk=merge_id).first()
    if merge is None or not can_undo(merge):
        raise CannotUndoMerge
    lead = _restored(merge)
    for some in batched(merge.contacts, CONTACTS_AT_A_TIME):
        Contact.objects.filter(pk__in=some).update(lead=lead)
    Identity.objects.filter(pk__in=merge.identities).update(lead=lead)
    merge.undone_at = timezone.now()
    merge.save(update_fields=["undone_at"])
    return lead


def can_undo(merge: Merge) -> bool:
    """Return whether nothing has happened to the survivor since: no contact came or went, no other merge, no erasing.

    Of the merges into a lead that stand it is the newest at most.
    """
    if merge.undone_at is not None:
        return False
    survivor_id = merge.survivor_id
    later = Merge.objects.filter(Q(survivor_id=survivor_id) | Q(lead_id=survivor_id), pk__gt=merge.pk, undone_at=None)
    then = {"newest_contact_id": merge.newest_contact_id, "contact_count": merge.contact_count}
    identities = Identity.objects.filter(lead=survivor_id, pk__in=merge.identities)
    return not later.exists() and _extent(survivor_id) == then and identities.count() == len(merge.identities) > 0


def merges_into(lead_id: int) -> QuerySet[Merge]:
    """Return the merges into the lead that stand, the newest first."""
    return Merge.objects.filter(survivor_id=lead_id, undone_at=None)


def ever_merged_with(lead_id: int) -> set[int]:
    """Return the ids of all leads that were ever one with the lead, in turn, its own among them."""
    found: set[int] = set()
    more = {lead_id}
    while more:
        found |= more
        merges = Merge.objects.filter(Q(survivor_id__in=more) | Q(lead_id__in=more))
        more = set(chain.from_iterable(merges.values_list("survivor_id", "lead_id"))) - found
    return found


def survivor_of(lead_id: int) -> int:
    """Return the id of the lead that this one was merged into, in turn; its own when it was not."""
    while merge := Merge.objects.filter(lead_id=lead_id, undone_at=None).first():
        lead_id = merge.survivor_id
    return lead_id


def _extent(*lead_ids: int) -> dict[str, int]:
    """Return how many contacts the leads have, and which is the newest."""
    contacts = Contact.objects.filter(lead__in=lead_ids)
    return contacts.aggregate(newest_contact_id=Coalesce(Max("pk"), 0), contact_count=Count("pk"))


def _the_shown_one_first(identities: QuerySet[Identity], lead: Lead) -> list[int]:
    return [one.pk for one in sorted(identities, key=lambda one: one.value != lead.external_id)]


def _restored(merge: Merge) -> Lead:
    first = Identity.objects.get(pk=merge.identities[0])
    [lead] = Lead.objects.bulk_create([Lead(pk=merge.lead_id, external_id=first.value)])
    lead.created_at = merge.lead_created_at
    lead.save(update_fields=["created_at"])
    return lead
