"""Reading and showing contacts with serializers that are built once: building one costs more than using it."""

from functools import cache
from typing import Any

from distribution.intake import Registration
from leads.models import Contact
from leads.serializers import ContactSerializer, IntakeSerializer

_CONTACT = ContactSerializer()


@cache
def intake_serializer(language: str | None) -> IntakeSerializer:
    """Return the serializer that reads what bots send; it keeps its messages in the language it first said them."""
    return IntakeSerializer()


def shown(contact: Contact) -> dict[str, Any]:
    """Return the contact as the API shows it."""
    return _CONTACT.to_representation(contact)


def shown_as_registered(registration: Registration) -> dict[str, Any]:
    """Return the contact as the call that registered it answers."""
    return {**shown(registration.contact), "created": registration.created}
