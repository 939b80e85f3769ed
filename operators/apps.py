from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class OperatorsConfig(AppConfig):
    """Operators and their weights on the sources."""

    name = "operators"
    verbose_name = _("Operators")
