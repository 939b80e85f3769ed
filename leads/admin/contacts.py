"""Contacts in the back office."""

import json
from typing import Any
from urllib.parse import urlencode

from django import forms
from django.contrib import admin
from django.contrib.admin.options import ActionLocation
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext, ngettext_lazy
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import AutocompleteSelectFilter, ChoicesDropdownFilter
from unfold.widgets import UnfoldAdminSelectWidget

from crm_project.access.acting import LONGEST_REASON, because
from crm_project.access.serializers import REASON
from crm_project.admin.base import ServiceAdmin
from crm_project.admin.bulk import Asked, BulkQuestion, all_matching
from crm_project.admin.columns import age, moment, short
from crm_project.admin.decisions import story_of
from crm_project.admin.exporting import ExportAdmin
from crm_project.admin.forms import reason_field
from distribution import handling
from distribution.availability import can_take
from distribution.board import contacts_of_lead
from distribution.selectors import queue_position
from distribution.waiting import why_waiting
from leads.admin.rows import chat_link, status_label
from leads.models import Contact
from operators.models import Operator

EVERYWHERE = [ActionLocation.CHANGE_LIST, ActionLocation.CHANGE_FORM]
LINES_ON_THE_PAGE_THAT_ASKS = 20

CLOSED = ngettext_lazy("%(count)d contact closed.", "%(count)d contacts closed.", "count")
REOPENED = ngettext_lazy("%(count)d contact reopened.", "%(count)d contacts reopened.", "count")
MOVED = ngettext_lazy("%(count)d contact moved.", "%(count)d contacts moved.", "count")


class ReceiverField(forms.ModelChoiceField):
    """An operator who can take a contact now."""

    widget = UnfoldAdminSelectWidget
    default_error_messages = {
        "invalid_choice": _("This operator is inactive, paused or at the limit by now. Choose another."),
    }

    def label_from_instance(self, obj: Any) -> str:
        """Return the name with the load / limit."""
        return f"{obj.name} ({obj.load} / {obj.max_load})"


class ReceiverForm(forms.Form):
    """Who gets the contacts."""

    operator = ReceiverField(
        Operator.objects.filter(can_take()).order_by("name", "pk"),
        label=_("Operator"),
        empty_label=_("Choose an operator"),
        help_text=_(
            "Those who are active, not paused and below their limit, with load / limit. A weight is not needed."
        ),
    )
    reason = reason_field()


