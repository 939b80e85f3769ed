"""Merging leads that are possibly the same, and the way back, from the page of a lead."""

from collections.abc import Sequence
from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminTextInputWidget

from crm_project.admin.columns import moment, page_link
from crm_project.admin.deletion import ProtectedDeletionAdmin
from crm_project.admin.forms import is_number_of_row
from crm_project.admin.outcome import EXPLAINED, explanation
from distribution.identities import leads_meant
from distribution.merging import can_undo, merge_leads, merges_into, survivor_of, undo_merge
from distribution.resemblance import Resemblance, possibly_same
from leads.models import Contact, Identity, Lead, Merge

MOST_MERGES_SHOWN = 20


class OtherLeadForm(forms.Form):
    """Which lead is merged into the one whose page it is: by what they are known by, or by the number."""

    other = forms.CharField(
        max_length=255,
        label=_("Another lead"),
        widget=UnfoldAdminTextInputWidget,
        help_text=_("What they are known by, or their number: № 12."),
    )

    def clean_other(self) -> Lead:
        """Return the lead. Raises ValidationError when there is none, or more than one."""
        leads = leads_meant(self.cleaned_data["other"])
        if len(leads) != 1:
            several = _("Several leads are known by this. Type the number of the one that you mean.")
            raise forms.ValidationError(several if leads else _("There is no such lead."))
        return leads[0]


class AlikeAdmin(ProtectedDeletionAdmin):
    """The page of a lead with who is possibly the same, and who was merged into them."""

    change_form_outer_after_template = "admin/alike.html"

    def get_urls(self) -> list[URLPattern]:
        """Add the question before leads are merged, and the way back."""
        view = self.admin_site.admin_view
        return [
            path("<int:lead_id>/merge/", view(self.find_view), name="leads_lead_find_same"),
            path("<int:lead_id>/merge/<int:other_id>/", view(self.merge_view), name="leads_lead_merge"),
            path("<int:lead_id>/merges/<int:merge_id>/undo/", view(self.undo_view), name="leads_lead_undo_merge"),
            *super().get_urls(),
        ]

    def has_merge_permission(self, request: HttpRequest) -> bool:
        """Whether the user may merge leads."""
        return super().has_change_permission(request)

    def change_view(self, request: HttpRequest, object_id: str, *arguments: Any, **options: Any) -> HttpResponse:
        """Answer the page; that of a lead that was merged leads to the survivor."""
        if is_number_of_row(object_id) and (survivor := survivor_of(int(object_id))) != int(object_id):
            return redirect(self._url("change", survivor))
        return super().change_view(request, object_id, *arguments, **options)

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *arguments: Any, **options: Any
    ) -> HttpResponse:
        """Add what the lead is known by, who is possibly the same, and who was merged into them."""
        lead = context["original"]
        context["alike"] = lead and {
            "identities": lead.identities.all(),
            "possibly_same": [self._resembling(lead, one) for one in possibly_same(lead)],
            "merges": self._told(list(merges_into(lead.pk)[:MOST_MERGES_SHOWN])),
            "find_url": self._url("find_same", lead.pk) if self.has_merge_permission(request) else "",
            "form": OtherLeadForm(),
        }
        return super().render_change_form(request, context, *arguments, **options)

    def find_view(self, request: HttpRequest, lead_id: int) -> HttpResponse:
        """Lead to the question about the lead that was typed as `other`."""
        lead = self._merged_by(request, lead_id)
        form = OtherLeadForm(request.GET)
        if form.is_valid():
            return redirect(self._url("merge", lead.pk, form.cleaned_data["other"].pk))
        messages.error(request, str(form.errors["other"][0]))
        return self._back(lead)

    def merge_view(self, request: HttpRequest, lead_id: int, other_id: int) -> HttpResponse:
        """Ask whether another lead is the same one, and merge it into this one."""
        lead, other = self._merged_by(request, lead_id), self._merged_by(request, other_id)
        if request.method == "POST":
            return self._merge(request, lead, other)
        return self._question(request, lead, other)

    def undo_view(self, request: HttpRequest, lead_id: int, merge_id: int) -> HttpResponse:
        """Undo a merge into the lead."""
        lead = self._merged_by(request, lead_id)
        if request.method == "POST" and Merge.objects.filter(pk=merge_id, survivor_id=lead_id).exists():
            self._undo(request, lead, merge_id)
        return self._back(lead)

    def _merge(self, request: HttpRequest, lead: Lead, other: Lead) -> HttpResponse:
        try:
            merge_leads(lead.pk, other.pk)
        except EXPLAINED as error:
            messages.error(request, explanation(error))
        else:
            self._log(request, lead, "added", other.pk)
            messages.success(request, gettext("Lead %(number)d is part of this one now.") % {"number": other.pk})
        return self._back(lead)

    def _undo(self, request: HttpRequest, lead: Lead, merge_id: int) -> None:
        try:
            restored = undo_merge(merge_id)
        except EXPLAINED as error:
            messages.error(request, explanation(error))
            return
        self._log(request, lead, "deleted", restored.pk)
        messages.success(request, gettext("Lead %(number)d is by itself again.") % {"number": restored.pk})

    def _log(self, request: HttpRequest, lead: Lead, what: str, number: int) -> None:
        # By number alone: who a lead was is not to be kept here.
        self.log_change(request, lead, [{what: {"name": "lead", "object": str(number)}}])

    def _question(self, request: HttpRequest, lead: Lead, other: Lead) -> TemplateResponse:
        context = {
            **self.admin_site.each_context(request),
            "title": _("Merge leads"),
            "opts": self.opts,
            "original": lead,
            "sides": [_side(lead), _side(other)],
            "other": other,
            "back": self._url("change", lead.pk),
        }
        return TemplateResponse(request, "admin/merge.html", context)

    def _merged_by(self, request: HttpRequest, lead_id: int) -> Lead:
        if not self.has_merge_permission(request):
            raise PermissionDenied
        lead = Lead.objects.filter(pk=lead_id).first()
        if lead is None:
            raise Http404
        return lead

    def _resembling(self, lead: Lead, one: Resemblance) -> dict[str, Any]:
        merge_url = self._url("merge", lead.pk, one.lead.pk)
        return {"link": page_link(one.lead, one.lead), "shared": one.shared, "merge_url": merge_url}

    def _told(self, merges: Sequence[Merge]) -> list[dict[str, Any]]:
        undoable = merges[0] if merges and can_undo(merges[0]) else None
        known = Identity.objects.in_bulk({key for merge in merges for key in merge.identities})
        return [
            {
                "number": merge.lead_id,
                "known_by": [known[key] for key in merge.identities if key in known],
                "contacts": len(merge.contacts),
                "time": moment(merge.at),
                "by": merge.actor_name,
                "undo_url": self._url("undo_merge", merge.survivor_id, merge.pk) if merge == undoable else "",
            }
            for merge in merges
        ]

    def _back(self, lead: Lead) -> HttpResponse:
        return HttpResponseRedirect(self._url("change", lead.pk))

    def _url(self, page: str, *of: int) -> str:
        return reverse(f"admin:leads_lead_{page}", args=of)


def _side(lead: Lead) -> dict[str, Any]:
    """Return what the question shows of a lead."""
    contacts = Contact.objects.filter(lead=lead).order_by("-pk")
    return {
        "lead": lead,
        "link": page_link(lead, lead),
        "identities": lead.identities.all(),
        "count": contacts.count(),
        "newest": contacts.select_related("source").first(),
        "created": moment(lead.created_at),
    }
