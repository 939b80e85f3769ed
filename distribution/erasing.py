"""Forgetting who a lead was: what counts and what proves stays, what tells of a person goes."""

from collections.abc import Collection
from typing import Any

from django.db.models import QuerySet
from django.utils import timezone

from crm_project.access.acting import actor
from crm_project.access.idempotency import change_answers
from crm_project.webhooks.models import Attempt, Delivery
from distribution.errors import LeadNotFound
from distribution.locks import lock_leads_for_deletion
from distribution.merging import ever_merged_with
from distribution.transactions import in_transaction
from leads.models import ERASED, ROW_OF_A_TABLE, Contact, Identity, Lead, SourceEvent

# What a contact says of a person, and what stands in its place.
FORGOTTEN: dict[str, Any] = {"external_id": ERASED, "name": "", "phone": "", "email": "", "text": "", "data": {}}


@in_transaction
def erase_lead(lead_id: int) -> Lead:
    """Remove everything that tells who the lead was, and return the lead.

    Contacts stay as they are, active ones with their operators: loads, counts and decisions hold as before. Whoever
    writes by an identity that the lead had is a new lead. What reached others (webhooks, exports) is not called back.
    Raises LeadNotFound.
    """
    lead = lock_leads_for_deletion([lead_id]).get(lead_id)
    if lead is None:
        raise LeadNotFound
    contacts = Contact.objects.filter(lead=lead).order_by()
    # First, for the locks: whoever works on one of them has kept and told by now what the rest looks for.
    contacts.update(**FORGOTTEN)
    _forget_in_messages(contacts)
    _forget_in_answers(lead.pk, frozenset(contacts.values_list("pk", flat=True)))
    # Those of rows stay: by them an import that is run again knows what it has stored, and brings nobody back.
    SourceEvent.objects.filter(contact__in=contacts).exclude(event_id__regex=ROW_OF_A_TABLE).delete()
    Identity.objects.filter(lead=lead).delete()
    lead.external_id = f"{ERASED}:{lead.pk}"
    lead.erased_at = timezone.now()
    lead.erased_by = actor().name
    lead.save(update_fields=["external_id", "erased_at", "erased_by"])
    return lead


def without_contacts(answer: Any, contact_ids: Collection[int]) -> Any:
    """Return an answer of the API in which the contacts tell nothing of a person."""
    if isinstance(answer, list):
        return [without_contacts(one, contact_ids) for one in answer]
    if not isinstance(answer, dict):
        return answer
    told = {name: without_contacts(value, contact_ids) for name, value in answer.items()}
    is_one = "lead_id" in answer and answer.get("id") in contact_ids
    return told | {name: value for name, value in FORGOTTEN.items() if is_one and name in told}


def _forget_in_answers(lead_id: int, contact_ids: Collection[int]) -> None:
    """Empty what kept answers tell of the contacts; they name the lead whose these were at that time."""
    for one in ever_merged_with(lead_id):
        change_answers(f'"lead_id":{one},', lambda answer: without_contacts(answer, contact_ids))


def _forget_in_messages(contacts: QuerySet[Contact]) -> None:
    """Empty what is kept of messages about the contacts; one that is still to be sent is made anew."""
    deliveries = Delivery.objects.filter(event__contact__in=contacts).order_by()
    # First, for the locks: whoever writes down what came of one of them has stored its attempt by then.
    Delivery.objects.filter(pk__in=deliveries.values("pk")).order_by().update(body="")
    Attempt.objects.filter(delivery__in=deliveries).order_by().update(answer="")
