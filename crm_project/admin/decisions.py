"""Decisions: the list, to look at, and the story of one contact."""

from collections.abc import Iterable
from fractions import Fraction
from typing import Any

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext_lazy
from unfold.contrib.filters.admin import AutocompleteSelectFilter, ChoicesDropdownFilter

from crm_project.admin.base import RecordedAdmin
from crm_project.admin.columns import list_link, moment, page_link
from crm_project.admin.exporting import ExportAdmin
from distribution.explanation import Chance, RoundInNumbers, explained
from distribution.models import Decision
from distribution.phrases import OUTCOMES, WHY_NOT, percent
from distribution.selectors import newest_decisions
from distribution.strategy import STRATEGIES, choices
from leads.models import Contact

THREE_LINES = (
    "min-width: 26rem; display: -webkit-box; -webkit-box-orient: vertical; -webkit-line-clamp: 3; overflow: hidden"
)


class DecisionList(ChangeList):
    """A page of decisions, all explained together."""

    def get_results(self, request: HttpRequest) -> None:
        """Read the page, and the names of everybody on it in one statement."""
        super().get_results(request)
        explain(self.result_list)


@admin.register(Decision)
class DecisionAdmin(RecordedAdmin, ExportAdmin):
    """Every attempt to assign, with its sentences; recorded by the services, so nothing here writes."""

    count_of_rows = ngettext_lazy("%(count)d decision", "%(count)d decisions", "count")
    list_display = ("number", "time", "about", "source", "trigger", "operator", "told_briefly")
    list_filter = (
        ("source", AutocompleteSelectFilter),
        ("trigger", ChoicesDropdownFilter),
        ("kind", ChoicesDropdownFilter),
        ("operator", AutocompleteSelectFilter),
    )
    list_filter_submit = True
    list_select_related = ("operator", "source")
    search_fields = ("=contact__id",)
    search_help_text = _("The number of a contact.")
    show_full_result_count = False
    change_form_template = "admin/decision.html"
    fields = ("told", "time", "about", "source", "trigger", "kind", "chosen_by", "operator", "actor_name", "reason")
    readonly_fields = ("told", "time", "about", "chosen_by")
    exported = (
        *("id", "at", "contact", "source__name", "trigger", "kind", "strategy", "operator__name", "actor_name"),
        "reason",
    )
    labels = {"strategy": dict(choices())}

    def get_queryset(self, request: HttpRequest) -> QuerySet[Decision]:
        """Return the decisions; a stored roster is read once, however many of them stand beside it."""
        return super().get_queryset(request).prefetch_related("roster")

    def get_changelist(self, request: HttpRequest, **options: Any) -> type[ChangeList]:
        """Return the list that explains its rows."""
        return DecisionList

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Decision | None:
        """Return the decision, explained."""
        decision = super().get_object(request, object_id, from_field)
        return None if decision is None else explain([decision])[0]

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *arguments: Any, **options: Any
    ) -> HttpResponse:
        """Show the rounds beneath."""
        context["rounds"] = [table_of(round_) for round_ in context["original"].explanation.rounds]
        return super().render_change_form(request, context, *arguments, **options)

    @admin.display(description=_("number"), ordering="pk")
    def number(self, decision: Decision) -> int:
        """Show the number as it is."""
        return decision.pk

    @admin.display(description=_("time"), ordering="at")
    def time(self, decision: Decision) -> str:
        """Show when it was made."""
        return moment(decision.at)

    @admin.display(description=_("contact"))
    def about(self, decision: Decision) -> str:
        """Show the contact, leading to its page."""
        return page_link(Contact(pk=decision.contact_id), decision.contact_id)

    @admin.display(description=_("in words"))
    def told(self, decision: Any) -> str:
        """Show the decision in sentences."""
        return decision.explanation.sentence

    @admin.display(description=_("in words"))
    def told_briefly(self, decision: Any) -> str:
        """Show the first lines of the sentences; the whole shows under the pointer."""
        sentence = decision.explanation.sentence
        return format_html('<div title="{}" style="{}">{}</div>', sentence, THREE_LINES, sentence)

    @admin.display(description=_("strategy"))
    def chosen_by(self, decision: Decision) -> str:
        """Show the name of the strategy, or the code of one that is gone."""
        strategy = STRATEGIES.get(decision.strategy)
        return str(strategy.name) if strategy else decision.strategy


def explain(decisions: Iterable[Any]) -> list[Any]:
    """Give each decision its `explanation` and return them."""
    rows = list(decisions)
    for decision, explanation in zip(rows, explained(rows), strict=True):
        decision.explanation = explanation
    return rows


def story_of(request: HttpRequest, contact_id: int) -> dict[str, Any]:
    """Return what the page of a contact tells: its newest decisions, the newest first, each as (time, sentences).

    For a user who may see decisions the times are links, and one more leads to the list.
    """
    may_view = admin.site.get_model_admin(Decision).has_view_permission(request)
    rows = explain(newest_decisions(contact_id)[::-1])
    return {
        "lines": [(time_of(row, linked=may_view), row.explanation.sentence) for row in rows],
        "link": list_link("distribution_decision", _("To the list"), contact__id__exact=contact_id) if may_view else "",
    }


def time_of(decision: Decision, *, linked: bool) -> SafeString:
    """Return when the decision was made, leading to its page when `linked`."""
    time = moment(decision.at)
    return page_link(decision, time) if linked else time


def table_of(round_: RoundInNumbers) -> dict[str, Any]:
    """Return a round as a table for Unfold: who stood how, and with which probability."""
    headers = [_("operator"), _("weight"), _("load / limit"), _("probability")]
    rows = [
        [
            chance.told_name,
            chance.standing.weight,
            f"{chance.standing.load} / {chance.standing.max_load}",
            chance_told(chance),
        ]
        for chance in round_.operators
    ]
    return {
        "outcome": OUTCOMES[round_.round.outcome],
        "ticket": round_.round.ticket,
        "last_ticket": None if round_.tickets is None else round_.tickets - 1,
        "more": round_.operator_count - len(round_.operators),
        "table": {"headers": headers, "rows": rows},
    }


def chance_told(chance: Chance) -> str:
    """Return the probability in per cent, or why there is none."""
    if chance.probability is not None:
        return percent(Fraction(chance.probability))
    return str(WHY_NOT[chance.obstacle]) if chance.obstacle else "-"
