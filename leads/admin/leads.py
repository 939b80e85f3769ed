"""Leads in the back office."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext_lazy
from unfold.admin import TabularInline

from crm_project.admin.columns import list_link, moment, page_link, short
from distribution import roster
from distribution.board import with_excerpt
from leads.admin.alike import AlikeAdmin
from leads.admin.personal import PersonalDataAdmin
from leads.admin.rows import chat_link, contact_count, last_name_given, status_label
from leads.models import Contact, Lead


class ContactInline(TabularInline):
    """What a lead wrote, newest first; to look at."""

    model = Contact
    fields = ("contact", "source", "operator", "status_label", "beginning", "chat", "created")
    readonly_fields = fields
    ordering = ("-id",)
    per_page = 20
    show_title = False
    can_delete = False

    def get_queryset(self, request: HttpRequest) -> QuerySet[Contact]:
        """Return the contacts with their names."""
        return with_excerpt(super().get_queryset(request)).select_related("source", "operator")

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Contacts come in through the API only."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Contacts are handled on their own page."""
        return False

    @admin.display(description=_("contact"))
    def contact(self, contact: Contact) -> str:
        """Show the number of the contact, leading to its page."""
        return page_link(contact, contact.pk)

    @admin.display(description=_("text"))
    def beginning(self, contact: Any) -> str:
        """Show the beginning of the text."""
        return short(contact.excerpt)

    @admin.display(description=_("chat"))
    def chat(self, contact: Contact) -> str:
        """Show the link to the chat, if the source has one."""
        return chat_link(contact)

    @admin.display(description=_("created"))
    def created(self, contact: Contact) -> str:
        """Show when the contact came in."""
        return moment(contact.created_at)

    @admin.display(description=_("status"))
    def status_label(self, contact: Contact) -> str:
        """Show the status in colour."""
        return status_label(contact)


@admin.register(Lead)
class LeadAdmin(AlikeAdmin, PersonalDataAdmin):
    """Leads and what they wrote; they come in through the API."""

    count_of_rows = ngettext_lazy("%(count)d lead", "%(count)d leads", "count")
    list_display = ("known_as", "called", "contacts", "created")
    search_fields = (
        "external_id",
        "identities__value",
        "contacts__external_id",
        "contacts__name",
        "contacts__phone",
        "contacts__email",
    )
    fields = ("known_by", "called", "created_at")
    readonly_fields = ("known_by", "called")
    inlines = (ContactInline,)
    show_full_result_count = False

    def get_queryset(self, request: HttpRequest) -> QuerySet[Lead]:
        """Return the leads with the name they gave last and the number of their contacts."""
        leads = super().get_queryset(request).annotate(last_name_given=last_name_given())
        return leads.annotate(contact_count=contact_count("lead", Contact.objects.all()))

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Leads come in through the API only."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Lead | None = None) -> bool:
        """Keep what was sent."""
        return False

    @admin.display(description=_("external id"), ordering="external_id")
    def known_as(self, lead: Lead) -> str:
        """Show the external id on one line."""
        return short(lead.external_id)

    @admin.display(description=_("known by"))
    def known_by(self, lead: Lead) -> str:
        """Show everything that the lead is known by, or what they were known by last."""
        told = [f"{identity} ({identity.get_kind_display()})" for identity in lead.identities.all()]
        return ", ".join(told) or lead.external_id

    @admin.display(description=_("name"))
    def called(self, lead: Any) -> str:
        """Show the name that the lead gave last, on one line."""
        return short(lead.last_name_given)

    @admin.display(description=_("contacts"))
    def contacts(self, lead: Any) -> str:
        """Show how many contacts there are, leading to them."""
        return list_link("leads_contact", lead.contact_count, lead__id__exact=lead.pk)

    def delete_row(self, row: Lead) -> None:
        """Delete the lead."""
        roster.delete_lead(row.pk)

    def response_delete(self, request: HttpRequest, obj_display: str, obj_id: int) -> HttpResponse:
        """Go back to the list, as Django does only for those who may change leads."""
        super().response_delete(request, obj_display, obj_id)
        return redirect("admin:leads_lead_changelist")
