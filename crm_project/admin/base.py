"""The base of the admin pages: Unfold's looks, and writes that go through the services."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.models import LogEntry
from django.contrib.admin.options import ActionLocation
from django.db.models import Model, QuerySet
from django.forms import ModelForm
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect
from django.utils import translation
from django.utils.text import capfirst
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.admin import ModelAdmin

from crm_project.access.acting import LONGEST_REASON, because
from crm_project.access.serializers import REASON
from crm_project.admin.back import address_back
from crm_project.admin.bulk import BulkQuestion, all_matching
from crm_project.admin.columns import moment
from crm_project.admin.forms import AutocompleteAdmin, TouchedFieldsForm
from crm_project.admin.log import as_logged
from crm_project.admin.outcome import EXPLAINED, CountedSentence, apply_to_each, counted, explanation, tell

MOST_ROWS_AT_ONCE = 1_000


class Admin(AutocompleteAdmin, ModelAdmin):
    """Unfold's page of a model, with the actions of Django 6.1.

    Subclasses say in `count_of_rows` how their rows are counted: a model has one plural, a language may have three.
    """

    list_per_page = 50
    list_fullwidth = True
    show_facets = admin.ShowFacets.NEVER
    count_of_rows: CountedSentence

    def get_action_choices(
        self,
        request: HttpRequest,
        default_choices: list[tuple[str, str]] | None = None,
        action_location: ActionLocation = ActionLocation.CHANGE_LIST,
    ) -> list[tuple[str, str]]:
        """Return Django's choices: Unfold's own method does not know yet that an action has a location."""
        choices = default_choices or [("", gettext("Select action"))]
        return admin.ModelAdmin.get_action_choices(self, request, choices, action_location)

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        """Return the list, which tells how many rows there are."""
        changelist: Any = super().get_changelist_instance(request)
        changelist.count_in_words = counted(self.count_of_rows, changelist.result_count)
        return changelist

    def log_change(self, request: HttpRequest, obj: Any, message: Any) -> LogEntry:
        """Write a change into the log."""
        [logged] = as_logged([obj])
        return super().log_change(request, logged, message)

    def log_deletions(self, request: HttpRequest, queryset: QuerySet[Any]) -> list[LogEntry]:
        """Write into the log that rows are gone."""
        logged: Any = as_logged(queryset)
        return super().log_deletions(request, logged)

    def get_deleted_objects(
        self, objs: Sequence[Any] | QuerySet[Any], request: HttpRequest
    ) -> tuple[Any, Any, Any, Any]:
        """Return Django's lists, without the rows that only say of which sets a deleted one was."""
        told, counts, *others = super().get_deleted_objects(objs, request)
        memberships = [field.remote_field.through._meta for field in self.model._meta.many_to_many]
        names = tuple(f"{capfirst(options.verbose_name)}:" for options in memberships)
        for options in memberships:
            counts.pop(options.verbose_name_plural, None)
        return _without(names, told), counts, *others


