"""The addresses of the pages about contacts that are no list and no form: the queue, the board, moving, closing."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import path
from django.utils.translation import gettext_lazy as _

from leads.admin.board import board_context
from leads.admin.contacts import ContactAdmin
from leads.admin.handling import ClosePage, HandlingPage, MovePage
from leads.admin.queue import QueuePage
from leads.models import Contact

type View = Callable[..., HttpResponse]


def contact_admin() -> ContactAdmin:
    """Return the admin of contacts, which says who may see and who may handle them."""
    model_admin: Any = admin.site.get_model_admin(Contact)
    return model_admin


def for_whoever_sees_contacts(view: View) -> View:
    """Return the view for users of the back office who may see contacts."""

    @wraps(view)
    def answer(request: HttpRequest) -> HttpResponse:
        if not contact_admin().has_view_permission(request):
            raise PermissionDenied
        return view(request)

    return admin.site.admin_view(answer)


@for_whoever_sees_contacts
def queue(request: HttpRequest) -> HttpResponse:
    """Answer the page of the queue."""
    return _page(request, "admin/queue.html", _("Queue"), QueuePage(request).context())


@for_whoever_sees_contacts
def queue_rows(request: HttpRequest) -> HttpResponse:
    """Answer the part of the queue that refreshes itself."""
    return _part(request, "admin/queue_rows.html", _("Queue"), QueuePage(request).context())


@for_whoever_sees_contacts
def board(request: HttpRequest) -> HttpResponse:
    """Answer the board."""
    return _page(request, "admin/board.html", _("Board"), board_context(request))


@for_whoever_sees_contacts
def board_columns(request: HttpRequest) -> HttpResponse:
    """Answer the part of the board that refreshes itself."""
    return _part(request, "admin/board_columns.html", _("Board"), board_context(request))


def handling_view(page: type[HandlingPage]) -> View:
    """Return the view of a page that handles one contact, for users who may."""

    def answer(request: HttpRequest, contact_id: int) -> HttpResponse:
        model_admin = contact_admin()
        if not model_admin.has_handle_permission(request):
            raise PermissionDenied
        contact = model_admin.get_object(request, str(contact_id))
        if contact is None:
            raise Http404
        return page(model_admin, request, contact).answer()

    return admin.site.admin_view(answer)


def _page(request: HttpRequest, template: str, title: Any, context: dict[str, Any]) -> TemplateResponse:
    return _part(request, template, title, {**admin.site.each_context(request), **context})


def _part(request: HttpRequest, template: str, title: Any, context: dict[str, Any]) -> TemplateResponse:
    may_handle = contact_admin().has_handle_permission(request)
    return TemplateResponse(request, template, {**context, "title": title, "may_handle": may_handle})


urlpatterns = [
    path("queue/", queue, name="queue"),
    path("queue/rows/", queue_rows, name="queue_rows"),
    path("board/", board, name="board"),
    path("board/columns/", board_columns, name="board_columns"),
    path("contacts/<int:contact_id>/move/", handling_view(MovePage), name="move_contact"),
    path("contacts/<int:contact_id>/close/", handling_view(ClosePage), name="close_contact"),
]
