"""The history of the settings of an operator or a source, and the way back to what was before a change."""

from collections.abc import Collection, Iterator
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.db.models import Model
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import translation
from django.utils.translation import gettext as _

from crm_project.access.acting import because
from crm_project.admin.base import ServiceAdmin
from crm_project.admin.columns import moment, page_link
from crm_project.admin.forms import WhyForm
from crm_project.admin.outcome import EXPLAINED, explanation
from crm_project.admin.sheet import kind_of_change
from distribution.history import WEIGHT, changes_of, newest_ids
from distribution.history_words import setting_told, source_named, value_told
from distribution.models import SettingChange
from distribution.phrases import named
from distribution.restoring import can_go_back, go_back
from distribution.selectors import names_of, names_of_sources
from leads.models import Source
from operators.models import Operator, Weight

CHANGES_ON_A_PAGE = 50


class WithSettingHistoryAdmin(ServiceAdmin):
    """The page of an operator or a source whose button «History» leads to the changes of its settings."""

    def get_urls(self) -> list[URLPattern]:
        """Add the question before one goes back."""
        view = self.admin_site.admin_view(self.go_back_view)
        name = f"{self.opts.app_label}_{self.opts.model_name}_go_back"
        return [path("<path:object_id>/history/<int:change_id>/", view, name=name), *super().get_urls()]

    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Show the changes, the newest first."""
        row = self._viewed(request, object_id)
        page = Paginator(changes_of(row), CHANGES_ON_A_PAGE).get_page(request.GET.get("page"))
        context = {"page": page, "lines": list(self._lines(request, row, list(page)))}
        return self._page(request, "admin/setting_history.html", row, **context)

    def go_back_view(self, request: HttpRequest, object_id: str, change_id: int) -> HttpResponse:
        """Ask whether the setting shall be what it was before the change, and set it."""
        row = self._viewed(request, object_id)
        change = changes_of(row).filter(pk=change_id).first()
        if change is None:
            raise Http404
        if not self.may_go_back(request, row, change):
            raise PermissionDenied
        form = WhyForm(request.POST if request.method == "POST" else None)
        if not form.is_valid():
            [line] = self._lines(request, row, [change])
            return self._page(request, "admin/go_back.html", row, line=line, form=form)
        self._go_back(request, row, change, form.cleaned_data["reason"])
        return redirect(self._url("history", row))

    def _go_back(self, request: HttpRequest, row: Model, change: SettingChange, reason: str) -> None:
        try:
            with because(reason):
                go_back(change)
        except EXPLAINED as error:
            messages.error(request, explanation(error))
            return
        with translation.override(None):  # the log is translated for whoever reads it
            setting = setting_told(change)
        self.log_change(request, row, [{"changed": {"fields": [setting]}}])
        messages.success(request, _("The setting is as it was before."))

    def _lines(self, request: HttpRequest, row: Model, changes: list[SettingChange]) -> Iterator[dict[str, Any]]:
        others = Others(type(row), changes)
        newest = newest_ids(changes_of(row).filter(pk__gte=min((change.pk for change in changes), default=0)))
        for change in changes:
            stands = change.pk in newest and can_go_back(change) and others.exists(change)
            offered = stands and self.may_go_back(request, row, change)
            yield {
                "time": moment(change.at),
                "change": change,
                "setting": setting_told(change),
                "other": others.link(change),
                "before": value_told(change.setting, change.before),
                "after": value_told(change.setting, change.after),
                "url": self._url("go_back", row, change.pk) if offered else "",
            }

    def may_go_back(self, request: HttpRequest, row: Model, change: SettingChange) -> bool:
        """Return whether the user may set what the change has set."""
        if change.setting != WEIGHT:
            return self.has_change_permission(request, row)
        weights = self.admin_site.get_model_admin(Weight)
        return getattr(weights, f"has_{kind_of_change(change.after, change.before)}_permission")(request)

    def _viewed(self, request: HttpRequest, object_id: str) -> Model:
        row = self.get_object(request, object_id)
        if row is None:
            raise Http404
        if not self.has_view_permission(request, row):
            raise PermissionDenied
        return row

    def _page(self, request: HttpRequest, template: str, row: Model, **context: Any) -> TemplateResponse:
        context |= {
            **self.admin_site.each_context(request),
            "title": _("History of settings"),
            "opts": self.opts,
            "original": row,
            "object": row,
            "row_url": self._url("change", row),
            "history_url": self._url("history", row),
        }
        return TemplateResponse(request, template, context)

    def _url(self, page: str, row: Model, *more: object) -> str:
        return reverse(f"admin:{self.opts.app_label}_{self.opts.model_name}_{page}", args=[row.pk, *more])


class Others:
    """Whom the weights among some changes concern on the other side: the sources of an operator, or the reverse."""

    def __init__(self, model: type[Model], changes: Collection[SettingChange]) -> None:
        self._of_operator = model is Operator
        ids = {self._id(change) for change in changes if change.setting == WEIGHT}
        self._names = names_of_sources(ids) if self._of_operator else names_of(ids)

    def exists(self, change: SettingChange) -> bool:
        """Return whether the other side, if the change has one, is still there."""
        return change.setting != WEIGHT or self._id(change) in self._names

    def link(self, change: SettingChange) -> Any:
        """Return the name of the other side, leading to its page; empty when there is none."""
        if change.setting != WEIGHT:
            return ""
        number = self._id(change)
        name = source_named(number, self._names) if self._of_operator else named(number, self._names)
        other = Source(pk=number) if self._of_operator else Operator(pk=number)
        return page_link(other, name) if self.exists(change) else name

    def _id(self, change: SettingChange) -> int:
        return (change.source_id if self._of_operator else change.operator_id) or 0
