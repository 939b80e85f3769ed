from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class DistributionConfig(AppConfig):
    """The rules: who gets a contact, and every write of operator, status and load."""

    name = "distribution"
    verbose_name = _("Distribution")