@admin.register(Contact)
class ContactAdmin(ExportAdmin, ServiceAdmin):
    """Contacts: to look at, and to handle by actions. No form writes them."""

    count_of_rows = ngettext_lazy("%(count)d contact", "%(count)d contacts", "count")
    list_display = ("id", "sent_by", "status_label", "waiting_for", "operator", "source", "called", "created")
    list_display_links = ("id", "sent_by")
    list_select_related = ("source", "operator")
    list_filter = (
        ("status", ChoicesDropdownFilter),
        ("source", AutocompleteSelectFilter),
        ("operator", AutocompleteSelectFilter),
        "created_at",
    )
    list_filter_submit = True
    search_fields = (
        "=id",
        "external_id",
        "name",
        "phone",
        "email",
        "lead__external_id",
        "operator__name",
        "source__code",
    )
    show_full_result_count = False
    change_form_template = "admin/contact.html"
    change_form_outer_after_template = "admin/around_contact.html"
    fieldsets = (
        (
            None,
            {
                "fields": (
                    *("status_label", "waiting_for", "place_in_queue", "waiting_because"),
                    *("operator", "source", "lead", "chat"),
                )
            },
        ),
        (_("What was sent"), {"fields": ("external_id", "name", "phone", "email", "written", "readable_data")}),
        (_("Times"), {"fields": ("created_at", "assigned_at", "closed_at")}),
    )
    readonly_fields = (
        "status_label",
        "waiting_for",
        "place_in_queue",
        "waiting_because",
        "chat",
        "written",
        "readable_data",
    )
    actions = ("close", "reopen", "reassign_by_draw", "reassign_to")
    logged_fields = ("status", "operator")
    exported = (
        *("id", "external_id", "status", "operator__name", "source__name", "name", "phone", "email", "text", "data"),
        *("created_at", "assigned_at", "closed_at"),
    )
    summed_by = {"status": _("status"), "source__name": _("source"), "operator__name": _("operator")}

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Contacts come in through the API only."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Contact | None = None) -> bool:
        """Refuse every form; those who may change contacts handle them by actions."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Contact | None = None) -> bool:
        """Nothing that was accepted is lost."""
        return False

    def has_handle_permission(self, request: HttpRequest) -> bool:
        """Whether the user may close, reopen and move contacts."""
        return super().has_change_permission(request)

    def for_lines(self, rows: QuerySet[Contact]) -> QuerySet[Contact]:
        """Return the contacts with their names."""
        return rows.select_related("source", "operator")

    def line_of(self, row: Contact) -> str:
        """Return the contact with its source and who has it."""
        return f"{row} · {row.source} · {row.operator or row.get_status_display()}"

    def get_fieldsets(self, request: HttpRequest, obj: Contact | None = None) -> Any:
        """Return what there is to show of the contact, without what is empty."""
        fieldsets: Any = super().get_fieldsets(request, obj)
        if obj is None:
            return fieldsets
        return [
            (title, {"fields": [name for name in options["fields"] if _has(obj, name)]}) for title, options in fieldsets
        ]

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *arguments: Any, **options: Any
    ) -> HttpResponse:
        """Tell the lead and the decisions, and offer only the actions that make sense for the contact as it is."""
        contact = context["original"]
        context["story"] = story_of(request, contact.pk)
        context["longest_reason"] = LONGEST_REASON
        context["lead_contacts"] = [
            (row, moment(row.created_at), status_label(row)) for row in contacts_of_lead(contact)
        ]
        if context["action_form"]:
            sensible = {"reopen"} if contact.is_closed else {"close", "reassign_by_draw", "reassign_to"}
            field = context["action_form"].fields["action"]
            field.choices = [choice for choice in field.choices if choice[0] in sensible]
        return super().render_change_form(request, context, *arguments, **options)

    @admin.display(description=_("external id"), ordering="external_id")
    def sent_by(self, contact: Contact) -> str:
        """Show the external id on one line."""
        return short(contact.external_id)

    @admin.display(description=_("name"), ordering="name")
    def called(self, contact: Contact) -> str:
        """Show the name on one line."""
        return short(contact.name)

    @admin.display(description=_("status"), ordering="status")
    def status_label(self, contact: Contact) -> str:
        """Show the status in colour."""
        return status_label(contact)

    @admin.display(description=_("waiting for"), ordering="-created_at")
    def waiting_for(self, contact: Contact) -> str | None:
        """Show the age of a contact that waits."""
        return age(contact.created_at) if contact.is_waiting else None

    @admin.display(description=_("place in the queue"))
    def place_in_queue(self, contact: Contact) -> int | None:
        """Show how many it has to wait for, itself included."""
        return queue_position(contact)

    @admin.display(description=_("why it waits"))
    def waiting_because(self, contact: Contact) -> str:
        """Show why nobody has it yet, as things stand now, and the way to what would help."""
        queue = f"{reverse('queue')}?{urlencode({'source': contact.source_id})}"
        link = '{} <a href="{}" class="text-link">{}</a>'
        return format_html(link, why_waiting(contact), queue, gettext("What would help"))

    @admin.display(description=_("chat with the lead"))
    def chat(self, contact: Contact) -> str:
        """Show the link to the chat, if the source has one."""
        return chat_link(contact)

    @admin.display(description=_("text"))
    def written(self, contact: Contact) -> str:
        """Show the text with its lines."""
        return format_html('<div style="white-space: pre-wrap">{}</div>', contact.text) if contact.text else ""

    @admin.display(description=_("data"))
    def readable_data(self, contact: Contact) -> str:
        """Show the data as it was sent, indented."""
        if not contact.data:
            return ""
        readable = json.dumps(contact.data, ensure_ascii=False, indent=2)
        return format_html('<pre style="white-space: pre-wrap">{}</pre>', readable)

    @admin.action(
        permissions=["handle"],
        description=_("Close contact"),
        description_plural=_("Close contacts"),
        location=EVERYWHERE,
    )
    def close(self, request: HttpRequest, contacts: QuerySet[Contact]) -> HttpResponse | None:
        """Close the contacts."""
        return self.apply(request, contacts, handling.close_contact, CLOSED, work="close")

    @admin.action(
        permissions=["handle"],
        description=_("Reopen contact"),
        description_plural=_("Reopen contacts"),
        location=EVERYWHERE,
    )
    def reopen(self, request: HttpRequest, contacts: QuerySet[Contact]) -> HttpResponse | None:
        """Reopen the contacts: each back to its operator, else into the queue."""
        return self.apply(request, contacts, handling.reopen_contact, REOPENED, work="reopen")

    @admin.action(permissions=["handle"], description=_("Reassign by draw"), location=EVERYWHERE)
    def reassign_by_draw(self, request: HttpRequest, contacts: QuerySet[Contact]) -> HttpResponse | None:
        """Move each contact to another operator of its source."""
        return self.apply(request, contacts, handling.reassign_by_draw, MOVED, work="reassign_by_draw")

    @admin.action(permissions=["handle"], description=_("Reassign to …"), location=EVERYWHERE)
    def reassign_to(self, request: HttpRequest, contacts: QuerySet[Contact]) -> HttpResponse | None:
        """Ask for an operator, and move the contacts to them."""
        if all_matching(request):
            return BulkQuestion(self, request, contacts, "reassign_to", Asked(ReceiverForm)).answer()
        typed = {REASON: request.POST.get(REASON, "")}
        form = ReceiverForm(request.POST if "operator" in request.POST else None, initial=typed)
        if not form.is_valid():
            return self._ask_for_receiver(request, contacts, form)
        receiver = form.cleaned_data["operator"]
        with because(form.cleaned_data["reason"]):
            self.apply(request, contacts, lambda pk: handling.reassign_to_operator(pk, receiver.pk), MOVED)
        return None

    def _ask_for_receiver(
        self, request: HttpRequest, contacts: QuerySet[Contact], form: ReceiverForm
    ) -> TemplateResponse:
        repeated = {name: values for name, values in request.POST.lists() if name not in form.fields}
        repeated.pop("csrfmiddlewaretoken", None)
        context = {
            **self.admin_site.each_context(request),
            "title": _("Reassign to …"),
            "opts": self.opts,
            "form": form,
            "repeated": repeated,
            "contacts": contacts.select_related("source", "operator")[:LINES_ON_THE_PAGE_THAT_ASKS],
            "contact_count": contacts.count(),
        }
        return TemplateResponse(request, "admin/reassign_to.html", context)


def _has(contact: Contact, name: str) -> bool:
    """Return whether there is anything to show under the name."""
    match name:
        case "waiting_for" | "place_in_queue" | "waiting_because":
            return contact.is_waiting
        case "chat":
            return contact.chat_link is not None
        case "written" | "readable_data":
            return bool(contact.text if name == "written" else contact.data)
        case "status_label":
            return True
        case _:
            return bool(getattr(contact, name))
