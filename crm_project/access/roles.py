"""The roles of whoever works in the back office. Each is a group; what it may do stands in its permissions alone."""

from django.db.models import TextChoices
from django.utils.translation import pgettext_lazy


class Role(TextChoices):
    """The groups that every installation begins with: their names, and what they are called on pages."""

    SUPERVISOR = "supervisor", pgettext_lazy("role", "supervisor")
    AUDITOR = "auditor", pgettext_lazy("role", "auditor")
    OPERATOR = "operator", pgettext_lazy("role", "operator")


def name_shown(group_name: str) -> str:
    """Return what a group is called on pages; one that is no role by its own name."""
    return str(Role(group_name).label) if group_name in Role else group_name
