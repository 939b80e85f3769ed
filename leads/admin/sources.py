"""Sources in the back office."""

from functools import partial
from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext_lazy
from unfold.decorators import action
from unfold.widgets import UnfoldAdminSelectWidget

from crm_project.admin.columns import list_link
from crm_project.admin.fairness import fairness_context, preview_context
from crm_project.admin.forms import ReasonedForm
from crm_project.admin.leaving import SourceLeavingAdmin
from crm_project.admin.resources import SourceResource
from crm_project.admin.simulation import SimulationPage
from crm_project.admin.transfer import TransferAdmin
from crm_project.admin.weights import WeightInline
from distribution import roster
from distribution.strategy import choices
from leads.admin.rows import contact_count
from leads.models import DEFAULT_STRATEGY, Contact, ContactStatus, Source
from operators.models import Weight

ACTIVATED = ngettext_lazy("%(count)d source activated.", "%(count)d sources activated.", "count")
DEACTIVATED = ngettext_lazy("%(count)d source deactivated.", "%(count)d sources deactivated.", "count")


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
class SourceAdmin(TransferAdmin, SourceLeavingAdmin):
    """Sources with their queues and their weights."""

    count_of_rows = ngettext_lazy("%(count)d source", "%(count)d sources", "count")
    list_display = ("name", "waiting", "is_active", "code", "created")
    list_filter = ("is_active", "reuse_open_contact")
    search_fields = ("name", "code")
    form = SourceForm
    fields = (
        "name",
        "code",
        "is_active",
        "strategy",
        "prefer_same_operator",
        "reuse_open_contact",
        "identified_by",
        "link_template",
        "reason",
    )
    resource_classes = [SourceResource]
    inlines = (SourceWeightInline,)
    change_form_outer_after_template = "admin/preview.html"
    actions = ("activate", "deactivate", "delete_selected")
    actions_detail = ("simulate",)
    logged_fields = ("is_active",)
    summed_by = {"is_active": _("active")}

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
        context["preview"] = source and preview_context(request, source.pk)
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

    @action(permissions=["view"], description=_("What if …"), url_path="simulate")
    def simulate(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Answer the page that replays a past period with other weights."""
        source = self.get_object(request, object_id)
        if source is None:
            return self._get_obj_does_not_exist_redirect(request, self.opts, object_id)
        return SimulationPage(self, request, source).answer()

    @admin.action(permissions=["change"], description=_("Activate"))
    def activate(self, request: HttpRequest, sources: QuerySet[Source]) -> HttpResponse | None:
        """Take new contacts again, and give those that wait."""
        activate = partial(roster.change_source, is_active=True)
        return self.apply(request, sources, activate, ACTIVATED, work="activate_sources")

    @admin.action(permissions=["change"], description=_("Deactivate"))
    def deactivate(self, request: HttpRequest, sources: QuerySet[Source]) -> HttpResponse | None:
        """Refuse new contacts and let the queue rest, and ask what becomes of those who wait."""
        deactivate = partial(roster.change_source, is_active=False)
        return self.deactivate_rows(request, sources, deactivate, DEACTIVATED)
