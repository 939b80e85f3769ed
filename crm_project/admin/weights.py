"""Weights as a table inside the page of a source or an operator."""

from collections import defaultdict
from operator import gt, lt
from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import Model, QuerySet
from django.forms import BaseInlineFormSet, ModelForm
from django.http import HttpRequest
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from unfold.admin import TabularInline

from crm_project.admin.base import touched
from crm_project.admin.columns import load_and_limit, page_link, share_now
from crm_project.admin.deletion import ProtectedDeletionAdmin
from crm_project.admin.forms import TouchedFieldsForm
from distribution import roster
from distribution.shares import with_rosters

GIVING_ROOM = {"is_active": gt, "is_paused": lt, "max_load": gt}


class RowLink(forms.Widget):
    """Shows a row as a link to its page."""

    def __init__(self, row: Model) -> None:
        self.row = row
        super().__init__()

    def render(self, name: str, value: Any, attrs: dict[str, Any] | None = None, renderer: Any = None) -> SafeString:
        """Return the link."""
        return page_link(self.row, self.row)


class FixedRow(forms.Field):
    """A choice that was made when the weight was: it is shown and cannot be changed."""

    def __init__(self, row: Model, label: Any) -> None:
        self.row = row
        super().__init__(required=False, disabled=True, widget=RowLink(row), label=label)

    def clean(self, value: Any) -> Model:
        """Return the row, whatever was sent."""
        return self.row


class WeightForm(TouchedFieldsForm):
    """A weight; the operator and the source of one that exists stay as they are."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk is not None:
            for name in self.fields.keys() & {"operator", "source"}:
                self.fields[name] = FixedRow(getattr(self.instance, name), self.fields[name].label)


class WeightInline(TabularInline):
    """The table; a subclass names the model and the side that is chosen in it."""

    form = WeightForm
    extra = 0
    per_page = 100
    show_title = False
    readonly_fields = ("load_and_limit", "share")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Return the weights with their shares."""
        return with_rosters(super().get_queryset(request))

    @admin.display(description=_("load / limit"))
    def load_and_limit(self, weight: Any) -> str:
        """Show the operator's load / limit."""
        return load_and_limit(weight.operator)

    @admin.display(description=_("share now"))
    def share(self, weight: Any) -> str:
        """Show the probability in a draw now, or the reason for none."""
        return share_now(weight)


class WithWeightsAdmin(ProtectedDeletionAdmin):
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
        """Store what was changed in the table, one call for each source."""
        weights: dict[int, dict[int, int]] = defaultdict(dict)
        for weight in formset.save(commit=False):
            weights[weight.source_id][weight.operator_id] = weight.weight
        for weight in formset.deleted_objects:
            roster.remove_weight(weight.source_id, weight.operator_id)
        for source_id in sorted(weights):
            roster.set_weights(source_id, weights[source_id])


def room_given(form: ModelForm) -> dict[str, Any]:
    """Return the fields of which the user made room: raised, switched on, or a pause that ended."""
    return {
        name: value
        for name, value in touched(form).items()
        if name in GIVING_ROOM and GIVING_ROOM[name](value, form.initial[name])
    }
