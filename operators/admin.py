"""Operators and weights in the back office."""

from functools import partial
from typing import Any

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import URLPattern, path
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext_lazy
from unfold.contrib.filters.admin import AutocompleteSelectFilter

from crm_project.admin.columns import label, list_link, list_url, load_and_limit, share_now
from crm_project.admin.deletion import DeletionAdmin
from crm_project.admin.forms import ReasonedForm, reason_field
from crm_project.admin.leaving import OperatorLeavingAdmin
from crm_project.admin.matrix import MatrixPage
from crm_project.admin.resources import OperatorResource, WeightResource
from crm_project.admin.transfer import TransferAdmin
from crm_project.admin.weights import WeightForm, WeightInline, cell_of
from distribution import roster
from distribution.availability import can_take
from distribution.overview import at_limit
from distribution.selectors import keys_of_weights, was_chosen
from distribution.shares import shares_of
from leads.models import ContactStatus
from operators.models import Operator, Weight

ACTIVATED = ngettext_lazy("%(count)d operator activated.", "%(count)d operators activated.", "count")
DEACTIVATED = ngettext_lazy("%(count)d operator deactivated.", "%(count)d operators deactivated.", "count")
PAUSED = ngettext_lazy("%(count)d operator paused.", "%(count)d operators paused.", "count")
OF_THOSE_STORED = ("is_paused", "active_contacts", "account")

RESUMED = ngettext_lazy("%(count)d operator goes on.", "%(count)d operators go on.", "count")


