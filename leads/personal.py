"""Everything that is stored of one lead, for whoever asks what is known of them."""

from typing import Any

from django.db.models import Prefetch
from rest_framework import serializers
from rest_framework.renderers import JSONRenderer

from distribution.errors import LeadNotFound
from distribution.models import Decision
from leads.models import Contact, Identity, Lead
from leads.serializers import ContactSerializer


class IdentitySerializer(serializers.ModelSerializer[Identity]):
    """Something by which the lead is known."""

    class Meta:
        model = Identity
        fields = ["kind", "value"]


class AssignmentSerializer(serializers.ModelSerializer[Decision]):
    """An attempt to give a contact to an operator; nobody when there is no id."""

    class Meta:
        model = Decision
        fields = ["at", "trigger", "kind", "operator_id", "reason"]


class ContactDataSerializer(ContactSerializer):
    """A contact with the ids of the events it came by, and what became of it."""

    event_ids = serializers.SlugRelatedField("event_id", source="events", many=True, read_only=True)  # type: ignore[var-annotated]
    decisions = AssignmentSerializer(many=True, read_only=True)

    class Meta(ContactSerializer.Meta):
        fields = [*ContactSerializer.Meta.fields, "event_ids", "decisions"]


class LeadDataSerializer(serializers.ModelSerializer[Lead]):
    """A lead with all that is stored of them."""

    identities = IdentitySerializer(many=True, read_only=True)
    contacts = ContactDataSerializer(many=True, read_only=True)

    class Meta:
        model = Lead
        fields = ["id", "external_id", "created_at", "erased_at", "identities", "contacts"]


def data_of(lead_id: int) -> dict[str, Any]:
    """Return everything that is stored of the lead, in values of JSON. Raises LeadNotFound."""
    contacts = (
        Contact.objects.select_related("source", "operator")
        .prefetch_related("events", Prefetch("decisions", Decision.objects.defer("details").order_by("pk")))
        .order_by("pk")
    )
    lead = Lead.objects.filter(pk=lead_id).prefetch_related("identities", Prefetch("contacts", contacts)).first()
    if lead is None:
        raise LeadNotFound
    return LeadDataSerializer(lead).data


def as_json(data: Any) -> str:
    """Return the data as JSON for people to read."""
    return JSONRenderer().render(data, "application/json; indent=2").decode()
