"""Bulk actions under way: how far each is, what became of every row, and the button that goes on."""

import csv
from collections.abc import Iterable, Iterator
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import Case, Exists, OuterRef, QuerySet, Value, When
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext, ngettext_lazy
from django.utils.translation import gettext_lazy as _

from crm_project.access.acting import actor
from crm_project.admin.base import Admin
from crm_project.admin.bulk import take_step
from crm_project.admin.bulk_words import TITLES
from crm_project.admin.columns import label, moment, page_link
from crm_project.cells import harmless
from distribution.models import BulkRow, BulkRun
from distribution.runs import WORKS, Progress, progress
from distribution.selectors import names_of

ROWS_SHOWN = 100
NAMES_SHOWN = 50
ROWS_READ_AT_ONCE = 1_000
QUEUE = _("waiting in the queue")
Outcome = BulkRow.Outcome
TONES: dict[str, str] = {Outcome.CHANGED: "success", Outcome.REFUSED: "warning", Outcome.SKIPPED: "info"}
# What asks for attention comes first.
ORDER = [Outcome.REFUSED, Outcome.SKIPPED, Outcome.CHANGED, Outcome.UNCHANGED, Outcome.TO_DO]


@admin.register(BulkRun)
class BulkRunAdmin(Admin):
    """The bulk actions that the user began, of the last week; nobody sees or drives those of others."""

    count_of_rows = ngettext_lazy("%(count)d bulk action", "%(count)d bulk actions", "count")
    list_display = ("called", "state", "began", "why")
    actions = None
    ordering = ("-pk",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[BulkRun]:
        """Return the user's own, with whether something is left to do."""
        left = BulkRow.objects.filter(run=OuterRef("pk"), outcome=Outcome.TO_DO)
        return super().get_queryset(request).filter(identity=actor().identity).annotate(is_left=Exists(left))

    def get_urls(self) -> list[URLPattern]:
        """Add the file with the outcome of every row."""
        view = self.admin_site.admin_view(self.file_view)
        return [path("<int:run_id>/rows.csv", view, name="distribution_bulkrun_file"), *super().get_urls()]

    def has_view_permission(self, request: HttpRequest, obj: BulkRun | None = None) -> bool:
        """Whether the user may do anything to many rows."""
        return may_go_on(request, obj) if obj else any(may_run(request, name) for name in WORKS)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """They begin on the list of what they concern."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: BulkRun | None = None) -> bool:
        """What was begun is not altered."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: BulkRun | None = None) -> bool:
        """They go by themselves."""
        return False

    @admin.display(description=_("bulk action"), ordering="pk")
    def called(self, run: BulkRun) -> str:
        """Show what is done."""
        return str(TITLES[run.work])

    @admin.display(description=_("state"))
    def state(self, run: Any) -> str:
        """Show whether something is left to do."""
        return label(_("to be continued"), "warning") if run.is_left else label(_("finished"), "success")

    @admin.display(description=_("begun"), ordering="began_at")
    def began(self, run: BulkRun) -> str:
        """Show when it began."""
        return moment(run.began_at)

    @admin.display(description=_("reason"))
    def why(self, run: BulkRun) -> str:
        """Show why."""
        return run.reason

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Show how far the run is; a POST does the next rows first."""
        run = self._own(request, object_id)
        if run is None:
            return self._get_obj_does_not_exist_redirect(request, self.opts, object_id)
        trouble = take_step(request, run) if request.method == "POST" else ""
        if request.method == "POST" and not trouble:
            return redirect("admin:distribution_bulkrun_change", run.pk)
        return TemplateResponse(request, "admin/bulk_run.html", self._shown(request, run, trouble))

    def file_view(self, request: HttpRequest, run_id: int) -> HttpResponse | StreamingHttpResponse:
        """Answer a CSV with what became of every row."""
        run = self._own(request, str(run_id))
        if run is None:
            return self._get_obj_does_not_exist_redirect(request, self.opts, str(run_id))
        response = StreamingHttpResponse(file_of(run), content_type="text/csv; charset=utf-8")
        response["Content-Disposition"] = f'attachment; filename="bulk-{run.pk}.csv"'
        return response

    def _own(self, request: HttpRequest, object_id: str) -> BulkRun | None:
        run = self.get_object(request, object_id)
        if run is not None and not may_go_on(request, run):
            raise PermissionDenied
        return run

    def _shown(self, request: HttpRequest, run: BulkRun, trouble: str) -> dict[str, Any]:
        so_far = progress(run)
        listed = admin.site.get_model_admin(WORKS[run.work].model).opts
        return {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": TITLES[run.work],
            "run": run,
            "progress": so_far,
            "goes_on": "go" in request.GET,
            "trouble": trouble,
            "outcomes": [(Outcome(one).label, so_far.outcomes[one]) for one in ORDER if so_far.outcomes.get(one)],
            "receivers": receivers_of(so_far),
            "reasons": sorted(so_far.reasons.items(), key=lambda pair: -pair[1]),
            "table": table_of(run),
            "rows_shown": ROWS_SHOWN,
            "back": reverse(f"admin:{listed.app_label}_{listed.model_name}_changelist"),
            "back_to": listed.verbose_name_plural,
        }


def may_run(request: HttpRequest, name: str) -> bool:
    """Return whether the user may do this to the rows it concerns."""
    options = WORKS[name].model._meta
    return request.user.has_perm(f"{options.app_label}.change_{options.model_name}")


def may_go_on(request: HttpRequest, run: BulkRun) -> bool:
    """Return whether the user may do what the run does, to its rows and to the contacts of these."""
    return all(may_run(request, name) for name in (run.work, run.contacts) if name)


def receivers_of(so_far: Progress) -> list[tuple[str, int]]:
    """Return who got how many contacts, the most first."""
    most = sorted(so_far.receivers.items(), key=lambda pair: -pair[1])[:NAMES_SHOWN]
    names = names_of([one for one, _count in most if one is not None])
    return [(str(QUEUE if one is None else names.get(one, one)), count) for one, count in most]


def table_of(run: BulkRun) -> dict[str, Any]:
    """Return what became of the rows as a table for Unfold, as far as a page shows it."""
    attention = Case(*(When(outcome=one, then=Value(place)) for place, one in enumerate(ORDER)))
    rows = list(run.rows.order_by(attention, "pk")[:ROWS_SHOWN])
    told = [
        [
            page_link(target, target) if target else row.target_id,
            label(Outcome(row.outcome).label, TONES.get(row.outcome)),
            what,
        ]
        for row, target, what in with_words(rows)
    ]
    return {"headers": [_("row"), _("outcome"), _("details")], "rows": told}


def file_of(run: BulkRun) -> Iterator[str]:
    """Yield the lines of the file, read in pieces."""
    writer: Any = csv.writer(Echo(), delimiter=";")
    yield "\ufeff" + writer.writerow([gettext("number"), gettext("row"), gettext("outcome"), gettext("details")])
    last = 0
    while rows := list(run.rows.filter(pk__gt=last).order_by("pk")[:ROWS_READ_AT_ONCE]):
        last = rows[-1].pk
        for row, target, what in with_words(rows):
            cells = [row.target_id, str(target or ""), str(Outcome(row.outcome).label), str(what)]
            yield writer.writerow([harmless(cell) for cell in cells])


def with_words(rows: list[BulkRow]) -> Iterable[tuple[BulkRow, Any, str]]:
    """Return each row with what it concerns, None when that is gone, and who got it or why nobody did."""
    names = names_of([row.receiver_id for row in rows if row.receiver_id is not None])
    models = {WORKS[row.work].model for row in rows}
    targets: dict[Any, dict[int, Any]] = {
        model: model._default_manager.in_bulk([row.target_id for row in rows if WORKS[row.work].model is model])
        for model in models
    }
    return [(row, targets[WORKS[row.work].model].get(row.target_id), details_of(row, names)) for row in rows]


def details_of(row: BulkRow, names: dict[int, str]) -> str:
    """Return who got the contact, or why it was refused."""
    if row.explanation or row.outcome != Outcome.CHANGED or not WORKS[row.work].gives:
        return row.explanation
    return f"→ {QUEUE if row.receiver_id is None else names.get(row.receiver_id, row.receiver_id)}"


class Echo:
    """A file that hands back what is written into it."""

    def write(self, text: str) -> str:
        """Return the text."""
        return text
