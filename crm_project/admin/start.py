"""The start page of the back office: the house at a glance, or the first steps of setting it up."""

from typing import Any

from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import path
from django.utils.translation import gettext_lazy as _

from crm_project.admin.first_steps import STEPS, steps_context, take
from crm_project.admin.overview import overview_context
from distribution.overview import setup


def start_page(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """Return the context of the page: Unfold's own, and what is shown now."""
    done = setup()
    shown = overview_context(request) if done.is_done else steps_context(request, done, context.get("form"))
    return {**context, "title": _("Overview"), **shown}


def overview(request: HttpRequest) -> TemplateResponse:
    """Answer the part of the page that refreshes itself."""
    return TemplateResponse(request, "admin/start/overview.html", overview_context(request))


def first_step(request: HttpRequest, name: str) -> HttpResponse:
    """Take one of the first steps; what was typed wrong is told on the page."""
    form = take(request, name) if request.method == "POST" else None
    if form is not None and not setup().is_done:
        return admin.site.index(request, {"form": form})
    for told in form.errors.values() if form else ():
        messages.error(request, " ".join(map(str, told)))
    return redirect("admin:index")


urlpatterns = [
    path("overview/", admin.site.admin_view(overview), name="start_overview"),
    *(path(f"{name}/", admin.site.admin_view(first_step), {"name": name}, name=f"first_step_{name}") for name in STEPS),
]
