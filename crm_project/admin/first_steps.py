"""The first steps of setting up: the operators, a source, and a weight for everybody."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Model
from django.http import HttpRequest
from django.utils.functional import Promise
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminTextareaWidget, UnfoldAdminTextInputWidget

from crm_project.admin.outcome import EXPLAINED, explanation
from distribution import roster
from distribution.overview import Setup
from distribution.selectors import Cell, weights_in
from leads.models import Source
from operators.models import Operator, Weight

MOST_NAMES = 200
LONGEST_NAME = Operator._meta.get_field("name").max_length or 0
EQUAL_WEIGHT = 1


class OperatorsForm(forms.Form):
    """The names of operators, one a line."""

    names = forms.CharField(
        label=_("Names"),
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 6}),
        help_text=_("One operator a line. Limits can be set later; each begins with 10 contacts at a time."),
        error_messages={"required": _("Type at least one name.")},
    )

    def clean_names(self) -> list[str]:
        """Return the names. Raises ValidationError for an empty line, a name twice, and one that is there already."""
        names = [" ".join(line.split()) for line in self.cleaned_data["names"].splitlines()]
        if complaints := [*_complaints(names)]:
            raise forms.ValidationError(complaints)
        return names

    def save(self) -> str:
        """Store the operators and return what to tell the user."""
        names = self.cleaned_data["names"]
        for name in names:
            roster.create_operator(name=name)
        sentence = ngettext("%(count)d operator added.", "%(count)d operators added.", len(names))
        return sentence % {"count": len(names)}


class SourceForm(forms.ModelForm):
    """The first source."""

    class Meta:
        model = Source
        fields = ("name", "code")
        widgets = {"name": UnfoldAdminTextInputWidget, "code": UnfoldAdminTextInputWidget}

    def save(self, commit: bool = True) -> Any:
        """Store the source and return what to tell the user."""
        source = roster.create_source(**self.cleaned_data)
        return gettext("The source «%(name)s» was added.") % {"name": source.name}


class WeightsForm(forms.Form):
    """Nothing to type: one weight for everybody."""

    def clean(self) -> dict[str, Any]:
        """Raise ValidationError when somebody has set weights by now, or there is nothing to set them on."""
        if Weight.objects.filter(weight__gt=0).exists():
            raise forms.ValidationError(gettext("There are weights already; they stay as they are."))
        if not (Operator.objects.exists() and Source.objects.exists()):
            raise forms.ValidationError(gettext("Add operators and a source first."))
        return {}

    def save(self) -> str:
        """Give every operator the same weight on every source and return what to tell the user."""
        operators, sources = (model.objects.values_list("pk", flat=True) for model in (Operator, Source))
        cells = [Cell(source_id, operator_id) for source_id in sources for operator_id in operators]
        roster.change_weights(dict.fromkeys(cells, EQUAL_WEIGHT), weights_in(cells))
        return gettext("Everybody has the same weight. New contacts are distributed from now on.")


@dataclass(frozen=True)
class Step:
    """One of the first steps: its form, what it adds, and how far it has come."""

    form: type[forms.BaseForm]
    adds: type[Model]
    title: str | Promise
    button: str | Promise
    is_done: Callable[[Setup], bool]
    is_next: Callable[[Setup], bool] = lambda _setup: True


STEPS = {
    "operators": Step(
        OperatorsForm, Operator, _("Add operators"), _("Add the operators"), lambda setup: setup.has_operators
    ),
    "source": Step(SourceForm, Source, _("Add a source"), _("Add the source"), lambda setup: setup.has_sources),
    "weights": Step(
        WeightsForm,
        Weight,
        _("Give everybody the same weight"),
        _("Equal weights for all"),
        lambda setup: setup.has_weights,
        lambda setup: setup.has_operators and setup.has_sources,
    ),
}


def steps_context(request: HttpRequest, done: Setup, typed: forms.BaseForm | None) -> dict[str, Any]:
    """Return what the page shows of the steps; `typed` is the form that was sent with something wrong in it."""
    return {
        "steps": [
            {
                "name": name,
                "url": f"first_step_{name}",
                "title": step.title,
                "button": step.button,
                "is_done": step.is_done(done),
                "is_next": step.is_next(done),
                "may_take": _may_take(request, step),
                "form": typed if isinstance(typed, step.form) else step.form(),
            }
            for name, step in STEPS.items()
        ]
    }


def take(request: HttpRequest, name: str) -> forms.BaseForm | None:
    """Take the step and tell the user; return its form when something is wrong with what was typed.

    Raises PermissionDenied.
    """
    step = STEPS[name]
    if not _may_take(request, step):
        raise PermissionDenied
    form: Any = step.form(request.POST)
    if not form.is_valid():
        return form
    try:
        messages.success(request, form.save())
    except EXPLAINED as error:
        messages.error(request, explanation(error))
    return None


def _may_take(request: HttpRequest, step: Step) -> bool:
    return admin.site.get_model_admin(step.adds).has_add_permission(request)


def _complaints(names: list[str]) -> list[str]:
    """Return what is wrong with the names, in sentences."""
    if len(names) > MOST_NAMES:
        return [gettext("At most %(most)d names at once.") % {"most": MOST_NAMES}]
    complaints = [
        gettext("Line %(number)d is empty.") % {"number": number} for number, name in enumerate(names, 1) if not name
    ]
    complaints += [
        gettext("A name has at most %(most)d characters: %(name)s") % {"most": LONGEST_NAME, "name": name}
        for name in names
        if len(name) > LONGEST_NAME
    ]
    return complaints + _doubles(names)


def _doubles(names: list[str]) -> list[str]:
    """Return a sentence for each name that stands twice, or that an operator has already, in whatever case."""
    known = {name.casefold() for name in Operator.objects.order_by().values_list("name", flat=True)}
    times = Counter(name.casefold() for name in names if name)
    first = {name.casefold(): name for name in reversed(names)}
    twice = [gettext("%(name)s stands in the list twice.") % {"name": first[key]} for key in times if times[key] > 1]
    there = [gettext("There is an operator %(name)s already.") % {"name": first[key]} for key in times if key in known]
    return twice + there
