"""API clients and their keys. A key is shown once, when it is made."""

from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.options import ActionLocation
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext_lazy
from unfold.admin import TabularInline

from crm_project.access.keys import make_key, revoke
from crm_project.access.models import ApiClient, ApiKey
from crm_project.admin.base import Admin
from crm_project.admin.columns import label, moment
from crm_project.admin.outcome import EXPLAINED, counted, explanation

MOST_KEYS_AT_ONCE = 10  # more would not fit into the cookie that shows them, and be kept by the session in the database

REVOKED = ngettext_lazy("%(count)d key revoked.", "%(count)d keys revoked.", "count")


class ApiKeyInline(TabularInline):
    """The keys of a client, newest first; to look at."""

    model = ApiKey
    fields = ("beginning", "state", "created", "expires_at", "last_used_at")
    readonly_fields = fields
    per_page = 20
    show_title = False
    can_delete = False

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """A key is made by an action, which shows it once."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """A key is revoked by an action."""
        return False

    @admin.display(description=_("key"))
    def beginning(self, key: ApiKey) -> str:
        """Show how the key begins."""
        return str(key)

    @admin.display(description=_("status"))
    def state(self, key: ApiKey) -> str:
        """Show whether the key opens anything."""
        return state_of(key)

    @admin.display(description=_("created"))
    def created(self, key: ApiKey) -> str:
        """Show when it was made."""
        return moment(key.created_at)


@admin.register(ApiClient)
class ApiClientAdmin(Admin):
    """Who calls the API by key, what they may, and their keys."""

    count_of_rows = ngettext_lazy("%(count)d API client", "%(count)d API clients", "count")
    list_display = ("name", "may_register", "may_read", "may_manage", "all_sources")
    search_fields = ("name",)
    fields = ("name", "may_register", "may_read", "may_manage", "all_sources", "sources")
    autocomplete_fields = ("sources",)
    inlines = (ApiKeyInline,)
    actions = ("make_keys", "delete_selected")
    change_form_outer_before_template = "admin/row_actions.html"

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        """Store the sources; a new client gets its first key."""
        super().save_related(request, form, formsets, change)
        if not change:
            self._make_key(request, form.instance)

    @admin.action(
        permissions=["change"],
        description=_("Make a key"),
        description_plural=_("Make a key for each"),
        location=[ActionLocation.CHANGE_LIST, ActionLocation.CHANGE_FORM],
    )
    def make_keys(self, request: HttpRequest, clients: QuerySet[ApiClient]) -> None:
        """Make a key of each client and show it."""
        if clients.count() > MOST_KEYS_AT_ONCE:
            messages.error(request, _("At most %(most)d clients at once.") % {"most": MOST_KEYS_AT_ONCE})
            return
        for client in clients:
            self._make_key(request, client)

    def _make_key(self, request: HttpRequest, client: ApiClient) -> None:
        try:
            key = make_key(client)
        except EXPLAINED as error:
            messages.error(request, f"{client}: {explanation(error)}")
            return
        self.log_change(request, client, [{"added": {"name": "API key", "object": key[:12]}}])
        sentence = _("The key of {}, shown only this once: {}")
        messages.warning(request, format_html(str(sentence), client.name, key_box(key)))


@admin.register(ApiKey)
class ApiKeyAdmin(Admin):
    """All keys, to see which are used and to revoke them."""

    count_of_rows = ngettext_lazy("%(count)d API key", "%(count)d API keys", "count")
    list_display = ("beginning", "client", "state", "created", "expires_at", "last_used_at")
    list_filter = ("client",)
    search_fields = ("prefix", "client__name")
    fields = ("beginning", "client", "state", "created", "expires_at", "last_used_at", "revoked_at")
    list_select_related = ("client",)
    actions = ("revoke",)
    change_form_outer_before_template = "admin/row_actions.html"

    def has_add_permission(self, request: HttpRequest) -> bool:
        """A key is made on the page of its client."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse the form; those who may change keys revoke them by the action."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """A key is revoked, and stays to be seen."""
        return False

    def has_revoke_permission(self, request: HttpRequest) -> bool:
        """Whether the user may revoke keys."""
        return super().has_change_permission(request)

    beginning = ApiKeyInline.beginning
    state = ApiKeyInline.state
    created = ApiKeyInline.created

    @admin.action(
        permissions=["revoke"],
        description=_("Revoke"),
        location=[ActionLocation.CHANGE_LIST, ActionLocation.CHANGE_FORM],
    )
    def revoke(self, request: HttpRequest, keys: QuerySet[ApiKey]) -> None:
        """Revoke the keys: from now on they open nothing."""
        for key in keys.filter(revoked_at__isnull=True):
            self.log_change(request, key, [{"changed": {"fields": ["revoked"]}}])
        messages.success(request, counted(REVOKED, revoke(keys)))


def state_of(key: ApiKey) -> str:
    """Return whether the key is valid, as a label in its colour."""
    if key.revoked_at is not None:
        return label(_("revoked"), None)
    return label(_("expired"), "warning") if key.is_expired else label(_("valid"), "success")


def key_box(key: str) -> str:
    """Return the key so that a click selects the whole of it."""
    return format_html('<code style="user-select: all; overflow-wrap: anywhere">{}</code>', key)
