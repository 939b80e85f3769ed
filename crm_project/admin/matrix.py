"""The matrix of weights: operators down, sources across, saved together."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.core.paginator import Page, Paginator
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.utils.functional import cached_property
from django.utils.translation import gettext as _
from django.utils.translation import ngettext, ngettext_lazy

from crm_project.access.acting import because
from crm_project.admin.columns import load_and_limit, moment
from crm_project.admin.forms import WhyForm
from crm_project.admin.outcome import EXPLAINED, counted, explanation
from crm_project.admin.sheet import MINE, THEIRS, Reader, Sheet, Typed, name_of
from crm_project.admin.weight_share import goes_by_weight, others_by_source, share_told, why_not
from distribution import roster
from distribution.errors import WeightsChanged
from distribution.history import newest_weight_changes
from distribution.selectors import Cell
from distribution.strategy import STRATEGIES
from leads.models import Source
from operators.models import Operator

OPERATORS_ON_A_PAGE = 50
SOURCES_ON_A_PAGE = 20
MOST_ERRORS_LISTED = 20
SAVED = ngettext_lazy("%(count)d weight saved.", "%(count)d weights saved.", "count")


class MatrixPage:
    """One request to the page."""

    def __init__(self, model_admin: admin.ModelAdmin, request: HttpRequest) -> None:
        self._admin = model_admin
        self._request = request
        self._why = WhyForm(request.POST if request.method == "POST" else None)

    def answer(self) -> HttpResponse:
        """Show the matrix, or save what was typed and show what somebody else has changed meanwhile."""
        if self._request.method != "POST":
            return self._shown(Sheet.as_stored(_ids(self._sources), _ids(self._operators)), Typed())
        if not self._may("change"):
            raise PermissionDenied
        try:
            sheet = Sheet.of_page(self._request.POST.get("sheet", ""))
        except WeightsChanged as error:
            messages.error(self._request, explanation(error))
            return self._again()
        return self._saved(sheet)

    def _saved(self, sheet: Sheet) -> HttpResponse:
        typed = Reader(sheet, self._request.POST, self._may).typed()
        if typed.errors or typed.undecided or not self._why.is_valid():
            return self._shown(sheet, typed)
        if not typed.wanted:
            messages.info(self._request, _("Nothing was changed."))
            return self._again()
        try:
            with because(self._why.cleaned_data["reason"]):
                roster.change_weights(typed.wanted, sheet.weights)
        except WeightsChanged:
            return self._asked(sheet, typed)
        except EXPLAINED as error:
            messages.error(self._request, explanation(error))
            return self._shown(sheet, typed)
        self._log(typed)
        messages.success(self._request, counted(SAVED, len(typed.wanted)))
        return self._again()

    def _asked(self, sheet: Sheet, typed: Typed) -> HttpResponse:
        now = Sheet.as_stored(sheet.source_ids, sheet.operator_ids)
        seen = {cell: sheet.weights.get(cell) for cell in typed.wanted}
        asked = {cell: seen[cell] for cell in seen if now.weights.get(cell) not in {seen[cell], typed.wanted[cell]}}
        return self._shown(replace(now, asked=asked), typed)

    def _log(self, typed: Typed) -> None:
        for source in Source.objects.filter(pk__in={cell.source_id for cell in typed.wanted}):
            self._admin.log_change(self._request, source, [{"changed": {"fields": ["weights"]}}])

    def _may(self, what: str) -> bool:
        return getattr(self._admin, f"has_{what}_permission")(self._request)

    def _again(self) -> HttpResponse:
        return redirect(self._request.get_full_path())

    @cached_property
    def _sources(self) -> Page[Source]:
        found = _named(Source.objects.order_by("name", "pk"), self._request.GET.get("source", ""), "code")
        return Paginator(found, SOURCES_ON_A_PAGE).get_page(self._request.GET.get("source_page"))

    @cached_property
    def _operators(self) -> Page[Operator]:
        found = _named(Operator.objects.order_by("name", "pk"), self._request.GET.get("operator", ""), "external_id")
        return Paginator(found, OPERATORS_ON_A_PAGE).get_page(self._request.GET.get("operator_page"))

    def _shown(self, sheet: Sheet, typed: Typed) -> TemplateResponse:
        table = Table.of(sheet, typed)
        context = {
            **self._admin.admin_site.each_context(self._request),
            "title": _("Matrix of weights"),
            "opts": self._admin.opts,
            "why": self._why,
            "sheet": sheet.signed(),
            "table": table,
            "columns": list(table.columns()),
            "rows": list(table.rows()),
            "conflicts": list(table.conflicts()),
            "errors": list(table.errors())[:MOST_ERRORS_LISTED],
            "may_change": self._may("change"),
            "may_add": self._may("add"),
            "pages": self._pages(),
            "choices": (MINE, THEIRS),
            "filters": {name: self._request.GET.get(name, "") for name in ("operator", "source")},
        }
        return TemplateResponse(self._request, "admin/matrix.html", context)

    def _pages(self) -> list[dict[str, Any]]:
        operators, sources = self._operators, self._sources
        operator_count, source_count = operators.paginator.count, sources.paginator.count
        told = (
            (operators, "operator_page", ngettext("%(count)d operator", "%(count)d operators", operator_count)),
            (sources, "source_page", ngettext("%(count)d source", "%(count)d sources", source_count)),
        )
        return [
            {
                "page": page,
                "told": sentence % {"count": page.paginator.count},
                "previous": {name: page.number - 1},
                "next": {name: page.number + 1},
            }
            for page, name, sentence in told
        ]


@dataclass(frozen=True)
class Table:
    """A sheet with its sources and operators, and what was typed into it."""

    sheet: Sheet
    typed: Typed
    sources: dict[int, Source]
    operators: dict[int, Operator]
    why: dict[int, str]
    others: dict[int, int]

    @classmethod
    def of(cls, sheet: Sheet, typed: Typed) -> "Table":
        """Return the table of a sheet; whoever was deleted meanwhile is left out."""
        sources = _in_order(Source.objects.in_bulk(sheet.source_ids), sheet.source_ids)
        operators = _in_order(Operator.objects.in_bulk(sheet.operator_ids), sheet.operator_ids)
        others = others_by_source(list(sources.values()), list(operators))
        return cls(sheet, typed, sources, operators, {one: why_not(row) for one, row in operators.items()}, others)

    @cached_property
    def totals(self) -> dict[int, int]:
        """The available weight of each source that goes by weight, with what was typed."""
        return {source_id: others + self._available(source_id) for source_id, others in self.others.items()}

    def columns(self) -> Iterator[dict[str, Any]]:
        """Yield each source with the sum that its shares are parts of."""
        for source in self.sources.values():
            yield {
                "source": source,
                "strategy": STRATEGIES[source.strategy].name,
                "by_weight": goes_by_weight(source),
                "total": self.totals.get(source.pk),
            }

    def rows(self) -> Iterator[dict[str, Any]]:
        """Yield each operator with their cells."""
        for operator in self.operators.values():
            yield {
                "operator": operator,
                "load": load_and_limit(operator),
                "why": self.why[operator.pk],
                "cells": [self._cell(Cell(source_id, operator.pk)) for source_id in self.sources],
            }

    def conflicts(self) -> Iterator[dict[str, Any]]:
        """Yield each cell that somebody else changed: before, theirs, mine; who, when and why."""
        newest = newest_weight_changes(list(self.sheet.asked))
        for cell, before in self.sheet.asked.items():
            if cell.operator_id in self.operators and cell.source_id in self.sources:
                change = newest.get(cell)
                yield {
                    **self._place(cell),
                    "choice": name_of("choice", cell),
                    "before": before,
                    "theirs": self.sheet.weights.get(cell),
                    "mine": self.typed.texts.get(cell, ""),
                    "chosen": self.typed.choices.get(cell, ""),
                    "change": change,
                    "time": moment(change.at) if change else "",
                }

    def errors(self) -> Iterator[dict[str, Any]]:
        """Yield each cell that cannot be saved, with the reason."""
        for cell, error in self.typed.errors.items():
            if cell.operator_id in self.operators and cell.source_id in self.sources:
                yield {**self._place(cell), "error": error}

    def _place(self, cell: Cell) -> dict[str, Any]:
        return {"operator": self.operators[cell.operator_id], "source": self.sources[cell.source_id]}

    def _cell(self, cell: Cell) -> dict[str, Any]:
        stored = self.sheet.weights.get(cell)
        return {
            "name": name_of("weight", cell),
            "source_id": cell.source_id,
            "source": self.sources[cell.source_id].name,
            "text": self.typed.texts.get(cell, "" if stored is None else stored),
            "stored": stored,
            "others": self.others.get(cell.source_id),
            "share": self._share(cell),
            "error": self.typed.errors.get(cell, ""),
            "is_changed": cell in self.typed.texts,
            "is_asked": cell in self.sheet.asked,
        }

    def _share(self, cell: Cell) -> str:
        if cell.source_id not in self.totals:
            return ""
        return share_told(self._weight(cell), self.why[cell.operator_id], self.totals[cell.source_id])

    def _weight(self, cell: Cell) -> int | None:
        return self.typed.wanted.get(cell, self.sheet.weights.get(cell))

    def _available(self, source_id: int) -> int:
        weights = [self._weight(Cell(source_id, one)) for one in self.operators if not self.why[one]]
        return sum(weight or 0 for weight in weights)


def _named(rows: QuerySet[Any], typed: str, code: str) -> QuerySet[Any]:
    text = typed.replace("\0", "").strip()
    return rows.filter(Q(name__icontains=text) | Q(**{f"{code}__icontains": text})) if text else rows


def _ids(rows: Page[Any]) -> list[int]:
    return [row.pk for row in rows]


def _in_order(rows: dict[int, Any], ids: Any) -> dict[int, Any]:
    return {one: rows[one] for one in ids if one in rows}
