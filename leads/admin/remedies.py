"""What would help the queue of a source, each remedy with the page where it is done."""

from dataclasses import dataclass
from typing import Any

from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext

from crm_project.admin.back import leading_back
from crm_project.admin.columns import age
from distribution.phrases import WHY_NOT
from distribution.standing import Obstacle
from distribution.waiting import Hindered, Standstill
from leads.models import Source
from operators.models import Operator

MOST_OPERATORS_TOLD = 8

REMEDIES = {
    Obstacle.INACTIVE: _("activate"),
    Obstacle.PAUSED: _("end the pause"),
    Obstacle.ZERO_WEIGHT: _("give a weight"),
    Obstacle.AT_LIMIT: _("raise the limit (%(load)d / %(max_load)d)"),
}


def told(request: HttpRequest, source: Any, standstill: Standstill, back: str) -> dict[str, Any]:
    """Return what the page of the queue tells of a source, from `sources_waited_on`, whose contacts wait.

    The pages where it is mended lead to the address `back` once they are saved.
    """
    pages = Pages(request, back)
    hindered = standstill.hindered
    return {
        "source": source,
        "waiting_for": age(source.oldest_at),
        "because": standstill.because,
        "page": pages.of(source),
        "switch_on": "" if source.is_active else _linked(pages.of(source), pgettext("a source", "switch on")),
        "operators": [(one.name, _remedies(pages, source, one)) for one in hindered[:MOST_OPERATORS_TOLD]],
        "more": len(hindered[MOST_OPERATORS_TOLD:]),
        "weights": pages.of_weights(source),
        "has_operators": standstill.has_operators,
    }


@dataclass(frozen=True)
class Pages:
    """The pages where something is mended, each with the way back; no address for who may not see it."""

    request: HttpRequest
    back: str

    def of(self, row: Model) -> str:
        """Return the address of the page of the row."""
        return leading_back(page_of(self.request, row), self.back)

    def of_weights(self, source: Source) -> str:
        """Return the address of the table of weights of the source."""
        page = self.of(source)
        return f"{page}#weights-group" if page else ""


def page_of(request: HttpRequest, row: Model) -> str:
    """Return the address of the page of the row; nothing for a user who may not see it."""
    if not admin.site.get_model_admin(type(row)).has_view_permission(request):
        return ""
    return reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_change", args=[row.pk])


def _remedies(pages: Pages, source: Source, one: Hindered) -> str:
    """Return a remedy for each thing that keeps the operator from the contacts, leading to where it is done."""
    operator, weights = pages.of(Operator(pk=one.standing.operator_id)), pages.of_weights(source)
    links = (
        _linked(
            weights if obstacle is Obstacle.ZERO_WEIGHT else operator,
            str(REMEDIES.get(obstacle, WHY_NOT[obstacle])) % one.standing._asdict(),
        )
        for obstacle in one.obstacles
    )
    return format_html_join(", ", "{}", ((link,) for link in links))


def _linked(address: str, text: str) -> str:
    return format_html('<a href="{}" class="text-link">{}</a>', address, text) if address else text
