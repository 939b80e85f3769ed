"""A person's data: written down and erased from the page of a lead."""

from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.decorators import action

from crm_project.admin.deletion import ProtectedDeletionAdmin
from crm_project.admin.outcome import EXPLAINED, explanation
from distribution.erasing import erase_lead
from leads.models import Contact, Lead
from leads.personal import as_json, data_of


class PersonalDataAdmin(ProtectedDeletionAdmin):
    """The page of a lead with the buttons that write down and erase what is stored of them."""

    actions_detail = ("export_data", "erase")

    def has_personal_data_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        """Whether the user may write down and erase the data of leads."""
        return super().has_change_permission(request)

    @action(permissions=["personal_data"], description=_("Export data"), url_path="export-data")
    def export_data(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Answer everything that is stored of the lead as a file."""
        lead = self._asked_for(request, object_id)
        self.log_change(request, lead, [{"added": {"name": "export", "object": str(lead.pk)}}])
        name = f'attachment; filename="lead-{lead.pk}.json"'
        return HttpResponse(
            as_json(data_of(lead.pk)), content_type="application/json", headers={"Content-Disposition": name}
        )

    @action(permissions=["personal_data"], description=_("Erase data …"), url_path="erase")
    def erase(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask whether the data of the lead shall be erased, and erase it."""
        lead = self._asked_for(request, object_id)
        if request.method != "POST":
            return self._question_of_erasing(request, lead)
        try:
            erased = erase_lead(lead.pk)
        except EXPLAINED as error:
            messages.error(request, explanation(error))
        else:
            self.log_change(request, erased, [{"deleted": {"name": "data", "object": str(lead.pk)}}])
            messages.success(request, gettext("The data of the lead is erased."))
        return redirect(reverse("admin:leads_lead_change", args=[lead.pk]))

    def _question_of_erasing(self, request: HttpRequest, lead: Lead) -> TemplateResponse:
        contacts = Contact.objects.filter(lead=lead)
        context = {
            **self.admin_site.each_context(request),
            "title": _("Erase data"),
            "opts": self.opts,
            "original": lead,
            "contact_count": contacts.count(),
            "open_count": contacts.open().count(),
            "back": reverse("admin:leads_lead_change", args=[lead.pk]),
        }
        return TemplateResponse(request, "admin/erase.html", context)

    def _asked_for(self, request: HttpRequest, object_id: str) -> Lead:
        if not self.has_personal_data_permission(request):
            raise PermissionDenied
        lead: Lead | None = self.get_object(request, object_id)
        if lead is None:
            raise Http404
        return lead
