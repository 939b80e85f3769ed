"""The page «What if» of a source: a past period with other weights, and a button that makes them the weights."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core import signing
from django.core.exceptions import PermissionDenied
from django.core.validators import MinValueValidator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.translation import gettext, pgettext_lazy
from django.utils.translation import gettext_lazy as _
from unfold.widgets import DATETIME_CLASSES, UnfoldAdminIntegerFieldWidget, UnfoldAdminSelectWidget

from crm_project.access.acting import because
from crm_project.admin.forms import reason_field
from crm_project.admin.outcome import EXPLAINED, explanation
from crm_project.api.refusals import Refusal
from distribution import roster
from distribution.errors import WeightsChanged
from distribution.history import WEIGHT
from distribution.period import Period
from distribution.phrases import percent
from distribution.simulation.errors import TooManyContacts
from distribution.simulation.events import Key
from distribution.simulation.question import Question, answer, command_line
from distribution.simulation.report import OperatorRow, Report, SourceRow, clock
from distribution.strategy import choices
from leads.models import Source
from operators.models import HIGHEST_LIMIT, HIGHEST_WEIGHT, Operator, Weight

MOST_CONTACTS_ON_A_PAGE = 20_000
MOST_OPERATORS_ON_A_PAGE = 200
USUAL_PERIOD = timedelta(days=7)
EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)  # the first days of the calendar are none in some zones
SALT = "weights of a simulation"
AS_RECORDED = _("as recorded")


class MomentInput(forms.DateTimeInput):
    """The browser's own calendar and clock."""

    input_type = "datetime-local"

    def __init__(self) -> None:
        super().__init__(attrs={"class": " ".join(DATETIME_CLASSES)}, format="%Y-%m-%dT%H:%M")


