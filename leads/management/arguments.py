"""What the arguments of commands about leads mean."""

from django.core.management.base import CommandError
from django.utils.translation import gettext as _

from distribution.identities import leads_meant
from leads.models import Lead


def lead_named(text: str) -> Lead:
    """Return the lead who is known by this, or who has this number. Raises CommandError."""
    leads = leads_meant(text)
    if not leads:
        raise CommandError(_("There is no lead who is known by “%(text)s”, or has this number.") % {"text": text})
    if len(leads) > 1:
        numbers = ", ".join(f"№{lead.pk}" for lead in leads)
        sentence = _("Several leads are known by “%(text)s”. Give the number instead: %(numbers)s.")
        raise CommandError(sentence % {"text": text, "numbers": numbers})
    return leads[0]
