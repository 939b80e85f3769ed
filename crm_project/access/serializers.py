"""Fields of a body that say something about the call itself."""

from typing import Any

from django.utils.translation import gettext_lazy as _

from crm_project.access.acting import LONGEST_REASON
from crm_project.api.serializers import Text

REASON = "reason"


class Reason(Text):
    """Why the caller does it; kept with the decision or the change of the setting."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(
            max_length=LONGEST_REASON,
            required=False,
            allow_blank=True,
            write_only=True,
            help_text=_("Why; kept with the decision or the change."),
            **kwargs,
        )
