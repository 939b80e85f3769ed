"""What the pages of a source show of its draws: the next one, and whether those of a period were fair."""

from datetime import date, datetime, time, timedelta
from typing import Any, NamedTuple

from django import forms
from django.contrib import admin
from django.core.validators import MaxValueValidator, MinValueValidator
from django.http import HttpRequest
from django.urls import reverse
from django.utils.formats import number_format
from django.utils.timezone import localdate, make_aware
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext_lazy, pgettext_lazy
from unfold.widgets import UnfoldAdminTextInputWidget

from crm_project.admin.columns import label, list_url, load_and_limit
from distribution.errors import EmptyPeriod
from distribution.fairness import Verdict
from distribution.fairness_report import OperatorFinding, Report, fairness_report
from distribution.fairness_words import (
    counts_of,
    missed_by,
    name_of,
    p_value_of,
    unreadable_of,
    verdict_of,
    verdict_on,
)
from distribution.period import DEFAULT_DAYS, Period
from distribution.phrases import NOBODY, WHY_NOT, percent
from distribution.shares import Share, preview
from distribution.strategy import STRATEGIES
from distribution.wording import signed, tenths
from leads.models import Source
from operators.models import Weight

FIRST_DAY, LAST_DAY = date(2000, 1, 1), date(2199, 12, 31)
MOST_PROSPECTS = 30
USUAL_DAYS = (7, 30, 90, 365)
TONES = {Verdict.ORDINARY_CHANCE: "success", Verdict.REAL_SKEW: "danger", Verdict.TOO_FEW_DRAWS: "warning"}


class DayField(forms.DateField):
    """A day of this or the last century, chosen in the browser's own calendar."""

    def __init__(self, label: Any) -> None:
        widget = UnfoldAdminTextInputWidget(attrs={"type": "date"})
        validators = [MinValueValidator(FIRST_DAY), MaxValueValidator(LAST_DAY)]
        super().__init__(label=label, widget=widget, input_formats=["%Y-%m-%d"], validators=validators)

    def prepare_value(self, value: Any) -> Any:
        """Return the day as the browser's calendar has it, whatever the language."""
        return value.isoformat() if isinstance(value, date) else value


class DaysForm(forms.Form):
    """The days of a report, the last one included."""

    first = DayField(pgettext_lazy("a day", "from"))
    last = DayField(pgettext_lazy("a day", "to"))

    def clean(self) -> dict[str, Any]:
        """Return the days. Raises ValidationError when the last is before the first."""
        days = self.cleaned_data
        if len(days) == len(self.fields) and days["last"] < days["first"]:
            raise forms.ValidationError(str(EmptyPeriod.message), EmptyPeriod.code)
        return days

    @property
    def period(self) -> Period:
        """The period from the beginning of the first day to the end of the last."""
        end = self.cleaned_data["last"] + timedelta(days=1)
        return Period(*(make_aware(datetime.combine(day, time())) for day in (self.cleaned_data["first"], end)))


class Strip(NamedTuple):
    """Where the marks of an operator's chart lie, each as a part of its width in per cent."""

    expected: str
    band_start: str
    band_width: str
    drawn: str


class ChartRow(NamedTuple):
    """What the report says of an operator."""

    name: str
    verdict: str
    strip: Strip
    numbers: str
    details: list[str]


def preview_context(request: HttpRequest, source_id: int) -> dict[str, Any]:
    """Return what the section about the next contact shows: of many operators those with the largest shares."""
    shown = preview(source_id)
    largest_first = sorted(shown.operators, key=lambda share: -share.share)
    weights = admin.site.get_model_admin(Weight)
    return {
        "strategy": STRATEGIES[shown.source.strategy].name,
        "nobody": shown.nobody and NOBODY[shown.nobody],
        "prefers_same": shown.source.prefer_same_operator,
        "operators": [_prospect(share) for share in largest_first[:MOST_PROSPECTS]],
        "more": len(largest_first[MOST_PROSPECTS:]),
        "more_url": list_url("operators_weight", source__id__exact=source_id)
        if weights.has_view_permission(request)
        else "",
        "fairness_url": reverse("admin:leads_source_fairness", args=[source_id]),
    }


def fairness_context(request: HttpRequest, source: Source) -> dict[str, Any]:
    """Return what the page of the fairness report shows; without days, or with wrong ones, no report."""
    form = DaysForm(request.GET or _days(DEFAULT_DAYS))
    report = fairness_report(source, form.period) if form.is_valid() else None
    return {
        "title": _("Fairness of draws"),
        "source": source,
        "form": form,
        "usual_periods": [
            (ngettext_lazy("%(count)d day", "%(count)d days", "count") % {"count": days}, _days(days))
            for days in USUAL_DAYS
        ],
        **(_shown(report) if report else {}),
    }


def _prospect(share: Share) -> dict[str, Any]:
    return {
        "name": share.operator.name,
        "weight": share.weight,
        "load": load_and_limit(share.operator),
        "share": WHY_NOT[share.reason] if share.reason else percent(share.share),
        "bar": f"{100 * share.share:.2f}%",
    }


def _days(number: int) -> dict[str, str]:
    last = localdate()
    return {"first": (last - timedelta(days=number - 1)).isoformat(), "last": last.isoformat()}


def _shown(report: Report) -> dict[str, Any]:
    """Return the verdict and a row for each operator: whom a skew concerns first, then by what was expected."""
    rows = sorted(report.operators, key=lambda row: (not row.is_skewed, -row.tally.expected))
    highest = max((max(row.tally.drawn, row.tally.expected + row.finding.band) for row in rows), default=0)
    return {
        "verdict": verdict_of(report),
        "tone": TONES.get(report.judgement.verdict, ""),
        "counts": [counts_of(report), unreadable_of(report)],
        "rows": [_chart_row(row, highest or 1) for row in rows],
    }


def _chart_row(row: OperatorFinding, highest: float) -> ChartRow:
    return ChartRow(
        name=name_of(row),
        verdict=label(verdict_on(row), TONES.get(row.finding.verdict)) if verdict_on(row) else "",
        strip=_strip(row, highest),
        numbers=_("drawn %(drawn)s, expected %(expected)s ± %(band)s (%(difference)s)")
        % {
            "drawn": number_format(row.tally.drawn),
            "expected": tenths(row.tally.expected),
            "band": tenths(row.finding.band),
            "difference": signed(row.tally.difference),
        },
        details=[part for part in _details(row) if part],
    )


def _strip(row: OperatorFinding, highest: float) -> Strip:
    start = max(row.tally.expected - row.finding.band, 0.0)
    width = row.tally.expected + row.finding.band - start
    return Strip(*(f"{100 * place / highest:.2f}%" for place in (row.tally.expected, start, width, row.tally.drawn)))


def _details(row: OperatorFinding) -> list[str]:
    tally = row.tally
    counts = [
        (tally.alone, _("without another candidate: %(count)s")),
        (tally.by_hand, _("by hand: %(count)s")),
        (tally.returned, _("returning leads: %(count)s")),
    ]
    missed = missed_by(row)
    return [
        "" if tally.z is None else f"z = {signed(tally.z)}, {p_value_of(row)}",
        missed and _("not available: %(reasons)s") % {"reasons": missed},
        *(sentence % {"count": number_format(count)} for count, sentence in counts if count),
    ]
