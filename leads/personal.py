"""Everything that is stored of one lead, for whoever asks what is known of them."""

from typing import Any

from django.db.models import Prefetch, QuerySet
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.renderers import JSONRenderer

from crm_project.api.serializers import ShownModelSerializer
from distribution.errors import LeadNotFound
from distribution.models import Decision
from leads.models import Contact, Identity, Lead
from leads.serializers import ContactSerializer

CONTACTS_AT_A_TIME = 1_000


class IdentitySerializer(ShownModelSerializer):
    """Something by which the lead is known."""

    class Meta:
        model = Identity
        fields = ["kind", "value"]


class AssignmentSerializer(ShownModelSerializer):
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


class LeadDataSerializer(ShownModelSerializer):
    """A lead with all that is stored of them."""

    identities = IdentitySerializer(many=True, read_only=True)
    contacts = serializers.SerializerMethodField()

    class Meta:
        model = Lead
        fields = ["id", "external_id", "created_at", "erased_at", "identities", "contacts"]

    @extend_schema_field(ContactDataSerializer(many=True))
    def get_contacts(self, lead: Lead) -> Any:
        """Return the contacts, read in batches: SQLite takes so many ids in a statement, and no more."""
        return ContactDataSerializer(list(_contacts_of(lead).iterator(CONTACTS_AT_A_TIME)), many=True).data


def data_of(lead_id: int) -> dict[str, Any]:
    """Return everything that is stored of the lead, in values of JSON. Raises LeadNotFound."""
    lead = Lead.objects.filter(pk=lead_id).first()
    if lead is None:
        raise LeadNotFound
    return LeadDataSerializer(lead).data


def _contacts_of(lead: Lead) -> QuerySet[Contact]:
    decisions = Prefetch("decisions", Decision.objects.defer("details").order_by("pk"))
    contacts = Contact.objects.filter(lead=lead).select_related("source", "operator")
    return contacts.prefetch_related("events", decisions).order_by("pk")


def as_json(data: Any) -> str:
    """Return the data as JSON for people to read."""
    return JSONRenderer().render(data, "application/json; indent=2").decode()
