from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class LeadsConfig(AppConfig):
    """Leads, the sources they write from, and their contacts."""

    name = "leads"
    verbose_name = _("Leads")
