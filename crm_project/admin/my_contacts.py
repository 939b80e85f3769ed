"""The page of an operator: their own contacts, which they close, and their pause."""

import json
from functools import partial
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.utils.functional import cached_property
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext
from django.views import View

from crm_project.admin.columns import age
from crm_project.admin.outcome import EXPLAINED, explanation
from distribution import handling, roster
from distribution.errors import ContactNotFound, NoLongerTheirs
from distribution.selectors import contacts_in_work, waiting_for_operator
from leads.models import Contact
from operators.models import Operator

WORK = "operators.work_as_operator"
MOST_CONTACTS_SHOWN = 100
MOST_WAITING_COUNTED = 1_000


class OwnView(View):
    """What an operator sees or does of their own; nobody else's rows are read."""

    admin_site = admin.site

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        """Answer whoever may work as an operator. Raises PermissionDenied."""
        if not request.user.has_perm(WORK):
            raise PermissionDenied
        return super().dispatch(request, *args, **kwargs)

    @cached_property
    def operator(self) -> Operator | None:
        """The operator whose account this is; None for an account that is linked to nobody."""
        return Operator.objects.filter(user=self.request.user.pk).first()

    def own(self) -> Operator:
        """Return the operator whose account this is. Raises Http404."""
        if self.operator is None:
            raise Http404
        return self.operator


class MyContacts(OwnView):
    """The page."""

    def get(self, request: HttpRequest) -> HttpResponse:
        """Show the contacts that the operator has now."""
        context = {**self.admin_site.each_context(request), "title": _("My contacts"), **shown_to(self.operator)}
        return TemplateResponse(request, "admin/my_contacts.html", context)


class MyContactsLive(OwnView):
    """The part of the page that refreshes itself."""

    def get(self, request: HttpRequest) -> HttpResponse:
        """Show the same without what is around it."""
        context = {"site_title": self.admin_site.site_title, **shown_to(self.own())}
        return TemplateResponse(request, "admin/my_contacts_live.html", context)


class Close(OwnView):
    """Closing one of their contacts."""

    def post(self, request: HttpRequest, contact_id: int) -> HttpResponse:
        """Close it and tell so. Raises Http404 for one that they do not have."""
        operator = self.own()
        before = Contact.objects.filter(pk=contact_id, operator=operator.pk).first()
        if before is None:
            raise Http404
        try:
            is_closed_now = self._close(request, before)
        except (ContactNotFound, NoLongerTheirs) as error:
            raise Http404 from error
        except EXPLAINED as error:
            messages.error(request, explanation(error))
        else:
            closed, already = _("%(lead)s: the contact is closed."), _("%(lead)s: this contact was closed already.")
            messages.info(request, (closed if is_closed_now else already) % {"lead": before.external_id})
        return redirect("admin:my_contacts")

    def _close(self, request: HttpRequest, contact: Contact) -> bool:
        """Close it, which its history tells, and return whether it was open."""
        page: Any = self.admin_site.get_model_admin(Contact)
        close = partial(handling.close_contact, from_operator_id=self.own().pk)
        return bool(page.apply_to_row(request, contact, close))


class Pause(OwnView):
    """Their own switch."""

    def post(self, request: HttpRequest) -> HttpResponse:
        """Begin the pause, or end it when `is_paused` is 0, and tell what that means."""
        is_paused = request.POST.get("is_paused") != "0"
        try:
            before = contacts_in_work(self.own().pk).count()
            operator = roster.change_operator(self.own().pk, is_paused=is_paused)
        except EXPLAINED as error:
            messages.error(request, explanation(error))
        else:
            messages.success(request, _paused() if operator.is_paused else _went_on(operator, before))
        return redirect("admin:my_contacts")


def shown_to(operator: Operator | None) -> dict[str, Any]:
    """Return what the page shows to the operator, at most a hundred of their contacts."""
    if operator is None:
        return {"operator": None}
    contacts: list[Any] = list(contacts_in_work(operator.pk)[: MOST_CONTACTS_SHOWN + 1])
    shown = contacts[:MOST_CONTACTS_SHOWN]
    for contact in shown:
        contact.age = age(contact.created_at)
        contact.readable_data = json.dumps(contact.data, ensure_ascii=False, indent=2) if contact.data else ""
    return {
        "operator": operator,
        "contacts": shown,
        "more": max(operator.load - len(shown), 1) if len(contacts) > len(shown) else 0,
        "waiting": waiting_for_operator(operator.pk, most=MOST_WAITING_COUNTED),
        "most_waiting": MOST_WAITING_COUNTED,
    }


def works_as_operator(request: HttpRequest) -> bool:
    """Return whether the page is offered to the user: by their own role, not for being able to do everything."""
    user: Any = request.user
    return bool(not user.is_superuser and user.has_perm(WORK))


def first_page(request: HttpRequest) -> HttpResponse:
    """Answer the first page of the back office: to whoever has no other page, that of their own contacts."""
    if works_as_operator(request) and not admin.site.get_app_list(request):
        return redirect("admin:my_contacts")
    return admin.site.index(request)


def _paused() -> str:
    return str(_("You are paused: no new contacts come to you. Those you have stay with you."))


def _went_on(operator: Operator, before: int) -> str:
    came = max(contacts_in_work(operator.pk).count() - before, 0)
    if not came:
        return str(_("The pause is over: new contacts come to you again."))
    sentence = ngettext(
        "The pause is over: %(count)d contact that waited has come to you.",
        "The pause is over: %(count)d contacts that waited have come to you.",
        came,
    )
    return sentence % {"count": came}
