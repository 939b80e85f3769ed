"""The shares of the sources on the start page: what the weights promise now, beside what came lately."""

from datetime import timedelta
from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import ngettext

from crm_project.admin.columns import list_url, page_url
from distribution.expectation import OperatorShares, SourceShares, shares_of_busiest
from distribution.phrases import WHY_NOT, named, percent
from distribution.strategy import STRATEGIES
from leads.models import Source

MOST_SOURCES = 10
MOST_OPERATORS = 8
LATELY = timedelta(days=7)


def shares_context(request: HttpRequest) -> dict[str, Any]:
    """Return the shares of the busiest sources; None in their place for a user who may not see sources."""
    if not admin.site.get_model_admin(Source).has_view_permission(request):
        return {"sources": None}
    since = timezone.now() - LATELY
    rows = shares_of_busiest(since, most_sources=MOST_SOURCES, most_operators=MOST_OPERATORS)
    return {"sources": {"rows": [_source(row) for row in rows], "days": _lately(), "url": list_url("leads_source")}}


def _source(row: SourceShares) -> dict[str, Any]:
    highest = max((max(operator.expected or 0.0, operator.actual) for operator in row.operators), default=0.0) or 1.0
    contacts = ngettext("%(count)d contact", "%(count)d contacts", row.contacts) % {"count": row.contacts}
    return {
        "pk": row.source.pk,
        "name": row.source.name,
        "url": page_url(row.source),
        "fairness_url": reverse("admin:leads_source_fairness", args=[row.source.pk]),
        "strategy": STRATEGIES[row.source.strategy].name,
        "contacts": contacts,
        "operators": [_shares(operator, highest) for operator in row.operators],
        "more": row.more,
    }


def _shares(row: OperatorShares, highest: float) -> dict[str, Any]:
    """Return the shares in words, and as parts of a bar whose whole is the highest share of the source."""
    expected = "–" if row.expected is None else percent(row.expected)
    return {
        "pk": row.operator_id,
        "name": named(row.operator_id, {row.operator_id: row.name} if row.name else {}),
        "expected": str(WHY_NOT[row.obstacle]) if row.obstacle else expected,
        "actual": percent(row.actual),
        "mark": None if row.expected is None or row.obstacle else f"{100 * row.expected / highest:.2f}%",
        "width": f"{100 * row.actual / highest:.2f}%",
    }


def _lately() -> str:
    return ngettext("the last %(count)d day", "the last %(count)d days", LATELY.days) % {"count": LATELY.days}
