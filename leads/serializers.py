"""Sources, leads and contacts as the API shows and takes them."""

from typing import Any

from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail, ValidationError

from crm_project.access.serializers import Reason
from crm_project.api.filters import HIGHEST_ID
from crm_project.api.serializers import (
    JSONObjectField,
    ShownModelSerializer,
    StoredObjectField,
    StrictModelSerializer,
    StrictSerializer,
    Text,
    TextOrNumber,
    UsedAgain,
    WholeNumber,
)
from distribution.strategy import choices
from leads.models import Contact, Lead, Source
from operators.models import HIGHEST_WEIGHT

DATA_BYTES = 16 * 1024
LONGEST_TEXT = 65_536
MOST_WEIGHTS_AT_ONCE = 2_000
MOST_CONTACTS_AT_ONCE = 1_000
DUPLICATE_OPERATOR = "duplicate_operator"


class SourceSerializer(StrictModelSerializer):
    """A source."""

    strategy = serializers.ChoiceField(choices=choices(), required=False, help_text=_("How an operator is chosen."))
    reason = Reason()

    class Meta:
        model = Source
        fields = [
            "id",
            "name",
            "code",
            "is_active",
            "reuse_open_contact",
            "strategy",
            "prefer_same_operator",
            "identified_by",
            "link_template",
            "reason",
        ]
        read_only_fields = ["id"]


class LeadSerializer(ShownModelSerializer):
    """A lead, by the external id that is known to the caller: that of the lead, or the one given as `known_as`."""

    class Meta:
        model = Lead
        fields = ["id", "external_id", "created_at"]

    def to_representation(self, instance: Lead) -> dict[str, Any]:
        """Return the lead as the caller knows it."""
        shown: dict[str, Any] = super().to_representation(instance)
        return {**shown, "external_id": getattr(instance, "known_as", instance.external_id)}


# Of a text that is stored as it is sent, and may be left out, empty or null.
OPTIONAL: dict[str, Any] = {"required": False, "allow_blank": True, "allow_null": True, "trim_whitespace": False}


class IntakeSerializer(UsedAgain, StrictSerializer):
    """What a bot sends when a lead writes; what is null counts as left out."""

    external_id = TextOrNumber(max_length=255, help_text=_("A phone, an e-mail, or the id in the bot."))
    source_code = Text(max_length=100, help_text=_("The word by which a bot names this source."))
    name = Text(max_length=200, **OPTIONAL)
    phone = TextOrNumber(max_length=100, **OPTIONAL)
    email = Text(max_length=254, **OPTIONAL)
    text = Text(max_length=LONGEST_TEXT, **OPTIONAL)
    data = JSONObjectField(highest_bytes=DATA_BYTES, required=False, allow_null=True)  # type: ignore[assignment]
    event_id = TextOrNumber(
        max_length=255,
        required=False,
        allow_null=True,
        help_text=_("The source's own id of what it sends, a Telegram update's say: sent again, it makes no second."),
    )

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        """Return the validated values of what was sent. Raises ValidationError."""
        values: dict[str, Any] = super().to_internal_value(data)
        return {name: value for name, value in values.items() if value is not None}


class ContactSerializer(UsedAgain, ShownModelSerializer):
    """A contact, with the names that a bot needs beside the ids."""

    source_code = serializers.CharField(source="source.code", read_only=True)
    operator_name = serializers.CharField(source="operator.name", read_only=True, default=None, allow_null=True)
    operator_external_id = serializers.CharField(
        source="operator.external_id", read_only=True, default=None, allow_null=True
    )
    data = StoredObjectField(read_only=True)  # type: ignore[assignment]

    class Meta:
        model = Contact
        fields = [
            "id",
            "external_id",
            "lead_id",
            "source_id",
            "source_code",
            "operator_id",
            "operator_name",
            "operator_external_id",
            "status",
            "created_at",
            "assigned_at",
            "closed_at",
            "name",
            "phone",
            "email",
            "text",
            "data",
        ]


