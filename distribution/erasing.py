"""Forgetting who a lead was: what counts and what proves stays, what tells of a person goes."""

from typing import Any

from django.contrib.admin.models import LogEntry
from django.contrib.contenttypes.models import ContentType
from django.db.models import QuerySet, Value
from django.db.models.functions import Concat
from django.utils import timezone

from crm_project.access.acting import actor
from crm_project.access.idempotency import change_answers
from crm_project.webhooks.models import Attempt, Delivery
from distribution.errors import LeadNotFound
from distribution.locks import lock_lead
from distribution.transactions import in_transaction
from leads.models import ERASED, Contact, Identity, Lead, SourceEvent

# What a contact says of a person, and what stands in its place.
FORGOTTEN: dict[str, Any] = {"external_id": ERASED, "name": "", "phone": "", "email": "", "text": "", "data": {}}


@in_transaction
def erase_lead(lead_id: int) -> Lead:
    """Remove everything that tells who the lead was, and return the lead.

    Contacts stay as they are, active ones with their operators: loads, counts and decisions hold as before. Whoever
    writes by an identity that the lead had is a new lead. What reached others (webhooks, exports) is not called back.
    Raises LeadNotFound.
    """
    lead = lock_lead(lead_id)
    if lead is None:
        raise LeadNotFound
    contacts = Contact.objects.filter(lead=lead).order_by()
    _forget_in_history(lead, contacts)
    _forget_in_messages(contacts)
    change_answers(f'"lead_id":{lead.pk},', lambda answer: without_lead(answer, lead.pk))
    SourceEvent.objects.filter(contact__in=contacts).delete()
    Identity.objects.filter(lead=lead).delete()
    contacts.update(**FORGOTTEN)
    lead.external_id = f"{ERASED}:{lead.pk}"
    lead.erased_at = timezone.now()
    lead.erased_by = actor().name
    lead.save(update_fields=["external_id", "erased_at", "erased_by"])
    return lead


def without_lead(answer: Any, lead_id: int) -> Any:
    """Return an answer of the API in which nothing tells who the lead was."""
    if isinstance(answer, list):
        return [without_lead(one, lead_id) for one in answer]
    if not isinstance(answer, dict):
        return answer
    told = {name: without_lead(value, lead_id) for name, value in answer.items()}
    is_theirs = answer.get("lead_id") == lead_id
    return told | {name: value for name, value in FORGOTTEN.items() if is_theirs and name in told}


def _forget_in_history(lead: Lead, contacts: QuerySet[Contact]) -> None:
    types = ContentType.objects.get_for_models(Lead, Contact)
    keys = [str(key) for key in contacts.values_list("pk", flat=True)]
    of_contacts = LogEntry.objects.filter(content_type=types[Contact], object_id__in=keys)
    of_contacts.update(object_repr=Concat("object_id", Value(f": {ERASED}")))
    LogEntry.objects.filter(content_type=types[Lead], object_id=str(lead.pk)).update(object_repr=f"{ERASED}:{lead.pk}")


def _forget_in_messages(contacts: QuerySet[Contact]) -> None:
    """Empty what is kept of messages about the contacts; one that is still to be sent is made anew."""
    deliveries = Delivery.objects.filter(event__contact__in=contacts).order_by()
    Attempt.objects.filter(delivery__in=deliveries).order_by().update(answer="")
    Delivery.objects.filter(pk__in=deliveries.values("pk")).order_by().update(body="")
