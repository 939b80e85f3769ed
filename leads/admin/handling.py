"""One contact moved or closed from any page: asks first, then leads back to where the user came from."""

from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from crm_project.access.acting import because
from crm_project.admin.back import address_back
from crm_project.admin.forms import WhyForm, is_number_of_row
from crm_project.admin.outcome import EXPLAINED, explanation
from distribution import handling
from distribution.board import receivers
from distribution.errors import ContactClosed
from leads.admin.contacts import ContactAdmin, ReceiverField
from leads.models import Contact
from operators.models import Operator

SEEN = "seen"


class WeighedReceiverField(ReceiverField):
    """An operator from `receivers`, with what part they take in the draws of the source."""

    def label_from_instance(self, obj: Any) -> str:
        """Return the name with the load / limit and the weight."""
        weight = gettext("not on the list") if obj.weight is None else gettext("weight %d") % obj.weight
        return f"{super().label_from_instance(obj)} · {weight}"


class ReceiverForm(WhyForm):
    """Who gets a contact: somebody named, else whoever is drawn; and why."""

    field_order = ("operator", "reason")
    operator = WeighedReceiverField(
        Operator.objects.none(),
        required=False,
        label=_("Operator"),
        empty_label=_("whoever is drawn"),
        help_text=_(
            "By name: anybody with room, whatever their weight. Contacts that wait longer may be passed; "
            "the decision says so."
        ),
    )

    def __init__(self, contact: Contact, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["operator"].queryset = receivers(contact)  # type: ignore[attr-defined]


class HandlingPage:
    """One request to the page that asks; subclasses say what is asked and what is done."""

    title: Any
    button: Any

    def __init__(self, model_admin: ContactAdmin, request: HttpRequest, contact: Contact) -> None:
        self.contact = contact
        self._admin = model_admin
        self._request = request

    def form(self, data: Any) -> forms.Form:
        """Return the form, bound when there are data."""
        raise NotImplementedError

    def service(self, typed: dict[str, Any]) -> Contact:
        """Do what was asked for and return the contact. Raises Refusal."""
        raise NotImplementedError

    def told(self, contact: Contact) -> str:
        """Return the sentence that says what was done."""
        raise NotImplementedError

    def answer(self) -> HttpResponse:
        """Show the form; or do what it asks for and go back. What is refused is told above the form.

        Refused too is what was asked of a contact that somebody else has by now.
        """
        if self.contact.is_closed:
            messages.warning(self._request, str(ContactClosed.message))
            return self._back()
        form = self.form(self._request.POST if self._request.method == "POST" else None)
        if form.is_valid() and self._is_done(form):
            return self._back()
        return self._shown(form)

    @property
    def seen(self) -> int | None:
        """Who had the contact when the page was opened; None when nobody had."""
        typed = self._request.POST.get(SEEN)
        if typed is None:
            return self.contact.operator_id
        return int(typed) if is_number_of_row(typed) else None

    def _is_done(self, form: forms.Form) -> bool:
        typed = form.cleaned_data
        try:
            with because(typed["reason"]):
                self._admin.apply_to_row(self._request, self.contact, lambda _pk: self.service(typed))
        except EXPLAINED as error:
            form.add_error(None, explanation(error))
            return False
        self.contact.refresh_from_db()
        messages.success(self._request, self.told(self.contact))
        return True

    def _shown(self, form: forms.Form) -> TemplateResponse:
        context = {
            **self._admin.admin_site.each_context(self._request),
            "title": self.title,
            "subtitle": str(self.contact),
            "opts": self._admin.opts,
            "original": self.contact,
            "contact": self.contact,
            "form": form,
            "button": self.button,
            "seen": str(self.contact.operator_id or ""),
            "back": self._address_back(),
        }
        return TemplateResponse(self._request, "admin/handling.html", context)

    def _back(self) -> HttpResponse:
        return HttpResponseRedirect(self._address_back())

    def _address_back(self) -> str:
        return address_back(self._request) or reverse("admin:leads_contact_change", args=[self.contact.pk])


class MovePage(HandlingPage):
    """Giving a contact to somebody else, or to somebody at last."""

    title = _("Give to …")
    button = _("Give")

    def form(self, data: Any) -> ReceiverForm:
        """Return the form that asks who gets it."""
        return ReceiverForm(self.contact, data)

    def service(self, typed: dict[str, Any]) -> Contact:
        """Give the contact to the operator named, else by draw."""
        receiver = typed["operator"]
        if receiver is None:
            return handling.reassign_by_draw(self.contact.pk, from_operator_id=self.seen)
        return handling.reassign_to_operator(self.contact.pk, receiver.pk, from_operator_id=self.seen)

    def told(self, contact: Contact) -> str:
        """Say who has it."""
        return gettext("%(contact)s – given to: %(operator)s.") % {"contact": contact, "operator": contact.operator}


class ClosePage(HandlingPage):
    """Closing a contact."""

    title = _("Close contact")
    button = _("Close contact")

    def form(self, data: Any) -> WhyForm:
        """Return the form that asks why."""
        return WhyForm(data)

    def service(self, typed: dict[str, Any]) -> Contact:
        """Close it."""
        return handling.close_contact(self.contact.pk, from_operator_id=self.seen)

    def told(self, contact: Contact) -> str:
        """Say that it is closed."""
        return gettext("%(contact)s – closed.") % {"contact": contact}