class ContactInQueueSerializer(ContactSerializer):
    """A contact with its place in the queue."""

    queue_position = serializers.IntegerField(
        read_only=True,
        allow_null=True,
        min_value=1,
        help_text=_("The place among those that wait on the source, 1 the next; null when it does not wait."),
    )

    class Meta(ContactSerializer.Meta):
        fields = [*ContactSerializer.Meta.fields, "queue_position"]


class RegisteredContactSerializer(ContactSerializer):
    """A contact as the call that registered it answers."""

    created = serializers.BooleanField(read_only=True, help_text=_("False when an existing contact was given back."))

    class Meta(ContactSerializer.Meta):
        fields = [*ContactSerializer.Meta.fields, "created"]


@extend_schema_field(
    {
        "type": "array",
        "minItems": 1,
        "maxItems": MOST_CONTACTS_AT_ONCE,
        # Whatever else an item is, it is answered by its errors and refuses no other.
        "items": {"anyOf": [{"$ref": "#/components/schemas/IntakeRequest"}, {}]},
    }
)
class Rows(serializers.ListField):
    """Rows that are read one by one, so that what is wrong with one refuses no other."""


class BulkIntakeSerializer(StrictSerializer):
    """Many contacts, in the order in which they came."""

    contacts = Rows(min_length=1, max_length=MOST_CONTACTS_AT_ONCE)


class RowErrorSerializer(serializers.Serializer[Any]):
    """What is wrong with a row."""

    code = serializers.CharField()
    detail = serializers.CharField()
    attr = serializers.CharField(allow_null=True)


class BulkResultSerializer(serializers.Serializer[Any]):
    """What became of one row: the contact, or errors."""

    may_be_left_out = frozenset({"contact", "errors"})

    index = serializers.IntegerField(min_value=0, help_text=_("The place among those sent, from 0."))
    status = serializers.IntegerField(
        min_value=200,
        max_value=499,
        help_text=_("What it would be answered with alone: 201, 200, 400, …"),
    )
    contact = RegisteredContactSerializer(required=False)
    errors = RowErrorSerializer(many=True, required=False)  # type: ignore[assignment]


class BulkResultsSerializer(serializers.Serializer[Any]):
    """What became of each row, in the order of the call."""

    results = BulkResultSerializer(many=True)


class ReassignSerializer(StrictSerializer):
    """Whom a contact goes to; without a name it is drawn."""

    operator_id = WholeNumber(
        required=False, min_value=1, max_value=HIGHEST_ID, help_text=_("Left out, another is drawn.")
    )
    reason = Reason()


class WeightSerializer(StrictSerializer):
    """The weight of one operator."""

    operator_id = WholeNumber(min_value=1, max_value=HIGHEST_ID)
    weight = WholeNumber(
        min_value=0, max_value=HIGHEST_WEIGHT, help_text=_("The part of the source this operator takes; 0 takes none.")
    )


class WeightsSerializer(StrictSerializer):
    """The weights of a source."""

    operator_weights = WeightSerializer(many=True, max_length=MOST_WEIGHTS_AT_ONCE)  # type: ignore[call-arg]
    reason = Reason()

    def validate_operator_weights(self, rows: list[dict[str, int]]) -> dict[int, int]:
        """Return the weights by operator id. Raises ValidationError when an operator is named twice."""
        weights: dict[int, int] = {}
        for row in rows:
            if row["operator_id"] in weights:
                message = _("Operator %(id)d is named twice.") % {"id": row["operator_id"]}
                raise ValidationError(ErrorDetail(message, DUPLICATE_OPERATOR))
            weights[row["operator_id"]] = row["weight"]
        return weights


class ShareSerializer(serializers.Serializer[Any]):
    """An operator's weight on a source and what it comes to now."""

    operator_id = serializers.IntegerField(source="operator.id")
    operator_name = serializers.CharField(source="operator.name")
    operator_external_id = serializers.CharField(source="operator.external_id", allow_null=True)
    weight = serializers.IntegerField()
    share = serializers.FloatField(help_text=_("The probability of the next draw, 0 to 1; 0 when not available."))


class SharesSerializer(serializers.Serializer[Any]):
    """The weights of a source, all of them."""

    operator_weights = ShareSerializer(many=True)
