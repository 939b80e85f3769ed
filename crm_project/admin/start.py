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
from crm_project.admin.source_shares import shares_context
from distribution.overview import setup


def start_page(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """Return the context of the page: Unfold's own, and what is shown now."""
    done = setup()
    if done.is_done:
        shown = {**overview_context(request), **shares_context(request)}
    else:
        shown = steps_context(request, done, context.get("form"))
    return {**context, "title": _("Overview"), **shown}


def overview(request: HttpRequest) -> TemplateResponse:
    """Answer the part of the page that is refreshed every few seconds."""
    return TemplateResponse(request, "admin/start/overview.html", overview_context(request))


def shares(request: HttpRequest) -> TemplateResponse:
    """Answer the part of the page that changes slowly, and counts the contacts of days."""
    return TemplateResponse(request, "admin/start/sources.html", shares_context(request))


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
    path("shares/", admin.site.admin_view(shares), name="start_shares"),
    *(path(f"{name}/", admin.site.admin_view(first_step), {"name": name}, name=f"first_step_{name}") for name in STEPS),
]
