"""Every change of a setting in one list: who set what, where, when and why, and the way back."""

from typing import Any

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.translation import gettext, ngettext_lazy
from django.utils.translation import gettext_lazy as _

from crm_project.admin.base import RecordedAdmin
from crm_project.admin.columns import moment, page_link
from distribution.history import RECORDED, WEIGHT, newest_ids
from distribution.history_words import setting_told, source_named, value_told
from distribution.models import SettingChange
from distribution.phrases import named
from distribution.restoring import can_go_back
from distribution.selectors import names_of, names_of_sources
from leads.models import Source
from operators.models import Operator


class SettingChangeList(ChangeList):
    """A page of changes, with what all of them need to be told."""

    def get_results(self, request: HttpRequest) -> None:
        """Read the page, the names on it, and which of them nobody has changed since."""
        super().get_results(request)
        rows: Any = list(self.result_list)
        operators = names_of({row.operator_id for row in rows if row.operator_id})
        sources = names_of_sources({row.source_id for row in rows if row.source_id})
        newest = newest_ids(SettingChange.objects.filter(pk__gte=min((row.pk for row in rows), default=0)))
        for row in rows:
            row.sides = list(sides_of(row, operators, sources))
            row.back = way_back(request, row) if row.pk in newest and is_whole(row, operators, sources) else ""
        self.result_list = rows


class SettingFilter(admin.SimpleListFilter):
    """Which setting."""

    title = _("setting")
    parameter_name = "setting"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        """Return the settings by the names they have on the pages."""
        names = [WEIGHT, *dict.fromkeys(name for names in RECORDED.values() for name in names)]
        return [(name, setting_told(SettingChange(setting=name, operator_id=operator_of(name)))) for name in names]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        """Return the changes of the setting chosen."""
        return queryset.filter(setting=self.value()) if self.value() else queryset


@admin.register(SettingChange)
class SettingChangeAdmin(RecordedAdmin):
    """What was set on operators, sources and weights, to look at."""

    count_of_rows = ngettext_lazy("%(count)d change", "%(count)d changes", "count")
    list_display = ("time", "who", "of_what", "told", "reason", "way_back")
    list_display_links = None
    list_filter = (SettingFilter, "at")
    search_fields = ("actor_name", "reason")
    search_help_text = _("Who changed it, or why.")
    show_full_result_count = False

    def get_changelist(self, request: HttpRequest, **options: Any) -> type[ChangeList]:
        """Return the list that knows the names."""
        return SettingChangeList

    def has_view_permission(self, request: HttpRequest, obj: SettingChange | None = None) -> bool:
        """Whether the user may see the pages that tell the same of one operator and of one source."""
        pages = (self.admin_site.get_model_admin(model) for model in (Operator, Source))
        return all(page.has_view_permission(request) for page in pages)

    @admin.display(description=_("time"), ordering="pk")
    def time(self, change: SettingChange) -> str:
        """Show when it was changed."""
        return moment(change.at)

    @admin.display(description=_("by"), ordering="actor_name")
    def who(self, change: SettingChange) -> str:
        """Show who changed it."""
        return change.actor_name

    @admin.display(description=_("concerns"))
    def of_what(self, change: Any) -> str:
        """Show the operator, the source, or both, each leading to its page."""
        return format_html_join(" · ", "{}", ((side,) for side in change.sides))

    @admin.display(description=_("from what to what"))
    def told(self, change: SettingChange) -> str:
        """Show the setting and its two values."""
        before, after = (value_told(change.setting, value) for value in (change.before, change.after))
        return format_html("{}: {} → <strong>{}</strong>", setting_told(change), before, after)

    @admin.display(description="")
    def way_back(self, change: Any) -> str:
        """Show the link that asks whether it shall be as it was before."""
        link = '<a href="{}" class="text-link whitespace-nowrap">{}</a>'
        return format_html(link, change.back, gettext("Set back")) if change.back else ""


def operator_of(setting: str) -> int | None:
    """Return any number where the setting is one of operators, for that is how a change tells."""
    return 0 if setting in RECORDED[Operator] else None


def sides_of(change: SettingChange, operators: dict[int, str], sources: dict[int, str]) -> Any:
    """Yield the names of what the change concerns, leading to the pages of those that are still there."""
    if (number := change.source_id) is not None:
        name = source_named(number, sources)
        yield page_link(Source(pk=number), name) if number in sources else name
    if (number := change.operator_id) is not None:
        name = named(number, operators)
        yield page_link(Operator(pk=number), name) if number in operators else name


def is_whole(change: SettingChange, operators: dict[int, str], sources: dict[int, str]) -> bool:
    """Return whether everything that the change concerns is still there."""
    return {change.operator_id} - {None} <= operators.keys() and {change.source_id} - {None} <= sources.keys()


def way_back(request: HttpRequest, change: SettingChange) -> str:
    """Return the address that asks whether the user wants to go back; nothing where they cannot or may not."""
    row: Any = Source(pk=change.source_id) if change.operator_id is None else Operator(pk=change.operator_id)
    page: Any = admin.site.get_model_admin(type(row))
    if not (can_go_back(change) and page.may_go_back(request, row, change)):
        return ""
    options = row._meta
    return reverse(f"admin:{options.app_label}_{options.model_name}_go_back", args=[row.pk, change.pk])
