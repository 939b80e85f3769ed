"""The page before a bulk action: how many rows, of which kind, what will happen, some of them; and the question."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.models import CHANGE, LogEntry
from django.db.models import Count, Max, Model, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.utils import translation
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from crm_project.access.acting import because
from crm_project.admin.bulk_words import TITLES, WHAT_HAPPENS
from crm_project.admin.forms import WhyForm, is_number_of_row
from crm_project.admin.log import as_logged
from crm_project.admin.outcome import EXPLAINED, explanation
from distribution.models import BulkRow, BulkRun
from distribution.runs import WORKS, begin, step

ROWS_SHOWN = 20
KINDS_SHOWN = 10


@dataclass(frozen=True)
class Asked:
    """What the page asks beside «are you sure», and sentences that the user should read first."""

    form_class: type[forms.Form] = WhyForm
    told: tuple[str, ...] = ()


class BulkQuestion:
    """One request about doing `work` to `rows`: the question, or its answer."""

    def __init__(
        self, model_admin: Any, request: HttpRequest, rows: QuerySet[Any], work: str, asked: Asked = Asked()
    ) -> None:
        self._admin = model_admin
        self._request = request
        # Without what the list computes for its columns, which would take part in every count.
        chosen = model_admin.model._default_manager.filter(pk__in=rows.order_by().values("pk"))
        self._newest = newest_shown(request)
        self._rows = chosen if self._newest is None else chosen.filter(pk__lte=self._newest)
        self._work = work
        self._told = asked.told
        self._form = asked.form_class(request.POST if "confirmed" in request.POST else None)

    def answer(self) -> HttpResponse | None:
        """Ask; or once the user has confirmed, begin, and lead to the page of the run."""
        if not self._form.is_valid():
            return question_page(self._admin, self._request, self._form, **self._shown())
        chosen = self._form.cleaned_data
        receiver, contacts = chosen.get("operator"), chosen.get("contacts", "")
        try:
            with because(chosen["reason"]):
                run = begin(
                    self._work,
                    self._rows,
                    receiver_id=receiver and receiver.pk,
                    contacts=contacts if contacts in WORKS else "",
                )
        except EXPLAINED as error:
            messages.error(self._request, explanation(error))
            return None
        return first_step(self._request, run)

    def _shown(self) -> dict[str, Any]:
        count = self._rows.count()
        sentence = ngettext("%(count)d row is concerned.", "%(count)d rows are concerned.", count)
        return {
            "title": TITLES[self._work],
            "headline": sentence % {"count": count},
            "newest": self._newest or self._rows.aggregate(newest=Max("pk"))["newest"],
            "told": [WHAT_HAPPENS[self._work], *self._told],
            "kinds": list(self._kinds()),
            "sample": [self._admin.line_of(row) for row in self._admin.for_lines(self._rows)[:ROWS_SHOWN]],
            "more": max(0, count - ROWS_SHOWN),
        }

    def _kinds(self) -> Iterator[tuple[str, list[tuple[str, int]]]]:
        """Yield what the rows are summed up by, with the commonest values and how many rows have each."""
        for path, label in self._admin.summed_by.items():
            counted = self._rows.order_by().values(path).annotate(count=Count("pk")).order_by("-count", path)
            values = counted.values_list(path, "count")[: KINDS_SHOWN + 1]
            told = [(self._value(path, value), number) for value, number in values[:KINDS_SHOWN]]
            yield str(label), [*told, *([("…", 0)] if len(values) > KINDS_SHOWN else [])]

    def _value(self, path: str, value: Any) -> str:
        if value is None:
            return _("nobody")
        if isinstance(value, bool):
            return _("yes") if value else _("no")
        choices = {} if "__" in path else dict(self._admin.opts.get_field(path).flatchoices)
        return str(choices.get(value, value))


def question_page(
    model_admin: admin.ModelAdmin, request: HttpRequest, form: forms.Form, **shown: Any
) -> TemplateResponse:
    """Return the page that asks, and sends again what was sent together with the answer."""
    repeated = {name: values for name, values in request.POST.lists() if name not in form.fields}
    for name in ("csrfmiddlewaretoken", "confirmed", "newest"):
        repeated.pop(name, None)
    context = {
        **model_admin.admin_site.each_context(request),
        "opts": model_admin.opts,
        "form": form,
        "repeated": repeated,
        **shown,
    }
    return TemplateResponse(request, "admin/bulk_question.html", context)


def newest_shown(request: HttpRequest) -> int | None:
    """Return the id of the newest row that the question was about: what came later is not meant by the answer."""
    newest = request.POST.get("newest", "")
    return int(newest) if is_number_of_row(newest) else None


def all_matching(request: HttpRequest) -> bool:
    """Return whether the action is asked for of all rows that match the filter, and not of those ticked."""
    return request.POST.get("select_across") == "1"


def first_step(request: HttpRequest, run: BulkRun) -> HttpResponse:
    """Do the first rows of the run, which are all of a small one, and lead to its page."""
    take_step(request, run)
    response = redirect("admin:distribution_bulkrun_change", run.pk)
    response["Location"] += "?go=1"
    return response


def take_step(request: HttpRequest, run: BulkRun) -> str:
    """Do the next rows, and write into their history what changed; return what stopped it, or nothing."""
    done: list[BulkRow] = []
    try:
        done.extend(step(run, explanation))  # what was done before an error is in it
    except EXPLAINED as error:
        return explanation(error)
    finally:
        _log(request, done)
    return ""


def _log(request: HttpRequest, done: list[BulkRow]) -> None:
    changed = [row for row in done if row.outcome == BulkRow.Outcome.CHANGED]
    for name in {row.work for row in changed}:
        work = WORKS[name]
        rows = work.model._default_manager.filter(pk__in=[row.target_id for row in changed if row.work == name])
        user_id: Any = request.user.pk
        told = [{"changed": {"fields": _names(work.model, work.changes)}}]
        LogEntry.objects.log_actions(user_id, as_logged(rows), CHANGE, told)


def _names(model: type[Model], fields: tuple[str, ...]) -> list[str]:
    # The history is translated for whoever reads it.
    with translation.override(None):
        return [str(model._meta.get_field(name).verbose_name) for name in fields]  # type: ignore[union-attr]
