"""What several pages show of contacts."""

from django.db.models import Count, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.utils.html import format_html
from django.utils.translation import gettext as _

from crm_project.admin.columns import label
from leads.models import Contact, ContactStatus

TONES = {ContactStatus.WAITING: "warning", ContactStatus.ACTIVE: "info"}  # Closed ones are grey.


def contact_count(reference: str, contacts: QuerySet[Contact]) -> Coalesce:
    """Return the number of `contacts` whose `reference` is the row, as an annotation."""
    of_row = contacts.filter(**{reference: OuterRef("pk")}).order_by().values(reference)
    return Coalesce(Subquery(of_row.annotate(count=Count("pk")).values("count")), 0)


def last_name_given() -> Subquery:
    """Return the name in the lead's newest contact that has one, None without any, as an annotation of leads."""
    named = Contact.objects.filter(lead=OuterRef("pk")).exclude(name="").order_by("-pk")
    return Subquery(named.values("name")[:1])


def status_label(contact: Contact) -> str:
    """Return the status in its colour."""
    return label(contact.get_status_display(), TONES.get(ContactStatus(contact.status)))


def chat_link(contact: Contact) -> str:
    """Return the link that opens the chat with the lead, "-" when the source, read with the contact, has none."""
    address = contact.chat_link
    if address is None:
        return "-"
    return format_html(
        '<a href="{}" class="text-link" target="_blank" rel="noopener noreferrer">{}</a>', address, _("Chat")
    )
