from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class WebhooksConfig(AppConfig):
    """Who is told of what, and what came of telling them."""

    name = "crm_project.webhooks"
    verbose_name = _("Webhooks")
