"""Why a period cannot be simulated."""

from django.utils.translation import gettext_lazy as _

from crm_project.api.refusals import Refusal


class PeriodNotRecorded(Refusal):
    """What stood at the beginning of the period is not known."""

    code = "period_not_recorded"
    message = _("What stood at the beginning of this period is not recorded. Choose a later beginning.")


class TooManyContacts(Refusal):
    """More contacts than one run may take into memory, or a page may take its time for."""

    code = "too_many_contacts"
    message = _("There are too many contacts in this period. Choose a shorter one.")


class OperatorNotInvolved(Refusal):
    """What is changed of the operator has no bearing on the source."""

    code = "operator_not_involved"
    message = _(
        "This operator shares no source with the one that is simulated. Give them a weight there, or leave them out."
    )
