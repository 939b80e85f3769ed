"""The rows of a table of weights on a page: those that there are, and one for each that could be added."""

from collections import defaultdict
from typing import Any

from django import forms
from django.db.models import Model, QuerySet
from django.forms import ModelForm
from django.urls import reverse
from django.utils.functional import cached_property
from django.utils.html import format_html
from django.utils.http import urlencode
from django.utils.safestring import SafeString
from django.utils.text import capfirst
from unfold.forms import PaginationInlineFormSet

from crm_project.admin.columns import page_link
from crm_project.admin.forms import is_number_of_row
from crm_project.admin.weight_share import others_by_source, share_told, why_not
from distribution.selectors import operators_without_weight, sources_without_weight
from leads.models import Source
from operators.models import Operator, Weight

MOST_ROWS_OFFERED = 50


class RowLink(forms.Widget):
    """Shows a row as a link to its page."""

    def __init__(self, row: Model) -> None:
        self.row = row
        super().__init__()

    def render(self, name: str, value: Any, attrs: dict[str, Any] | None = None, renderer: Any = None) -> SafeString:
        """Return the link."""
        return page_link(self.row, self.row)


class OfferedRowLink(RowLink):
    """The same, of a row that has no weight yet: its number is sent with the form as what the page began with."""

    def render(self, name: str, value: Any, attrs: dict[str, Any] | None = None, renderer: Any = None) -> SafeString:
        """Return the link and the number."""
        number = format_html('<input type="hidden" name="initial-{}" value="{}">', name, str(self.row.pk))
        return number + super().render(name, value, attrs, renderer)


class FixedRow(forms.Field):
    """A choice that is made already: it is shown and cannot be changed."""

    def __init__(self, row: Model, label: Any, widget: type[RowLink] = RowLink) -> None:
        self.row = row
        super().__init__(required=False, disabled=True, widget=widget(row), label=label)

    def clean(self, value: Any) -> Model:
        """Return the row, whatever was sent."""
        return self.row


class KeyOfRow(forms.Field):
    """The key by which the table has found a row; Django's own field would look for each row once more."""

    def __init__(self, row: Model) -> None:
        self.row = row
        super().__init__(required=False, initial=row.pk, widget=forms.HiddenInput)

    def clean(self, value: Any) -> Model:
        """Return the row."""
        return self.row

    def has_changed(self, initial: Any, data: Any) -> bool:
        """Say no: another key would have found another row."""
        return False


class WeightFormSet(PaginationInlineFormSet):
    """The weights of a source or of an operator, and rows without a weight for the others: typing one adds it."""

    fk: Any
    instance: Any
    _pk_field: Any

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.chosen = "operator" if self.fk.name == "source" else "source"
        if not self.is_bound:
            self.extra = len(self._offered)
            self.initial_extra = [{self.chosen: row.pk} for row in self._offered.values()]

    @cached_property
    def forms(self) -> list[ModelForm]:
        """Return the forms, each with what its weight comes to."""
        rows = super().forms
        self._tell_shares(rows)
        return rows

    @cached_property
    def without_weight(self) -> QuerySet[Any]:
        """The operators or sources that have no weight here yet."""
        choose = operators_without_weight if self.chosen == "operator" else sources_without_weight
        return choose(self.instance.pk)

    @cached_property
    def not_offered(self) -> int:
        """How many could be added besides those that have a row."""
        return max(self.without_weight.count() - MOST_ROWS_OFFERED, 0) if self.max_num else 0

    @property
    def matrix_url(self) -> str:
        """The address of all that could be added, in the matrix."""
        of = {"source": self.instance.code} if self.chosen == "operator" else {"operator": self.instance.name}
        return f"{reverse('admin:operators_weight_matrix')}?{urlencode(of)}"

    def add_fields(self, form: Any, index: int | None) -> None:
        """Add the fields of a form; in a row that was offered, whom it is for is settled."""
        super().add_fields(form, index)
        if form.instance.pk is not None:
            form.fields[self._pk_field.name] = KeyOfRow(form.instance)
        row = self._offered.get(self._number_offered(index)) if form.instance.pk is None else None
        if row is not None and self.chosen in form.fields:
            setattr(form.instance, self.chosen, row)
            setattr(form.instance, self.fk.name, self.instance)
            form.fields[self.chosen] = FixedRow(row, form.fields[self.chosen].label, OfferedRowLink)
        if weight := form.fields.get("weight"):
            told = [capfirst(weight.label), getattr(form.instance, self.chosen, None)]
            weight.widget.attrs["aria-label"] = " · ".join(str(part) for part in told if part)

    def _number_offered(self, index: int | None) -> Any:
        if index is None:
            return None
        if not self.is_bound:
            return dict(enumerate(self._offered, self.initial_form_count())).get(index)
        return self._numbers_sent.get(index)

    @cached_property
    def _numbers_sent(self) -> dict[int, int]:
        sent = {index: self._number_sent(index) for index in range(self.initial_form_count(), self.total_form_count())}
        return {index: int(number) for index, number in sent.items() if is_number_of_row(number)}

    def _number_sent(self, index: int) -> str:
        return self.data.get(f"initial-{self.add_prefix(index)}-{self.chosen}") or ""

    @cached_property
    def _offered(self) -> dict[int, Any]:
        if self.is_bound:
            return (Operator if self.chosen == "operator" else Source).objects.in_bulk(set(self._numbers_sent.values()))
        return {row.pk: row for row in self.without_weight[: 0 if self.max_num == 0 else MOST_ROWS_OFFERED]}

    def _tell_shares(self, rows: list[Any]) -> None:
        told = [form for form in rows if _is_told(form.instance)]
        sources = {form.instance.source_id: form.instance.source for form in told if form.instance.source_id}
        operator_ids = [form.instance.operator_id for form in told if form.instance.operator_id]
        others: dict[Any, int] = {None: 0, **others_by_source(list(sources.values()), operator_ids)}
        totals = defaultdict(int, others)
        for form in told:
            totals[form.instance.source_id] += available_weight_of(form.instance)
        for form in told:
            self._tell_share(form, others.get(form.instance.source_id), totals[form.instance.source_id])

    def _tell_share(self, form: Any, others: int | None, total: int) -> None:
        weight, why = form.instance, why_not(form.instance.operator)
        share = "" if others is None else share_told(weight.weight, why, total)
        # Beside an operator the reason stands with the load; on their own page, here.
        shown = why if self.chosen == "source" else ""
        told = f"{share} · {shown}" if share and shown else share
        weight.share_shown = format_html('<output for="{}">{}</output>', form["weight"].id_for_label, told)
        if "weight" in form.fields:
            widget = form.fields["weight"].widget
            widget.input_type = "text"
            widget.attrs |= {"inputmode": "numeric", "data-source": str(weight.source_id or "new")}
            widget.attrs |= {} if others is None else {"data-others": str(others)}
            widget.attrs |= {"data-obstacle": shown} if why else {}


def available_weight_of(weight: Weight) -> int:
    """Return what a weight, stored or not, adds to the sum that shares are parts of."""
    return 0 if why_not(weight.operator) else weight.weight or 0


def _is_told(weight: Weight) -> bool:
    return all(name in weight._state.fields_cache for name in ("operator", "source"))
