"""Import and export of a list: a file is rehearsed, confirmed, and stored row by row through the services."""

from base64 import b64decode, b64encode
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.models import ADDITION, CHANGE, LogEntry
from django.core import signing
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from import_export.admin import ImportExportMixin
from import_export.forms import ConfirmImportForm
from import_export.results import RowResult
from import_export.tmp_storages import BaseStorage
from unfold.contrib.import_export.forms import ExportForm, ImportForm

from crm_project.access.acting import LONGEST_REASON, because
from crm_project.admin.exporting import log_export, sent
from crm_project.admin.outcome import EXPLAINED, explanation
from crm_project.admin.spreadsheets import ExcelCSV, Spreadsheet, Workbook
from distribution.queue import draining_at_the_end

LARGEST_FILE = 400 * 1024  # it comes back in a form, packed and signed, and a form takes 1 MB
SECONDS_TO_CONFIRM = 3600
SALT = "file to import"
ROWS_TOLD = 10


class SignedFile(BaseStorage):
    """A file between the rehearsal and the confirmation: in the page itself, signed, and nowhere on the server.

    So it needs no disk that several processes share, and the browser can neither alter it nor name another.
    """

    def save(self, data: bytes) -> None:
        """Let the name be the content."""
        self.name = signing.dumps(b64encode(data).decode(), salt=SALT, compress=True)

    def read(self) -> bytes:
        """Return the content. Raises BadSignature."""
        return b64decode(signing.loads(self.name, salt=SALT, max_age=SECONDS_TO_CONFIRM))

    def remove(self) -> None:
        """Nothing was kept."""


class FileForm(ImportForm):
    """The file to import."""

    def clean_import_file(self) -> Any:
        """Refuse a file that is too large."""
        file = self.cleaned_data["import_file"]
        if file.size > LARGEST_FILE:
            sentence = _("The file is larger than %(most)d KB. Divide it into several.")
            raise forms.ValidationError(sentence % {"most": LARGEST_FILE // 1024})
        return file


class ConfirmForm(ConfirmImportForm):
    """The same file again, as it was rehearsed."""

    def clean_import_file_name(self) -> str:
        """Refuse what was not signed here, or too long ago."""
        name = self.cleaned_data["import_file_name"]
        try:
            SignedFile(name=name).read()
        except signing.BadSignature as error:
            raise forms.ValidationError(_("This page is too old. Choose the file again.")) from error
        return name

    def clean_format(self) -> str:
        """Return the only format."""
        return "0"

    def clean_resource(self) -> str:
        """Return the only resource."""
        return "0"


class TransferAdmin(ImportExportMixin, admin.ModelAdmin):
    """A list that is exported to a file and imported from one; subclasses name `resource_classes`."""

    import_formats = [Spreadsheet]
    export_formats = [ExcelCSV, Workbook]
    import_form_class = FileForm
    confirm_form_class = ConfirmForm
    export_form_class = ExportForm
    tmp_storage_class = SignedFile
    to_encoding = "utf-8"

    def has_import_permission(self, request: HttpRequest) -> bool:
        """Whether the user may add and change the rows."""
        return self.has_add_permission(request) and self.has_change_permission(request)

    def has_export_permission(self, request: HttpRequest) -> bool:
        """Whether the user may see the rows."""
        return self.has_view_permission(request)

    def get_valid_export_item_pks(self, request: HttpRequest) -> list[int]:
        """Return nothing: a file holds what matches the filter."""
        return []

    def _do_file_export(
        self, file_format: Any, request: HttpRequest, queryset: QuerySet[Any], export_form: Any = None
    ) -> HttpResponseBase:
        """Return the file and write down who got it: a CSV is sent while it is read, a workbook is made as a whole."""
        if isinstance(file_format, ExcelCSV):
            [resource] = self.get_export_resource_classes(request)
            return sent(request, queryset, resource().table())
        answer: HttpResponseBase = super()._do_file_export(file_format, request, queryset, export_form)
        log_export(request, self.model)
        return answer

    def add_data_read_fail_error_to_form(self, form: forms.Form, error: Exception) -> None:
        """Say why the file cannot be read."""
        form.add_error("import_file", str(error))

    def process_import(self, request: HttpRequest, **options: Any) -> HttpResponse:
        """Store what was rehearsed; a page that is too old leads back to the beginning."""
        if request.method == "POST" and self.has_import_permission(request):
            form = self.create_confirm_form(request)
            if not form.is_valid():
                messages.error(request, " ".join(str(error) for errors in form.errors.values() for error in errors))
                return redirect(f"admin:{self.opts.app_label}_{self.opts.model_name}_import")
        return super().process_import(request, **options)

    def process_dataset(self, dataset: Any, form: forms.Form, request: HttpRequest, **options: Any) -> Any:
        """Store the rows, each by its service, and give waiting contacts away once, at the end."""
        reason = _("Import of %(file)s") % {"file": form.cleaned_data["original_file_name"]}
        with because(reason[:LONGEST_REASON]), draining_at_the_end():
            return super().process_dataset(dataset, form, request, **options)

    def generate_log_entries(self, result: Any, request: HttpRequest) -> None:
        """Write what was stored into the history of each row."""
        for kind, flag in ((RowResult.IMPORT_TYPE_NEW, ADDITION), (RowResult.IMPORT_TYPE_UPDATE, CHANGE)):
            rows: Any = [row.instance for row in result if row.import_type == kind]
            user_id: Any = request.user.pk
            LogEntry.objects.log_actions(user_id, rows, flag, _("Import"))

    def add_success_message(self, result: Any, request: HttpRequest) -> None:
        """Tell how many rows were stored, and what was refused or went wrong."""
        for failure in result.base_errors:
            messages.error(request, explained(failure.error))
        if result.base_errors:
            return
        counts = {kind: result.totals[kind] for kind in (RowResult.IMPORT_TYPE_NEW, RowResult.IMPORT_TYPE_UPDATE)}
        sentence = _("Import finished. New: %(new)d. Changed: %(update)d. Unchanged: %(skip)d.")
        messages.success(request, sentence % {**counts, "skip": result.totals[RowResult.IMPORT_TYPE_SKIP]})
        refused = [(row.number, " ".join(row.error.messages)) for row in result.invalid_rows]
        refused += [(row.number, explained(row.errors[0].error)) for row in result.error_rows]
        for number, reason in sorted(refused)[:ROWS_TOLD]:
            told = _("Row %(number)d was refused: %(reason)s")
            messages.warning(request, told % {"number": number, "reason": reason})
        if more := len(refused[ROWS_TOLD:]):
            sentence = ngettext("%(count)d more row was refused.", "%(count)d more rows were refused.", more)
            messages.warning(request, sentence % {"count": more})


def explained(error: Exception) -> str:
    """Return the sentence for whatever ended a row, or the whole import."""
    return explanation(error) if isinstance(error, EXPLAINED) else str(error)
