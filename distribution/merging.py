"""Two leads that turned out to be one, and the way back."""

from django.db.models import Max, Q
from django.utils import timezone

from crm_project.access.acting import actor
from distribution.errors import CannotUndoMerge, LeadNotFound, SameLead
from distribution.locks import lock_lead, lock_leads_for_deletion
from distribution.transactions import in_transaction
from leads.models import Contact, Identity, Lead, Merge


@in_transaction
def merge_leads(survivor_id: int, lead_id: int) -> Merge:
    """Give the contacts and the identities of a lead to another, the survivor, and remove it.

    Whoever writes by one of the identities is the survivor from now on. Raises LeadNotFound, and SameLead for one.
    """
    if survivor_id == lead_id:
        raise SameLead
    # Locked against references from new rows: a contact that is registered meanwhile finds the survivor instead.
    leads = lock_leads_for_deletion([survivor_id, lead_id])
    if len(leads) < 2:
        raise LeadNotFound
    contacts, identities = Contact.objects.filter(lead=lead_id), Identity.objects.filter(lead=lead_id)
    merge = Merge.objects.create(
        survivor_id=survivor_id,
        lead_id=lead_id,
        lead_created_at=leads[lead_id].created_at,
        identities=list(identities.values_list("pk", flat=True)),
        contacts=list(contacts.order_by("pk").values_list("pk", flat=True)),
        newest_contact_id=_newest_contact(survivor_id, lead_id),
        actor_name=actor().name,
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
    merge = Merge.objects.filter(pk=merge_id).first()
    if merge is None or lock_lead(merge.survivor_id) is None:
        raise CannotUndoMerge
    merge.refresh_from_db()
    if not can_undo(merge):
        raise CannotUndoMerge
    lead = _restored(merge)
    Contact.objects.filter(pk__in=merge.contacts).update(lead=lead)
    Identity.objects.filter(pk__in=merge.identities).update(lead=lead)
    merge.undone_at = timezone.now()
    merge.save(update_fields=["undone_at"])
    return lead


def can_undo(merge: Merge) -> bool:
    """Return whether nothing has happened to the survivor since: no contact, no other merge, nothing erased."""
    if merge.undone_at is not None:
        return False
    survivor_id = merge.survivor_id
    later = Merge.objects.filter(Q(survivor_id=survivor_id) | Q(lead_id=survivor_id), pk__gt=merge.pk, undone_at=None)
    contacts, identities = Contact.objects.filter(lead=survivor_id), Identity.objects.filter(lead=survivor_id)
    return (
        not later.exists()
        and not contacts.filter(pk__gt=merge.newest_contact_id).exists()
        and contacts.filter(pk__in=merge.contacts).count() == len(merge.contacts)
        and identities.filter(pk__in=merge.identities).count() == len(merge.identities) > 0
    )


def merges_into(lead_id: int) -> list[Merge]:
    """Return the merges into the lead that stand, the newest first."""
    return list(Merge.objects.filter(survivor_id=lead_id, undone_at=None))


def survivor_of(lead_id: int) -> int:
    """Return the id of the lead that this one was merged into, in turn; its own when it was not."""
    while merge := Merge.objects.filter(lead_id=lead_id, undone_at=None).first():
        lead_id = merge.survivor_id
    return lead_id


def _newest_contact(*lead_ids: int) -> int:
    return Contact.objects.filter(lead__in=lead_ids).aggregate(newest=Max("pk"))["newest"] or 0


def _restored(merge: Merge) -> Lead:
    first = Identity.objects.filter(pk__in=merge.identities).order_by("pk")[0]
    [lead] = Lead.objects.bulk_create([Lead(pk=merge.lead_id, external_id=first.value)])
    lead.created_at = merge.lead_created_at
    lead.save(update_fields=["created_at"])
    return lead
