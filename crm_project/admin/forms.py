"""The base of the admin's forms."""

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from django import forms
from django.contrib.admin.widgets import AutocompleteSelect, AutocompleteSelectMultiple
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminTextInputWidget

from crm_project.access.acting import LONGEST_REASON


def reason_field(*, required: bool = False) -> forms.CharField:
    """Return the field that asks why."""
    return forms.CharField(
        max_length=LONGEST_REASON,
        required=required,
        widget=UnfoldAdminTextInputWidget,
        label=_("Reason"),
        help_text=_("Why; kept with the decision or the change."),
    )


class WhyForm(forms.Form):
    """Why something is done; whoever does it need not say."""

    reason = reason_field()


class TouchedFieldsForm(forms.ModelForm):
    """A form whose `changed_data` names what the user touched, not what differs from the database by now.

    The page carries the values it was opened with. So a page that was open while somebody else changed another
    field puts nothing back. A call that does not send those values is compared with the database.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, field in self.fields.items():
            field.show_hidden_initial = not self.is_bound or f"initial-{self.add_prefix(name)}" in self.data

    def shown(self, name: str) -> Any:
        """Return the value of the field on the page that was opened, or when that did not send it, in the database."""
        field = self.fields[name]
        if field.show_hidden_initial:
            sent = field.hidden_widget().value_from_datadict(self.data, self.files, self.add_initial_prefix(name))
            with suppress(ValidationError):
                return field.to_python(sent)
        return self.get_initial_for_field(field, name)

    def _post_clean(self) -> None:
        # A page of a hundred weights has one or two touched: only those are checked against the database.
        if self.has_changed():
            super()._post_clean()  # type: ignore[misc]  # missing in the stubs


class ReasonedForm(TouchedFieldsForm):
    """The same with a field that asks why."""

    reason = reason_field()


class OfNumbers:
    """A choice with a search that can also show again what is no number of a row."""

    def optgroups(self, name: str, value: Sequence[str], attr: dict[str, Any] | None = None) -> Any:
        """Return the options that were chosen, of those for which there could be a row."""
        numbers = [one for one in value if is_number_of_row(str(one))]
        return super().optgroups(name, numbers, attr)  # type: ignore[misc]


class Autocomplete(OfNumbers, AutocompleteSelect):
    """Django's choice of one row with a search."""


class AutocompleteSeveral(OfNumbers, AutocompleteSelectMultiple):
    """Django's choice of several rows with a search."""


class AutocompleteAdmin:
    """A page or a table that uses it for its `autocomplete_fields`."""

    def formfield_for_foreignkey(self, db_field: Any, request: Any, **options: Any) -> Any:
        """Return the field of a foreign key."""
        page: Any = self
        if db_field.name in page.get_autocomplete_fields(request):
            options["widget"] = Autocomplete(db_field, page.admin_site, using=options.get("using"))
        return super().formfield_for_foreignkey(db_field, request, **options)  # type: ignore[misc]


def is_number_of_row(text: str) -> bool:
    """Return whether a text could be the number of a row in every database."""
    return text.isdecimal() and len(text) < 19
