"""The sidebar."""

from typing import Any, NamedTuple

from django.apps import apps
from django.contrib import admin
from django.http import HttpRequest
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.text import capfirst
from django.utils.translation import gettext_lazy as _

from crm_project.admin.my_contacts import works_as_operator


class Entry(NamedTuple):
    """A page that whoever may view the rows of the model finds in the sidebar.

    It is the list of the model, or another page by the name of its address, with a title. The icons are those of
    fonts.google.com/icons.
    """

    model: str
    icon: str
    page: str = ""
    title: str | Promise = ""


GROUPS: tuple[tuple[str | Promise, tuple[Entry, ...]], ...] = (
    (
        _("Work"),
        (
            Entry("leads.Contact", "hourglass_top", "queue", _("Queue")),
            Entry("leads.Contact", "view_column", "board", _("Board")),
            Entry("leads.Contact", "forum"),
            Entry("leads.Lead", "contacts"),
            Entry("distribution.BulkRun", "checklist"),
        ),
    ),
    (
        _("Distribution"),
        (
            Entry("operators.Operator", "support_agent"),
            Entry("leads.Source", "hub"),
            Entry("operators.Weight", "balance"),
            Entry("operators.Weight", "grid_on", "admin:operators_weight_matrix", _("Matrix of weights")),
            Entry("distribution.Decision", "how_to_reg"),
            Entry("distribution.SettingChange", "history"),
        ),
    ),
    (
        _("Access"),
        (
            Entry("auth.User", "person"),
            Entry("auth.Group", "group"),
            Entry("access.ApiClient", "smart_toy"),
            Entry("access.ApiKey", "key"),
        ),
    ),
    (
        _("Webhooks"),
        (
            Entry("webhooks.Endpoint", "webhook"),
            Entry("webhooks.Delivery", "outbox"),
        ),
    ),
)


def sidebar(request: HttpRequest) -> list[dict[str, Any]]:
    """Return the groups with the pages that the user may see."""
    groups: list[dict[str, Any]] = [
        {"title": title, "items": [_item(entry) for entry in entries if _may_see(request, entry)]}
        for title, entries in GROUPS
    ]
    if works_as_operator(request):
        own = {"title": _("My contacts"), "icon": "inbox", "link": reverse("admin:my_contacts")}
        groups[0]["items"].insert(0, own)
    _mark_where_we_are(request, [item for group in groups for item in group["items"]])
    return [group for group in groups if group["items"]]


def _may_see(request: HttpRequest, entry: Entry) -> bool:
    return admin.site.get_model_admin(apps.get_model(entry.model)).has_view_permission(request)


def _item(entry: Entry) -> dict[str, Any]:
    options = apps.get_model(entry.model)._meta
    link = reverse(entry.page or f"admin:{options.app_label}_{options.model_name}_changelist")
    return {"title": entry.title or capfirst(options.verbose_name_plural), "icon": entry.icon, "link": link}


def _mark_where_we_are(request: HttpRequest, items: list[dict[str, Any]]) -> None:
    # A page beside a list has an address beneath that of the list: the longer one is meant.
    here = max((item["link"] for item in items if request.path.startswith(item["link"])), key=len, default="")
    for item in items:
        item["active"] = item["link"] == here
