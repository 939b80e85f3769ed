"""What pages call each kind of bulk action, and what they say it will do."""

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

TITLES: dict[str, Promise] = {
    "close": _("Close contacts"),
    "close_waiting": _("Close the contacts that wait"),
    "reopen": _("Reopen contacts"),
    "reassign_by_draw": _("Reassign by draw"),
    "reassign_to": _("Reassign to …"),
    "leave_by_draw": _("Give the contacts to others by draw"),
    "leave_to_queue": _("Put the contacts back in the queue"),
    "activate_operators": _("Activate operators"),
    "deactivate_operators": _("Deactivate operators"),
    "activate_sources": _("Activate sources"),
    "deactivate_sources": _("Deactivate sources"),
}
WHAT_HAPPENS: dict[str, Promise] = {
    "close": _("Each is closed; what becomes free is given to those who wait. Closed ones stay as they are."),
    "reopen": _("Each goes back to its operator if they have room, else into the queue with its first age."),
    "reassign_by_draw": _(
        "Each goes to another operator of its source by draw, within the limits. What finds no place stays where it is."
    ),
    "reassign_to": _("Each goes to the operator you choose, up to their limit. What finds no place stays where it is."),
    "activate_operators": _("They take contacts again, beginning with those that wait."),
    "deactivate_operators": _("They get nothing new."),
    "activate_sources": _("They take new contacts again, and those that wait are given away."),
    "deactivate_sources": _(
        "They refuse new contacts. Active contacts stay with their operators; the queue rests and keeps its age."
    ),
}
