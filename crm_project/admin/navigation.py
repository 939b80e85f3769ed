"""The sidebar."""

from typing import Any

from django.apps import apps
from django.contrib import admin
from django.http import HttpRequest
from django.urls import reverse
from django.utils.text import capfirst
from django.utils.translation import gettext_lazy as _

from crm_project.admin.my_contacts import works_as_operator

# Each group with its models and their icons (fonts.google.com/icons).
GROUPS = (
    (_("Work"), (("leads.Contact", "forum"), ("leads.Lead", "contacts"))),
    (
        _("Distribution"),
        (
            ("operators.Operator", "support_agent"),
            ("leads.Source", "hub"),
            ("operators.Weight", "balance"),
            ("distribution.Decision", "how_to_reg"),
        ),
    ),
    (
        _("Access"),
        (("auth.User", "person"), ("auth.Group", "group"), ("access.ApiClient", "smart_toy"), ("access.ApiKey", "key")),
    ),
)


def sidebar(request: HttpRequest) -> list[dict[str, Any]]:
    """Return the groups with the pages that the user may see."""
    groups: list[dict[str, Any]] = [
        {"title": title, "items": [item for entry in entries for item in _items(request, *entry)]}
        for title, entries in GROUPS
    ]
    if works_as_operator(request):
        own = {"title": _("My contacts"), "icon": "inbox", "link": reverse("admin:my_contacts")}
        groups[0]["items"].insert(0, own)
    return [group for group in groups if group["items"]]


def _items(request: HttpRequest, label: str, icon: str) -> list[dict[str, Any]]:
    model = apps.get_model(label)
    if not admin.site.get_model_admin(model).has_view_permission(request):
        return []
    options = model._meta
    link = reverse(f"admin:{options.app_label}_{options.model_name}_changelist")
    return [{"title": capfirst(options.verbose_name_plural), "icon": icon, "link": link}]
