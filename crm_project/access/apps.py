from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class AccessConfig(AppConfig):
    """API clients, their keys, and the answers kept for retries."""

    name = "crm_project.access"
    verbose_name = _("Access")
