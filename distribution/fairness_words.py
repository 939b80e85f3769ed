"""The fairness report in words, for the back office and the command."""

from collections.abc import Iterator

from django.utils.formats import number_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext, pgettext_lazy

from distribution.fairness import Verdict
from distribution.fairness_report import OperatorFinding, Report
from distribution.phrases import WHY_NOT, percent
from distribution.wording import tenths

SMALLEST_P_VALUE = 0.0001
VERDICTS = {
    Verdict.ORDINARY_CHANCE: pgettext_lazy("verdict on draws", "ordinary chance"),
    Verdict.REAL_SKEW: pgettext_lazy("verdict on draws", "a real skew"),
    Verdict.TOO_FEW_DRAWS: pgettext_lazy("verdict on draws", "too few draws to tell"),
    Verdict.NOTHING_LEFT_TO_CHANCE: pgettext_lazy("verdict on draws", "nothing left to chance"),
}
SENTENCES = {
    Verdict.ORDINARY_CHANCE: gettext_lazy("Ordinary chance: nobody was drawn more or less often than it explains."),
    Verdict.REAL_SKEW: gettext_lazy("A real skew, which chance does not explain."),
    Verdict.TOO_FEW_DRAWS: gettext_lazy("Too few draws to tell chance from a skew."),
    Verdict.NOTHING_LEFT_TO_CHANCE: gettext_lazy(
        "Nothing was left to chance: each draw had one possible winner, and named them."
    ),
}


def verdict_of(report: Report) -> str:
    """Return the verdict in a few sentences, naming whom a skew concerns."""
    if not report.draws:
        return _("There were no draws in this period.")
    return " ".join([str(SENTENCES[report.judgement.verdict]), *_skewed(report), *_undecided(report)])


def verdict_on(row: OperatorFinding) -> str:
    """Return the verdict on one operator; empty for one who was never a candidate."""
    return str(VERDICTS[row.finding.verdict]) if row.tally.candidacies or row.tally.drawn else ""


def counts_of(report: Report) -> str:
    """Return how many rounds the report is made of, in one sentence."""
    return _(
        "Draws: %(draws)s, of them refused: %(refused)s. Rounds in which nobody was available: %(without_candidates)s."
    ) % {
        "draws": number_format(report.draws),
        "refused": number_format(report.refused),
        "without_candidates": number_format(report.without_candidates),
    }


def unreadable_of(report: Report) -> str:
    """Return how many decisions could not be read, in one sentence; empty when all could."""
    sentence = ngettext(
        "%(count)d decision was altered and cannot be read.",
        "%(count)d decisions were altered and cannot be read.",
        report.unreadable,
    )
    return sentence % {"count": report.unreadable} if report.unreadable else ""


def name_of(row: OperatorFinding) -> str:
    """Return the operator's name, their id when they were deleted."""
    return row.operator.name if row.operator else _("id %(id)s, deleted") % {"id": row.operator_id}


def p_value_of(row: OperatorFinding) -> str:
    """Return the p-value as an equation, the very small ones as a bound."""
    if row.finding.p_value < SMALLEST_P_VALUE:
        return f"p < {number_format(SMALLEST_P_VALUE, 4)}"
    return f"p = {number_format(round(row.finding.p_value, 4), 4)}"


def missed_by(row: OperatorFinding) -> str:
    """Return why the operator was no candidate, and in which part of the draws; empty when they always were one."""
    return ", ".join(f"{WHY_NOT[missed.reason]} {percent(missed.share)}" for missed in row.missed)


def _skewed(report: Report) -> Iterator[str]:
    for row in report.skewed:
        sentence = _("%(name)s was drawn too often: %(drawn)s, expected %(expected)s ± %(band)s.")
        if row.tally.difference < 0:
            sentence = _("%(name)s was drawn too rarely: %(drawn)s, expected %(expected)s ± %(band)s.")
        yield sentence % {
            "name": name_of(row),
            "drawn": number_format(row.tally.drawn),
            "expected": tenths(row.tally.expected),
            "band": tenths(row.finding.band),
        }


def _undecided(report: Report) -> Iterator[str]:
    number = sum(row.finding.verdict == Verdict.TOO_FEW_DRAWS for row in report.operators)
    if number and report.judgement.verdict != Verdict.TOO_FEW_DRAWS:
        sentence = ngettext(
            "For %(count)d operator there are too few draws to tell.",
            "For %(count)d operators there are too few draws to tell.",
            number,
        )
        yield sentence % {"count": number}
