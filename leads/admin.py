"""Contacts, leads and sources in the back office."""

import json
from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.admin.options import ActionLocation
from django.core.exceptions import PermissionDenied
from django.db.models import Count, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.html import format_html
from django.utils.timesince import timesince
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext_lazy
from unfold.admin import TabularInline
from unfold.contrib.filters.admin import AutocompleteSelectFilter, ChoicesDropdownFilter
from unfold.decorators import action
from unfold.widgets import UnfoldAdminSelectWidget

from crm_project.access.acting import because
from crm_project.admin.base import ServiceAdmin
from crm_project.admin.columns import label, list_link, moment, page_link, short
from crm_project.admin.decisions import story_of
from crm_project.admin.deletion import ProtectedDeletionAdmin
from crm_project.admin.fairness import fairness_context, preview_context
from crm_project.admin.forms import ReasonedForm, reason_field
from crm_project.admin.simulation import SimulationPage
from crm_project.admin.weights import WeightInline, WithWeightsAdmin
from distribution import handling, roster
from distribution.availability import can_take
from distribution.selectors import queue_position
from distribution.strategy import choices
from distribution.waiting import wait_of
from leads.models import DEFAULT_STRATEGY, Contact, ContactStatus, Lead, Source
from operators.models import Operator, Weight

EVERYWHERE = [ActionLocation.CHANGE_LIST, ActionLocation.CHANGE_FORM]
TONES = {ContactStatus.WAITING: "warning", ContactStatus.ACTIVE: "info"}  # Closed ones are grey.
LINES_ON_THE_PAGE_THAT_ASKS = 20

ACTIVATED = ngettext_lazy("%(count)d source activated.", "%(count)d sources activated.", "count")
DEACTIVATED = ngettext_lazy("%(count)d source deactivated.", "%(count)d sources deactivated.", "count")
CLOSED = ngettext_lazy("%(count)d contact closed.", "%(count)d contacts closed.", "count")
REOPENED = ngettext_lazy("%(count)d contact reopened.", "%(count)d contacts reopened.", "count")
MOVED = ngettext_lazy("%(count)d contact moved.", "%(count)d contacts moved.", "count")


class SourceWeightInline(WeightInline):
    """The operators of the source."""

    model = Weight
    fields = ("operator", "weight", "load_and_limit", "share")
    autocomplete_fields = ("operator",)


class SourceForm(ReasonedForm):
    """A source; its strategy is chosen from those that there are."""

    strategy = forms.ChoiceField(
        choices=choices,
        initial=DEFAULT_STRATEGY,
        widget=UnfoldAdminSelectWidget,
        label=_("Strategy"),
        help_text=_("How an operator is chosen among those available."),
    )