class RecordedAdmin(Admin):
    """Rows that the services record, to look at: nothing here writes them."""

    actions: Sequence[str] | None = None

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Nobody adds to what was recorded."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """What was recorded stays as it is."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """What was recorded stays."""
        return False


class OwnTransactions(admin.ModelAdmin):
    """Django's views without the transaction around each POST.

    A service opens its own transaction, repeats it after a deadlock, and drains the queue after its commit; inside
    another transaction it could do neither, and refuses to run.
    """

    _changeform_view: Callable[..., HttpResponse]
    _delete_view: Callable[..., HttpResponse]

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Answer the pages that add, change and show a row."""
        return self._changeform_view(request, object_id, form_url, extra_context)

    def delete_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Answer the page that deletes a row."""
        return self._delete_view(request, object_id, extra_context)


class ServiceAdmin(Admin, OwnTransactions):
    """A page whose writes are calls of services.

    Subclasses give `create_row` and `change_row`, and name in `logged_fields` what an action may change. The question
    before a bulk action counts its rows by the fields in `summed_by`, with their labels, and shows each by `line_of`.
    """

    form = TouchedFieldsForm
    change_form_outer_before_template = "admin/row_actions.html"
    logged_fields: Sequence[str] = ()
    summed_by: Mapping[str, Any] = {}

    def for_lines(self, rows: QuerySet[Any]) -> QuerySet[Any]:
        """Return the rows with what `line_of` needs."""
        return rows

    def line_of(self, row: Any) -> str:
        """Return a row in one line."""
        return str(row)

    @admin.display(description=_("created"), ordering="created_at")
    def created(self, row: Any) -> str:
        """Show when the row was stored."""
        return moment(row.created_at)

    def get_fields(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        """Return the fields; whoever only looks is not asked why."""
        may_save = self.has_change_permission(request, obj) if obj else self.has_add_permission(request)
        return [name for name in super().get_fields(request, obj) if may_save or name != REASON]

    def create_row(self, **fields: Any) -> Model:
        """Store and return a new row."""
        raise NotImplementedError

    def change_row(self, row: Any, **changes: Any) -> None:
        """Set the fields given and no others."""
        raise NotImplementedError

    def save_model(self, request: HttpRequest, obj: Any, form: ModelForm, change: bool) -> None:
        """Store what the user typed; of a row that exists, only the fields the user touched."""
        if not change:
            obj.pk = self.create_row(**settings_typed(form)).pk
        elif changes := touched(form):
            self.change_row(obj, **changes)

    def response_post_save_change(self, request: HttpRequest, obj: Any) -> HttpResponseRedirect:
        """Lead back to where the user came from, else to the list."""
        back = address_back(request)
        return HttpResponseRedirect(back) if back else super().response_post_save_change(request, obj)

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Answer the form; what a service refuses is told on the page, which shows the row as it is now."""
        try:
            with because(reason_typed(request)):
                return super().changeform_view(request, object_id, form_url, extra_context)
        except EXPLAINED as error:
            if request.method != "POST":
                raise
            messages.error(request, explanation(error))
            return redirect(request.get_full_path())

    def apply(
        self,
        request: HttpRequest,
        rows: QuerySet[Any],
        service: Callable[[int], Model],
        done: CountedSentence,
        work: str = "",
    ) -> HttpResponse | None:
        """Call `service` with the id of each row that was ticked, log what it changed, and tell the outcome.

        Of all that match the filter, ask first, and do `work` of `distribution.runs` in steps.
        """
        if work and all_matching(request):
            return BulkQuestion(self, request, rows, work).answer()
        if not too_many(request, rows):
            tell(request, apply_to_each(rows, lambda row: self.apply_to_row(request, row, service)), done)
        return None

    def apply_to_row(self, request: HttpRequest, row: Model, service: Callable[[int], Model]) -> bool:
        """Call `service` with the id of the row, log what it changed, and return whether it changed anything."""
        after = service(row.pk)
        changed = [field for field in row._meta.concrete_fields if field.name in self.logged_fields]
        changed = [field for field in changed if getattr(row, field.attname) != getattr(after, field.attname)]
        if changed:
            self.log_change(request, row, [{"changed": {"fields": _untranslated_names(changed)}}])
        return bool(changed)


def too_many(request: HttpRequest, rows: QuerySet[Any]) -> bool:
    """Return whether there are more rows than a request should take its time for, and tell the user so."""
    if rows.count() <= MOST_ROWS_AT_ONCE:
        return False
    sentence = _("At most %(most)d rows at once. Narrow the list with a filter, or take one page at a time.")
    messages.error(request, sentence % {"most": MOST_ROWS_AT_ONCE})
    return True


def reason_typed(request: HttpRequest) -> str:
    """Return why, as far as it can be stored; no form has looked at what comes with a button."""
    return request.POST.get(REASON, "").replace("\0", "")[:LONGEST_REASON]


def settings_typed(form: ModelForm) -> dict[str, Any]:
    """Return what the user typed, without the reason."""
    return {name: value for name, value in form.cleaned_data.items() if name != REASON}


def touched(form: ModelForm) -> dict[str, Any]:
    """Return the values of the fields that the user touched, without the reason."""
    return {name: value for name, value in settings_typed(form).items() if name in form.changed_data}


def _without(beginnings: tuple[str, ...], told: list[Any]) -> list[Any]:
    """Return the nested list without the texts that begin so."""
    nested = [_without(beginnings, one) if isinstance(one, list) else one for one in told]
    return [one for one in nested if one and not (isinstance(one, str) and one.startswith(beginnings))]


def _untranslated_names(fields: list[Any]) -> list[str]:
    # The history is translated for whoever reads it.
    with translation.override(None):
        return [str(field.verbose_name) for field in fields]