class RoomFilter(admin.SimpleListFilter):
    """Who can take something now, and who is at the limit."""

    title = _("room")
    parameter_name = "room"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        """Return the choices."""
        return [("free", _("has free places")), ("none", _("at the limit"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Operator]) -> QuerySet[Operator]:
        """Return the operators of the choice."""
        conditions = {"free": can_take(), "none": at_limit()}
        return queryset.filter(conditions.get(self.value() or "", Q()))


class OperatorWeightInline(WeightInline):
    """The sources that the operator takes contacts from."""

    model = Weight
    fields = ("source", "weight", "share")
    autocomplete_fields = ("source",)


@admin.register(Operator)
class OperatorAdmin(TransferAdmin, OperatorLeavingAdmin):
    """Operators with their load and their weights."""

    count_of_rows = ngettext_lazy("%(count)d operator", "%(count)d operators", "count")
    list_display = ("name", "load_and_limit", "is_active", "pause_label", "external_id", "created")
    list_filter = ("is_active", "is_paused", RoomFilter)
    search_fields = ("name", "external_id")
    form = ReasonedForm
    resource_classes = [OperatorResource]
    fields = ("name", "external_id", "is_active", "is_paused", "max_load", "active_contacts", "user", "reason")
    readonly_fields = ("active_contacts", "account")
    autocomplete_fields = ("user",)
    inlines = (OperatorWeightInline,)
    actions = ("activate", "deactivate", "pause", "resume", "delete_selected")
    logged_fields = ("is_active", "is_paused")
    summed_by = {"is_active": _("active")}

    def get_fields(self, request: HttpRequest, obj: Operator | None = None) -> list[Any]:
        """Return the fields; who may not see users is only told the name of the account."""
        may_choose = request.user.has_perm("auth.view_user")
        names = [name if may_choose or name != "user" else "account" for name in super().get_fields(request, obj)]
        return [name for name in names if obj is not None or name not in OF_THOSE_STORED]

    @admin.display(description=_("account"))
    def account(self, operator: Operator) -> str:
        """Show with whom the operator logs in."""
        return "-" if operator.user is None else operator.user.get_username()

    @admin.display(description=_("load / limit"), ordering="load")
    def load_and_limit(self, operator: Operator) -> str:
        """Show the load / limit."""
        return load_and_limit(operator)

    @admin.display(description=_("pause"), ordering="is_paused")
    def pause_label(self, operator: Operator) -> str:
        """Show that the operator takes a break."""
        return label(_("paused"), "warning") if operator.is_paused else ""

    @admin.display(description=_("load / limit"))
    def active_contacts(self, operator: Operator) -> str:
        """Show the load / limit and the way to the contacts that make it."""
        filters = {"operator__id__exact": operator.pk, "status__exact": ContactStatus.ACTIVE}
        contacts = list_link("leads_contact", _("active contacts"), **filters)
        return format_html("{} {}", load_and_limit(operator), contacts)

    def create_row(self, **fields: Any) -> Operator:
        """Store a new operator."""
        return roster.create_operator(**fields)

    def change_row(self, row: Operator, **changes: Any) -> None:
        """Change the operator; what makes room gives waiting contacts away."""
        roster.change_operator(row.pk, **changes)

    def kept(self, rows: QuerySet[Any]) -> QuerySet[Any]:
        """Return those who have contacts, or had some: decisions name them."""
        return super().kept(rows) | rows.filter(was_chosen())

    def delete_row(self, row: Operator) -> None:
        """Delete the operator."""
        roster.delete_operator(row.pk)

    @admin.action(permissions=["change"], description=_("Activate"))
    def activate(self, request: HttpRequest, operators: QuerySet[Operator]) -> HttpResponse | None:
        """Let them take contacts, beginning with those that wait."""
        activate = partial(roster.change_operator, is_active=True)
        return self.apply(request, operators, activate, ACTIVATED, work="activate_operators")

    @admin.action(permissions=["change"], description=_("Deactivate"))
    def deactivate(self, request: HttpRequest, operators: QuerySet[Operator]) -> HttpResponse | None:
        """Give them nothing new, and ask what becomes of the contacts they have."""
        deactivate = partial(roster.change_operator, is_active=False)
        return self.deactivate_rows(request, operators, deactivate, DEACTIVATED)

    @admin.action(permissions=["change"], description=_("Pause"))
    def pause(self, request: HttpRequest, operators: QuerySet[Operator]) -> None:
        """Give them nothing new until they go on."""
        self.apply(request, operators, lambda pk: roster.change_operator(pk, is_paused=True), PAUSED)

    @admin.action(permissions=["change"], description=_("End the pause"))
    def resume(self, request: HttpRequest, operators: QuerySet[Operator]) -> None:
        """Let them go on, beginning with the contacts that wait."""
        self.apply(request, operators, lambda pk: roster.change_operator(pk, is_paused=False), RESUMED)


class ReasonedWeightForm(WeightForm):
    """A weight with a field that asks why."""

    reason = reason_field()


class WeightList(ChangeList):
    """A page of weights, with the shares of all of them."""

    def get_results(self, request: HttpRequest) -> None:
        """Read the page, and the shares in two statements."""
        super().get_results(request)
        shares = shares_of(self.result_list)
        for weight in self.result_list:
            weight.share = shares[weight.pk]


@admin.register(Weight)
class WeightAdmin(TransferAdmin, DeletionAdmin):
    """All weights of all sources."""

    count_of_rows = ngettext_lazy("%(count)d weight", "%(count)d weights", "count")
    form = ReasonedWeightForm
    resource_classes = [WeightResource]
    list_display = ("source", "operator", "weight", "share", "load_and_limit")
    list_display_links = ("source", "operator")
    list_filter = (("source", AutocompleteSelectFilter), ("operator", AutocompleteSelectFilter))
    list_filter_submit = True
    search_fields = ("source__name", "source__code", "operator__name", "operator__external_id")
    fields = ("source", "operator", "weight", "reason")
    autocomplete_fields = ("source", "operator")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Weight]:
        """Return the weights with both sides."""
        return super().get_queryset(request).select_related("source", "operator")

    def get_changelist(self, request: HttpRequest, **options: Any) -> type[ChangeList]:
        """Return the list that knows the shares."""
        return WeightList

    def get_urls(self) -> list[URLPattern]:
        """Add the matrix."""
        view = self.admin_site.admin_view(self.matrix_view)
        return [path("matrix/", view, name="operators_weight_matrix"), *super().get_urls()]

    def history_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> HttpResponse:
        """Show what was set on the weight, the newest first."""
        weight = self.get_object(request, object_id)
        if weight is None:
            raise Http404
        return redirect(
            list_url("distribution_settingchange", source_id=weight.source_id, operator_id=weight.operator_id)
        )

    def matrix_view(self, request: HttpRequest) -> HttpResponse:
        """Answer the page with all operators and sources in one table."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        return MatrixPage(self, request).answer()

    @admin.display(description=_("share now"))
    def share(self, weight: Weight) -> str:
        """Show the probability in a draw now, or the reason for none."""
        return share_now(weight)

    @admin.display(description=_("load / limit"), ordering="operator__load")
    def load_and_limit(self, weight: Weight) -> str:
        """Show the operator's load / limit."""
        return load_and_limit(weight.operator)

    def save_model(self, request: HttpRequest, obj: Weight, form: Any, change: bool) -> None:
        """Store the weight. Raises WeightsChanged when somebody else has set it since the page was opened."""
        if "weight" in form.changed_data or not change:
            cell = cell_of(obj)
            roster.change_weights({cell: obj.weight}, {cell: form.shown("weight") if change else None})
            obj.pk = keys_of_weights([cell])[cell]

    def delete_row(self, row: Weight) -> None:
        """Take the operator off the source's list."""
        roster.remove_weight(row.source_id, row.operator_id)
