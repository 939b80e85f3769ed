"""What several pages show of contacts."""

from django.db.models import Count, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce

from crm_project.admin.columns import label
from leads.models import Contact, ContactStatus

TONES = {ContactStatus.WAITING: "warning", ContactStatus.ACTIVE: "info"}  # Closed ones are grey.


def contact_count(reference: str, contacts: QuerySet[Contact]) -> Coalesce:
    """Return the number of `contacts` whose `reference` is the row, as an annotation."""
    of_row = contacts.filter(**{reference: OuterRef("pk")}).order_by().values(reference)
    return Coalesce(Subquery(of_row.annotate(count=Count("pk")).values("count")), 0)


def status_label(contact: Contact) -> str:
    """Return the status in its colour."""
    return label(contact.get_status_display(), TONES.get(ContactStatus(contact.status)))