@admin.register(Source)
class SourceAdmin(WithWeightsAdmin):
    """Sources with their queues and their weights."""

    list_display = ("name", "waiting", "is_active", "code", "created")
    list_filter = ("is_active", "reuse_open_contact")
    search_fields = ("name", "code")
    form = SourceForm
    fields = ("name", "code", "is_active", "strategy", "prefer_same_operator", "reuse_open_contact", "reason")
    inlines = (SourceWeightInline,)
    change_form_outer_after_template = "admin/preview.html"
    actions = ("activate", "deactivate", "delete_selected")
    actions_detail = ("simulate",)
    logged_fields = ("is_active",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Source]:
        """Return the sources with the number of contacts that wait on each."""
        return super().get_queryset(request).annotate(waiting_count=contact_count("source", Contact.objects.waiting()))

    def get_urls(self) -> list[URLPattern]:
        """Add the page of the fairness report to those of a source."""
        view = self.admin_site.admin_view(self.fairness_view)
        return [path("<path:object_id>/fairness/", view, name="leads_source_fairness"), *super().get_urls()]

    def fairness_view(self, request: HttpRequest, object_id: str) -> TemplateResponse:
        """Show whether the draws of the source were fair."""
        source = self.get_object(request, object_id)
        if source is None:
            raise Http404
        if not self.has_view_permission(request, source):
            raise PermissionDenied
        context = {**self.admin_site.each_context(request), "opts": self.opts, **fairness_context(request, source)}
        return TemplateResponse(request, "admin/fairness.html", context)

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *arguments: Any, **options: Any
    ) -> HttpResponse:
        """Add what the next contact will meet to the page of a source that exists."""
        source = context["original"]
        context["preview"] = source and preview_context(source.pk)
        return super().render_change_form(request, context, *arguments, **options)

    @admin.display(description=_("waiting"))
    def waiting(self, source: Any) -> str:
        """Show how many contacts wait, leading to them."""
        filters = {"source__id__exact": source.pk, "status__exact": ContactStatus.WAITING}
        return list_link("leads_contact", source.waiting_count, **filters)

    def create_row(self, **fields: Any) -> Source:
        """Store a new source."""
        return roster.create_source(**fields)

    def change_row(self, row: Source, **changes: Any) -> None:
        """Change the source; one that becomes active gives its waiting contacts away."""
        roster.change_source(row.pk, **changes)

    def delete_row(self, row: Source) -> None:
        """Delete the source."""
        roster.delete_source(row.pk)

    @action(permissions=["change"], description=_("What if …"), url_path="simulate")
    def simulate(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Answer the page that replays a past period with other weights."""
        source = self.get_object(request, object_id)
        if source is None:
            return self._get_obj_does_not_exist_redirect(request, self.opts, object_id)
        return SimulationPage(self, request, source).answer()

    @admin.action(permissions=["change"], description=_("Activate"))
    def activate(self, request: HttpRequest, sources: QuerySet[Source]) -> None:
        """Take new contacts again, and give those that wait."""
        self.apply(request, sources, lambda pk: roster.change_source(pk, is_active=True), ACTIVATED)

    @admin.action(permissions=["change"], description=_("Deactivate"))
    def deactivate(self, request: HttpRequest, sources: QuerySet[Source]) -> None:
        """Refuse new contacts and let the queue rest."""
        self.apply(request, sources, lambda pk: roster.change_source(pk, is_active=False), DEACTIVATED)


class ContactInline(TabularInline):
    """What a lead wrote, newest first; to look at."""

    model = Contact
    fields = ("contact", "source", "operator", "status_label", "excerpt", "created")
    readonly_fields = fields
    ordering = ("-id",)
    per_page = 20
    show_title = False
    can_delete = False

    def get_queryset(self, request: HttpRequest) -> QuerySet[Contact]:
        """Return the contacts with their names."""
        return super().get_queryset(request).select_related("source", "operator")

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
    def excerpt(self, contact: Contact) -> str:
        """Show the beginning of the text."""
        return short(contact.text)

    @admin.display(description=_("created"))
    def created(self, contact: Contact) -> str:
        """Show when the contact came in."""
        return moment(contact.created_at)

    @admin.display(description=_("status"))
    def status_label(self, contact: Contact) -> str:
        """Show the status in colour."""
        return status_label(contact)


@admin.register(Lead)
class LeadAdmin(ProtectedDeletionAdmin):
    """Leads and what they wrote; they come in through the API."""

    list_display = ("known_as", "contacts", "created")
    search_fields = ("external_id",)
    fields = ("external_id", "created_at")
    inlines = (ContactInline,)
    show_full_result_count = False

    def get_queryset(self, request: HttpRequest) -> QuerySet[Lead]:
        """Return the leads with the number of their contacts."""
        return super().get_queryset(request).annotate(contact_count=contact_count("lead", Contact.objects.all()))

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


class ReceiverField(forms.ModelChoiceField):
    """An operator who can take a contact now."""

    widget = UnfoldAdminSelectWidget
    default_error_messages = {
        "invalid_choice": _("This operator is inactive or at the limit by now. Choose another."),
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
        help_text=_("Those who are active and below their limit, with load / limit. A weight is not needed."),
    )
    reason = reason_field()


@admin.register(Contact)
class ContactAdmin(ServiceAdmin):
    """Contacts: to look at, and to handle by actions. No form writes them."""

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
    change_form_outer_after_template = "admin/decisions_of_contact.html"
    fieldsets = (
        (None, {"fields": ("status_label", "waiting_for", "operator", "source", "lead")}),
        (_("What was sent"), {"fields": ("external_id", "name", "phone", "email", "written", "readable_data")}),
        (_("Times"), {"fields": ("created_at", "assigned_at", "closed_at")}),
    )
    readonly_fields = ("status_label", "waiting_for", "place_in_queue", "waiting_because", "written", "readable_data")
    actions = ("close", "reopen", "reassign_by_draw", "reassign_to")
    logged_fields = ("status", "operator")

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

    def get_fieldsets(self, request: HttpRequest, obj: Contact | None = None) -> Any:
        """Return what is shown; of a contact that waits, its place in the queue and why."""
        (title, first), *others = super().get_fieldsets(request, obj)
        if obj is None or not obj.is_waiting:
            return [(title, first), *others]
        status, waiting_for, *rest = first["fields"]
        return [(title, {"fields": (status, waiting_for, "place_in_queue", "waiting_because", *rest)}), *others]

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *arguments: Any, **options: Any
    ) -> HttpResponse:
        """Tell the decisions, and offer only the actions that make sense for the contact as it is."""
        contact = context["original"]
        context["story"] = story_of(request, contact.pk)
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
        return timesince(contact.created_at) if contact.is_waiting else None

    @admin.display(description=_("place in the queue"))
    def place_in_queue(self, contact: Contact) -> int | None:
        """Show how many it has to wait for, itself included."""
        return queue_position(contact)

    @admin.display(description=_("why it waits"))
    def waiting_because(self, contact: Contact) -> str | None:
        """Show why nobody has it yet, as things stand now."""
        return wait_of(contact).because

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
    def close(self, request: HttpRequest, contacts: QuerySet[Contact]) -> None:
        """Close the contacts."""
        self.apply(request, contacts, handling.close_contact, CLOSED)

    @admin.action(
        permissions=["handle"],
        description=_("Reopen contact"),
        description_plural=_("Reopen contacts"),
        location=EVERYWHERE,
    )
    def reopen(self, request: HttpRequest, contacts: QuerySet[Contact]) -> None:
        """Reopen the contacts: each back to its operator, else into the queue."""
        self.apply(request, contacts, handling.reopen_contact, REOPENED)

    @admin.action(permissions=["handle"], description=_("Reassign by draw"), location=EVERYWHERE)
    def reassign_by_draw(self, request: HttpRequest, contacts: QuerySet[Contact]) -> None:
        """Move each contact to another operator of its source."""
        self.apply(request, contacts, handling.reassign_by_draw, MOVED)

    @admin.action(permissions=["handle"], description=_("Reassign to …"), location=EVERYWHERE)
    def reassign_to(self, request: HttpRequest, contacts: QuerySet[Contact]) -> HttpResponse | None:
        """Ask for an operator, and move the contacts to them."""
        form = ReceiverForm(request.POST if "operator" in request.POST else None)
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


def contact_count(reference: str, contacts: QuerySet[Contact]) -> Coalesce:
    """Return the number of `contacts` whose `reference` is the row, as an annotation."""
    of_row = contacts.filter(**{reference: OuterRef("pk")}).order_by().values(reference)
    return Coalesce(Subquery(of_row.annotate(count=Count("pk")).values("count")), 0)


def status_label(contact: Contact) -> str:
    """Return the status in its colour."""
    return label(contact.get_status_display(), TONES.get(ContactStatus(contact.status)))