class QuestionForm(forms.Form):
    """The period, the strategy, and for each operator of the source a weight, a limit and whether they are active.

    What is left empty stays as it was recorded.
    """

    begins = forms.DateTimeField(label=_("From"), widget=MomentInput, validators=[MinValueValidator(EARLIEST)])
    ends = forms.DateTimeField(label=_("To"), widget=MomentInput)
    strategy = forms.ChoiceField(label=_("Strategy"), required=False, widget=UnfoldAdminSelectWidget)

    def __init__(self, source: Source, weights: list[Weight], *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.source = source
        self.operators = [weight.operator for weight in weights]
        self.fields["strategy"].choices = [("", AS_RECORDED), *choices()]  # type: ignore[attr-defined]
        for weight in weights:
            operator = weight.operator
            self.fields[f"weight_{operator.pk}"] = _number_field(HIGHEST_WEIGHT, initial=weight.weight)
            self.fields[f"limit_{operator.pk}"] = _number_field(HIGHEST_LIMIT)
            self.fields[f"active_{operator.pk}"] = _activity_field()

    def rows(self) -> Iterator[dict[str, Any]]:
        """Yield each operator with the fields of their row."""
        for operator in self.operators:
            yield {
                "operator": operator,
                **{name: self[f"{name}_{operator.pk}"] for name in ("weight", "limit", "active")},
            }

    def question(self) -> Question:
        """Return what the valid form asks. Raises EmptyPeriod."""
        period = Period.in_the_past(self.cleaned_data["begins"], self.cleaned_data["ends"])
        return Question(self.source, period, dict(self._changes()))

    def weights(self) -> dict[int, int]:
        """Return the weights that the valid form names, by operator id."""
        typed = {operator.pk: self.cleaned_data[f"weight_{operator.pk}"] for operator in self.operators}
        return {operator_id: weight for operator_id, weight in typed.items() if weight is not None}

    def _changes(self) -> Iterator[tuple[Key, Any]]:
        for operator_id, weight in self.weights().items():
            yield Key(WEIGHT, operator_id, self.source.pk), weight
        for operator in self.operators:
            if (limit := self.cleaned_data[f"limit_{operator.pk}"]) is not None:
                yield Key("max_load", operator.pk), limit
            if active := self.cleaned_data[f"active_{operator.pk}"]:
                yield Key("is_active", operator.pk), active == "yes"
        if strategy := self.cleaned_data["strategy"]:
            yield Key("strategy", None, self.source.pk), strategy


class ReasonForm(forms.Form):
    """Why the weights are set."""

    reason = reason_field(required=True)


@dataclass(frozen=True)
class Proposal:
    """Weights to set, and all the weights that the page was made from; it travels through the browser signed."""

    source: Source
    weights: dict[int, int]
    seen: dict[int, int]

    @classmethod
    def of_page(cls, source: Source, text: str) -> "Proposal":
        """Return what `signed` returned. Raises WeightsChanged for any other text."""
        try:
            source_id, weights, seen = signing.loads(text, salt=SALT)
        except signing.BadSignature as error:
            raise WeightsChanged from error
        if source_id != source.pk:
            raise WeightsChanged
        return cls(source, dict(weights), dict(seen))

    def signed(self) -> str:
        """Return the proposal as a text that cannot be altered unnoticed."""
        return signing.dumps([self.source.pk, list(self.weights.items()), list(self.seen.items())], salt=SALT)

    def differences(self) -> list[tuple[Operator, int, int]]:
        """Return each operator whose weight changes, with the weight now and then."""
        changed = {one: weight for one, weight in self.weights.items() if weight != self.seen.get(one)}
        operators = Operator.objects.in_bulk(changed)
        return [(operators[one], self.seen.get(one, 0), weight) for one, weight in changed.items() if one in operators]

    def apply(self, reason: str) -> None:
        """Set the weights. Raises WeightsChanged when they are not those that were seen."""
        with because(reason):
            roster.set_weights(self.source.pk, self.weights, expected=self.seen.__eq__)


class SimulationPage:
    """One request to the page."""

    def __init__(self, model_admin: admin.ModelAdmin, request: HttpRequest, source: Source) -> None:
        self._admin = model_admin
        self._request = request
        self._source = source
        rows = Weight.objects.filter(source=source).select_related("operator").order_by("operator_id")
        self._weights = list(rows[: MOST_OPERATORS_ON_A_PAGE + 1])

    def answer(self) -> HttpResponse:
        """Show the form, what a simulation says, or the question before weights are set; or set them."""
        if len(self._weights) > MOST_OPERATORS_ON_A_PAGE:
            sentence = gettext("This source has more than %(most)d operators. Use the command: manage.py simulate.")
            messages.error(self._request, sentence % {"most": MOST_OPERATORS_ON_A_PAGE})
            return self._to_source()
        if "proposal" in self._request.POST:
            return self._confirmed()
        if self._request.method == "POST":
            return self._simulated()
        return self._shown(self._form(initial=_usual_period()))

    def _simulated(self) -> HttpResponse:
        form = self._form(self._request.POST)
        if not form.is_valid():
            return self._shown(form)
        question = None
        try:
            question = form.question()
            report = answer(question, most=MOST_CONTACTS_ON_A_PAGE)
        except TooManyContacts as refusal:
            command = "" if question is None else command_line(question)
            return self._shown(form, refusal=refusal, command=command)
        except Refusal as refusal:
            return self._shown(form, refusal=refusal)
        return self._shown(form, **self._result(form, question, report))

    def _result(self, form: QuestionForm, question: Question, report: Report) -> dict[str, Any]:
        seen = {weight.operator_id: weight.weight for weight in self._weights}
        proposal = Proposal(self._source, form.weights(), seen)
        return {
            "command": command_line(question),
            "report": report,
            "sources": [_source_cells(row) for row in report.sources if row is report.source or row.differs],
            "unchanged": sum(not row.differs for row in report.sources[1:]),
            "operators": [_operator_cells(row) for row in report.operators],
            "proposal": proposal.signed() if self._may_set_weights() and proposal.differences() else "",
        }

    def _may_set_weights(self) -> bool:
        return self._admin.admin_site.get_model_admin(Weight).has_change_permission(self._request)

    def _confirmed(self) -> HttpResponse:
        if not self._may_set_weights():
            raise PermissionDenied
        try:
            proposal = Proposal.of_page(self._source, self._request.POST["proposal"])
            form = ReasonForm(self._request.POST if "reason" in self._request.POST else None)
            if not form.is_valid():
                return self._asked(proposal, form)
            proposal.apply(form.cleaned_data["reason"])
        except EXPLAINED as error:
            messages.error(self._request, explanation(error))
            return redirect(self._request.get_full_path())
        self._log(proposal)
        messages.success(self._request, gettext("The weights are set."))
        return self._to_source()

    def _log(self, proposal: Proposal) -> None:
        changed = {operator.pk for operator, _before, _after in proposal.differences()}
        weights = Weight.objects.filter(source=self._source, operator__in=changed).select_related("source", "operator")
        entries = [{"changed": {"name": "weight", "object": str(row), "fields": ["weight"]}} for row in weights]
        self._admin.log_change(self._request, self._source, entries)

    def _form(self, *args: Any, **kwargs: Any) -> QuestionForm:
        return QuestionForm(self._source, self._weights, *args, **kwargs)

    def _shown(self, form: QuestionForm, **more: Any) -> TemplateResponse:
        return self._page("admin/simulation.html", form=form, most=MOST_CONTACTS_ON_A_PAGE, **more)

    def _asked(self, proposal: Proposal, form: ReasonForm) -> TemplateResponse:
        differences = proposal.differences()
        return self._page("admin/simulation_apply.html", form=form, proposal=proposal.signed(), differences=differences)

    def _page(self, template: str, **context: Any) -> TemplateResponse:
        context |= {
            **self._admin.admin_site.each_context(self._request),
            "title": _("What if"),
            "subtitle": str(self._source),
            "opts": self._admin.opts,
            "original": self._source,
        }
        return TemplateResponse(self._request, template, context)

    def _to_source(self) -> HttpResponse:
        return redirect("admin:leads_source_change", self._source.pk)


def _number_field(highest: int, **options: Any) -> forms.IntegerField:
    widget = UnfoldAdminIntegerFieldWidget(attrs={"placeholder": AS_RECORDED})
    return forms.IntegerField(min_value=0, max_value=highest, required=False, widget=widget, **options)


def _activity_field() -> forms.ChoiceField:
    states = [
        ("", AS_RECORDED),
        ("yes", pgettext_lazy("state of an operator", "active")),
        ("no", pgettext_lazy("state of an operator", "inactive")),
    ]
    return forms.ChoiceField(choices=states, required=False, widget=UnfoldAdminSelectWidget)


def _usual_period() -> dict[str, datetime]:
    ends = timezone.localtime().replace(second=0, microsecond=0)
    return {"begins": ends - USUAL_PERIOD, "ends": ends + timedelta(minutes=1)}


def _source_cells(row: SourceRow) -> dict[str, Any]:
    pairs = [
        (_("Half waited up to"), *(clock(waits.median) for waits in row.waits)),
        (_("95 in a hundred waited up to"), *(clock(waits.most) for waits in row.waits)),
        (_("Longest wait"), *(clock(waits.longest) for waits in row.waits)),
        (_("Waiting at the end"), *row.unassigned),
    ]
    return {"name": row.name, "contacts": row.contacts, "pairs": pairs}


def _operator_cells(row: OperatorRow) -> dict[str, Any]:
    return {
        "name": row.name,
        "weight": row.weight,
        "given": row.given,
        "peak": row.peak,
        # A number in SVG has a point in every language.
        "bars": [(f"{100 * share:.2f}", percent(share)) for share in row.share],
    }
