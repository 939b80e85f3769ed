"""Why a service refuses, each with a stable code and a sentence that says what to do next."""

from http import HTTPStatus

from django.utils.translation import gettext_lazy as _

from crm_project.api.refusals import Refusal
from distribution.standing import Obstacle


class SourceNotFound(Refusal):
    """No source has this code or id."""

    code = "source_not_found"
    message = _("There is no such source. Check the code, or create the source first.")
    status = HTTPStatus.BAD_REQUEST
    field = "source_code"


class OperatorNotFound(Refusal):
    """No operator has this id."""

    code = "operator_not_found"
    message = _("There is no operator with this id. Take one from the list of operators.")
    status = HTTPStatus.BAD_REQUEST
    field = "operator_id"


class ContactNotFound(Refusal):
    """No contact has this id."""

    code = "not_found"
    message = _("There is no contact with this id.")
    status = HTTPStatus.NOT_FOUND


class LeadNotFound(Refusal):
    """No lead has this id."""

    code = "not_found"
    message = _("There is no lead with this id.")
    status = HTTPStatus.NOT_FOUND


class SameLead(Refusal):
    """A lead cannot be merged into itself."""

    code = "same_lead"
    message = _("This is one and the same lead. Choose another.")


class LeadErased(Refusal):
    """Nobody can tell any more whether an erased lead is the same person."""

    code = "lead_erased"
    message = _("The data of one of these leads is erased. What is erased stays by itself.")


class CannotUndoMerge(Refusal):
    """Something has happened since: what came by which of the two is not known any more."""

    code = "cannot_undo_merge"
    message = _("This merge cannot be undone any more: something has happened to the lead since.")


class PhoneUnreadable(Refusal):
    """The source knows leads by their phone, and what was sent is none."""

    code = "phone_unreadable"
    message = _("This is no valid phone number. Send it with its country, +79123456789 say, or as it is dialled.")
    status = HTTPStatus.BAD_REQUEST
    field = "external_id"


class EmailUnreadable(Refusal):
    """The source knows leads by their e-mail, and what was sent is none."""

    code = "email_unreadable"
    message = _("This is no e-mail address. Send one such as ivan@example.com.")
    status = HTTPStatus.BAD_REQUEST
    field = "external_id"


class SourceInactive(Refusal):
    """The source takes no new contacts."""

    code = "source_inactive"
    message = _("This source is switched off and takes no new contacts. Activate it, then repeat the call.")


class OperatorUnavailable(Refusal):
    """The operator named cannot take a contact: inactive, paused or at the limit."""

    code = "operator_unavailable"
    message = _("This operator is inactive or at the limit. Choose another, or raise the limit.")


class OperatorPaused(OperatorUnavailable):
    """The operator named is paused."""

    message = _("This operator is paused. Choose another, or wait until the pause is over.")


class NobodyAvailable(Refusal):
    """A draw found no other operator."""

    code = "nobody_available"
    message = _("No other operator of this source is available. Name one, or try again when somebody has room.")


class ContactClosed(Refusal):
    """The contact is closed, so it cannot be given to anybody."""

    code = "contact_closed"
    message = _("This contact is closed. Reopen it first.")


class NoLongerTheirs(Refusal):
    """The operator whose contact was to be moved does not have it any more."""

    code = "no_longer_theirs"
    message = _("This contact has been moved or returned to the queue meanwhile. Look at it again.")


class OperatorStillActive(Refusal):
    """The operator would be given the contact right back."""

    code = "operator_still_active"
    message = _("The operator is active and could be given the same contacts again. Deactivate the operator first.")


class WeightsChanged(Refusal):
    """The weights are not those that the caller saw."""

    code = "weights_changed"
    message = _("Somebody else has changed the weights of this source meanwhile. Look at them again.")
    status = HTTPStatus.PRECONDITION_FAILED


class SettingChanged(Refusal):
    """A setting is not as the caller saw it."""

    code = "setting_changed"
    message = _("This setting has been changed again since. Look at the newest change.")


class CannotGoBack(Refusal):
    """There is nothing before the change that the setting could be set to."""

    code = "cannot_go_back"
    message = _("There is nothing to go back to before this change.")


class ValueTaken(Refusal):
    """The value must be unique, and somebody else has it by now."""

    code = "value_taken"
    message = _("Another row has this value by now. Change that one first.")


class HasContacts(Refusal):
    """What has contacts is kept, so that nothing accepted is lost."""

    code = "has_contacts"
    message = _("This has or had contacts and cannot be deleted. Operators and sources can be deactivated instead.")


class TooManyRows(Refusal):
    """More rows than one bulk run takes."""

    code = "too_many_rows"
    message = _("These are more than 100,000 rows. Narrow the list with a filter.")


class EmptyPeriod(Refusal):
    """A report is asked for of a period that ends before it begins."""

    code = "empty_period"
    message = _("Nothing lies in this period. Let it begin before it ends.")
    status = HTTPStatus.BAD_REQUEST
    field = "from"


class CursorUnknown(Refusal):
    """A cursor was sent that no answer has ever named."""

    code = "cursor_unknown"
    message = _("This is no cursor. Send the one of your last answer, latest, or none to begin with the oldest event.")
    status = HTTPStatus.BAD_REQUEST
    field = "cursor"


class CursorExpired(Refusal):
    """Events after the cursor have been removed for their age."""

    code = "cursor_expired"
    message = _("Events after this cursor are no longer kept. Read the contacts anew, then go on from latest.")
    status = HTTPStatus.GONE
    field = "cursor"


def unavailable(obstacle: Obstacle) -> OperatorUnavailable:
    """Return the refusal that tells why the operator named cannot take a contact."""
    return OperatorPaused() if obstacle is Obstacle.PAUSED else OperatorUnavailable()
