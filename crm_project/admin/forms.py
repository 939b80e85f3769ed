"""The base of the admin's forms."""

from typing import Any

from django import forms
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


class TouchedFieldsForm(forms.ModelForm):
    """A form whose `changed_data` names what the user touched, not what differs from the database by now.

    The page carries the values it was opened with. So a page that was open while somebody else changed another
    field puts nothing back. A call that does not send those values is compared with the database.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, field in self.fields.items():
            field.show_hidden_initial = not self.is_bound or f"initial-{self.add_prefix(name)}" in self.data

    def _post_clean(self) -> None:
        # A page of a hundred weights has one or two touched: only those are checked against the database.
        if self.has_changed():
            super()._post_clean()  # type: ignore[misc]  # missing in the stubs


class ReasonedForm(TouchedFieldsForm):
    """The same with a field that asks why."""

    reason = reason_field()
