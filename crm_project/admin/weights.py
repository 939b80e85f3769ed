"""Weights as a table inside the page of a source or an operator."""

from operator import gt, lt
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.forms import BaseInlineFormSet, ModelForm
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _
from unfold.admin import TabularInline

from crm_project.admin.base import touched
from crm_project.admin.columns import load_and_limit
from crm_project.admin.deletion import ProtectedDeletionAdmin
from crm_project.admin.forms import AutocompleteAdmin, TouchedFieldsForm
from crm_project.admin.setting_history import WithSettingHistoryAdmin
from crm_project.admin.weight_rows import FixedRow, WeightFormSet
from crm_project.admin.weight_share import why_not
from distribution import roster
from distribution.selectors import Cell

GIVING_ROOM = {"is_active": gt, "is_paused": lt, "max_load": gt}


class WeightForm(TouchedFieldsForm):
    """A weight; the operator and the source of one that exists stay as they are."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk is not None:
            for name in self.fields.keys() & {"operator", "source"}:
                self.fields[name] = FixedRow(getattr(self.instance, name), self.fields[name].label)


class WeightInline(AutocompleteAdmin, TabularInline):
    """The table; a subclass names the model and the side that is chosen in it."""

    form = WeightForm
    formset = WeightFormSet
    template_before = "admin/weights_before.html"
    extra = 0
    per_page = 100
    show_title = False
    readonly_fields = ("load_and_limit", "share")

    class Media:
        """The script that recalculates the shares."""

        js = ("crm_project/weights.js",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Return the weights with both sides."""
        return super().get_queryset(request).select_related("operator", "source")

    @admin.display(description=_("load / limit"))
    def load_and_limit(self, weight: Any) -> str:
        """Show the operator's load / limit, and why they are not available when they are not."""
        return format_html("{} {}", load_and_limit(weight.operator), why_not(weight.operator))

    @admin.display(description=_("share"))
    def share(self, weight: Any) -> str:
        """Show the share among the available operators."""
        return getattr(weight, "share_shown", "")


class WithWeightsAdmin(WithSettingHistoryAdmin, ProtectedDeletionAdmin):
    """The page of an operator or a source with its weights.

    What takes room away is stored first and what gives room last, with the weights between. Otherwise the contacts
    that wait would be given away by weights that the same form is about to change.
    """

    def save_model(self, request: HttpRequest, obj: Any, form: ModelForm, change: bool) -> None:
        """Store the fields that give no room."""
        if not change:
            super().save_model(request, obj, form, change)
            return
        giving_room = room_given(form)
        if changes := {name: value for name, value in touched(form).items() if name not in giving_room}:
            self.change_row(obj, **changes)

    def save_related(self, request: HttpRequest, form: ModelForm, formsets: Any, change: bool) -> None:
        """Store the weights, then the fields that give room."""
        super().save_related(request, form, formsets, change)
        if change and (changes := room_given(form)):
            self.change_row(form.instance, **changes)

    def save_formset(self, request: HttpRequest, form: ModelForm, formset: BaseInlineFormSet, change: bool) -> None:
        """Store what was changed in the table, all or none. Raises WeightsChanged for what others changed meanwhile."""
        formset.save(commit=False)
        typed = [*formset.new_objects, *(weight for weight, _names in formset.changed_objects)]
        wanted = {cell_of(weight): weight.weight for weight in typed}
        wanted |= {cell_of(weight): None for weight in formset.deleted_objects}
        if wanted:
            stored: list[Any] = [row for row in formset.forms if row.instance.pk is not None]
            roster.change_weights(wanted, {cell_of(row.instance): row.shown("weight") for row in stored})


def cell_of(weight: Any) -> Cell:
    """Return the place of a weight."""
    return Cell(weight.source_id, weight.operator_id)


def room_given(form: ModelForm) -> dict[str, Any]:
    """Return the fields of which the user made room: raised, switched on, or a pause that ended."""
    return {
        name: value
        for name, value in touched(form).items()
        if name in GIVING_ROOM and GIVING_ROOM[name](value, form.initial[name])
    }
