"""Export of a list of any length: what it shows now, as a CSV that Excel opens as it is."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, tzinfo
from functools import partial
from typing import Any, ClassVar

from django.contrib import messages
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.contenttypes.models import ContentType
from django.core.exceptions import PermissionDenied
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import redirect
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from crm_project.admin.base import Admin
from crm_project.admin.spreadsheets import EXCEL_DELIMITER, EXCEL_MARK
from crm_project.exports import Column, Table, TooManyExports, download, plain

LONGEST_NAME = 200


class ExportAdmin(Admin):
    """A list with a button that exports all rows it shows.

    Subclasses name in `exported` the columns, by the paths to their values, and in `labels` the words for codes that
    are no choices of a field.
    """

    change_list_template: Any = "admin/exported_list.html"
    exported: ClassVar[Sequence[str]]
    labels: ClassVar[Mapping[str, Mapping[str, Any]]] = {}

    def get_urls(self) -> list[URLPattern]:
        """Add the export."""
        view = self.admin_site.admin_view(require_safe(self.export_view))
        return [path("export/", view, name=f"{self.opts.app_label}_{self.opts.model_name}_export"), *super().get_urls()]

    def export_view(self, request: HttpRequest) -> HttpResponseBase:
        """Answer with the rows that match the filters and the search; lead back to the list when that cannot be."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        try:
            rows = self.get_changelist_instance(request).queryset
        except IncorrectLookupParameters:
            return redirect(the_list(request, self.model))
        return sent(request, rows, self.table())

    def table(self) -> Table:
        """Return the table, in the language and the time zone of now: the rows are written when both are forgotten."""
        zone = timezone.get_current_timezone()
        columns = [column(self.model, name, self.labels.get(name), zone) for name in self.exported]
        return Table(columns, EXCEL_DELIMITER, EXCEL_MARK)


def sent(request: HttpRequest, rows: QuerySet[Any], table: Table) -> HttpResponseBase:
    """Answer with the rows as a CSV and write down who got it; lead back to the list when that cannot be now."""
    model = rows.model
    name = f"{model._meta.model_name}s-{timezone.localdate()}"
    try:
        answer = download(request, name, rows.prefetch_related(None), table)
    except TooManyExports as refusal:
        messages.error(request, str(refusal))
        return redirect(the_list(request, model))
    log_export(request, model)
    return answer


def the_list(request: HttpRequest, model: type[Model]) -> str:
    """Return the address of the list that was to be exported, with its filters."""
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist", query=request.GET)


def column(model: type[Model], path: str, labels: Mapping[str, Any] | None, zone: tzinfo) -> Column:
    """Return the column of a field, or of one of a row that the field refers to, under the name of the field."""
    field: Any = model._meta.get_field(path.partition("__")[0])
    words = {code: str(label) for code, label in (labels or dict(field.flatchoices)).items()}
    written: Callable[[Any], object] = partial(worded, words) if words else partial(on_screen, zone)
    return Column(capfirst(str(field.verbose_name)), path, written)


def worded(words: Mapping[str, str], code: str) -> object:
    """Return the word for a code, else the code."""
    return plain(words.get(code, code))


def on_screen(zone: tzinfo, value: object) -> object:
    """Return what the cell of a value holds, a time as the clock of the zone shows it."""
    if isinstance(value, datetime):
        return value.astimezone(zone).replace(tzinfo=None, microsecond=0).isoformat(" ")
    return plain(value)


def log_export(request: HttpRequest, model: type[Model]) -> None:
    """Write down who exported rows of the model, all of them or some."""
    message = _("Export of what matches a filter") if request.GET else _("Export of all rows")
    user_id: Any = request.user.pk
    LogEntry.objects.create(
        user_id=user_id,
        content_type=ContentType.objects.get_for_model(model),
        object_repr=str(model._meta.verbose_name_plural)[:LONGEST_NAME],
        action_flag=CHANGE,
        change_message=message,
    )
