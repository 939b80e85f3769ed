"""Every address of the back office, read from the site, so that one that is added cannot be forgotten."""

import re
from collections.abc import Iterator

from django.contrib import admin
from django.db.models import Model
from django.urls import URLPattern, URLResolver, get_resolver
from django.urls.converters import IntConverter

from distribution.models import BulkRun, SettingChange
from leads.models import Contact

OF_NUMBERS: dict[str, type[Model]] = {"contact_id": Contact, "run_id": BulkRun, "change_id": SettingChange}


def addresses() -> list[str]:
    """Return every address of the back office, with the newest row of its model where it asks for one."""
    return sorted(set(addresses_by_route().values()))


def addresses_by_route() -> dict[str, str]:
    """Return the same by the route that each was made of."""
    return {route: f"/{filled_in(route, pattern)}" for route, pattern in patterns(get_resolver())}


def patterns(resolver: URLResolver, before: str = "") -> Iterator[tuple[str, URLPattern]]:
    """Yield every pattern of the back office with its whole route."""
    for entry in resolver.url_patterns:
        route = before + str(entry.pattern)
        if isinstance(entry, URLResolver):
            yield from patterns(entry, route)
        elif route.startswith("admin/"):
            yield route, entry


def filled_in(route: str, pattern: URLPattern) -> str:
    """Return the route with something in the place of each parameter."""
    if "(?P<app_label>" in route:
        return "admin/leads/"
    for name, converter in pattern.pattern.converters.items():
        is_number = name in {"object_id", "id"} or isinstance(converter, IntConverter)
        value = newest(OF_NUMBERS.get(name) or model_of(pattern), route) if is_number else "x"
        route = re.sub(rf"<(\w+:)?{name}>", str(value), route)
    return re.sub(r"\(\?P<url>[^)]*\)\$?", "nowhere/", route)


def newest(model: type[Model], route: str) -> int:
    """Return the key of the newest row."""
    row = model._default_manager.order_by("pk").last()
    assert row is not None, f"{route}: the tests have no row for it"
    return row.pk


def model_of(pattern: URLPattern) -> type[Model]:
    """Return the model that the name of the pattern speaks of, a contact for others."""
    named = [model for model in admin.site._registry if (pattern.name or "").startswith(name_of(model) + "_")]
    return named[0] if named else Contact


def name_of(model: type[Model]) -> str:
    """Return the name by which the site knows the pages of the model."""
    return f"{model._meta.app_label}_{model._meta.model_name}"
