"""Why a contact waits, and its place in the queue, as things stand now."""

from dataclasses import dataclass

from django.utils.translation import gettext as _

from distribution.availability import roster_of
from distribution.phrases import nobody_available
from distribution.selectors import names_of, queue_position
from distribution.standing import available
from leads.models import Contact


@dataclass(frozen=True)
class Wait:
    """The place in the queue, 1 the next, and why it waits, in a sentence; both None when it does not wait."""

    position: int | None = None
    because: str | None = None


def wait_of(contact: Contact) -> Wait:
    """Return how the contact, read with its source, waits."""
    position = queue_position(contact)
    return Wait() if position is None else Wait(position, why_waiting(contact))


def why_waiting(contact: Contact) -> str:
    """Return why a contact that waits has nobody yet, in a sentence."""
    if not contact.source.is_active:
        return _("The source is switched off, and its queue rests.")
    roster = roster_of(contact.source_id)
    if available(roster):
        return _("Somebody is available: the queue is given within seconds, the oldest contact first.")
    names = names_of([standing.operator_id for standing in roster])
    return nobody_available(roster, {standing.operator_id: standing.obstacle for standing in roster}, names)
