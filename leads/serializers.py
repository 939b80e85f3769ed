"""Sources, leads and contacts as the API shows and takes them."""

from typing import Any

from django.utils.translation import gettext_lazy as _
from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail, ValidationError

from crm_project.access.serializers import Reason
from crm_project.api.filters import HIGHEST_ID
from crm_project.api.serializers import (
    JSONObjectField,
    StoredObjectField,
    StrictModelSerializer,
    StrictSerializer,
    Text,
    TextOrNumber,
    WholeNumber,
)
from distribution.fairness import Verdict
from distribution.models import Kind, Trigger
from distribution.phrases import OUTCOMES, WHY_NOT
from distribution.shares import Nobody
from distribution.standing import Obstacle
from distribution.strategy import STRATEGIES, choices
from leads.models import Contact, ContactStatus, Lead, Source
from operators.models import HIGHEST_WEIGHT

DATA_BYTES = 16 * 1024
LONGEST_TEXT = 65_536
MOST_WEIGHTS_AT_ONCE = 2_000
DUPLICATE_OPERATOR = "duplicate_operator"


class SourceSerializer(StrictModelSerializer):
    """A source."""

    strategy = serializers.ChoiceField(choices=choices(), required=False, help_text=_("How an operator is chosen."))
    reason = Reason()

    class Meta:
        model = Source
        fields = ["id", "name", "code", "is_active", "reuse_open_contact", "strategy", "prefer_same_operator", "reason"]
        read_only_fields = ["id"]


class LeadSerializer(serializers.ModelSerializer[Lead]):
    """A lead."""

    class Meta:
        model = Lead
        fields = ["id", "external_id", "created_at"]


# Of a text that is stored as it is sent, and may be left out, empty or null.
OPTIONAL: dict[str, Any] = {"required": False, "allow_blank": True, "allow_null": True, "trim_whitespace": False}


class IntakeSerializer(StrictSerializer):
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


class ContactSerializer(serializers.ModelSerializer[Contact]):
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


class ProspectSerializer(serializers.Serializer[Any]):
    """How an operator of a source stands, and their part of the next draw."""

    operator_id = serializers.IntegerField(source="operator.id")
    operator_name = serializers.CharField(source="operator.name")
    operator_external_id = serializers.CharField(source="operator.external_id", allow_null=True)
    weight = serializers.IntegerField()
    load = serializers.IntegerField(source="operator.load")
    max_load = serializers.IntegerField(source="operator.max_load")
    probability = serializers.FloatField(source="share", help_text=_("That the next draw takes them, 0 to 1."))
    reason = serializers.ChoiceField(
        [str(why) for why in (Obstacle.INACTIVE, Obstacle.ZERO_WEIGHT, Obstacle.AT_LIMIT)],
        allow_null=True,
        help_text=_("Why they are not available; null when they are."),
    )


class PreviewSerializer(serializers.Serializer[Any]):
    """What the next contact of a source will meet."""

    strategy = serializers.ChoiceField(list(STRATEGIES), source="source.strategy")
    nobody = serializers.ChoiceField(
        [str(why) for why in Nobody],
        allow_null=True,
        help_text=_(
            "Why it will go to nobody at once: the source is off and refuses it; or nobody is available, and it waits; "
            "or whoever is available is left to contacts that wait for longer, and it joins the queue."
        ),
    )
    operators = ProspectSerializer(many=True)


class MissedSerializer(serializers.Serializer[Any]):
    """A part of the draws in which an operator was no candidate, and why."""

    reason = serializers.ChoiceField([str(why) for why in Obstacle])
    share = serializers.FloatField(help_text=_("The part of all draws, 0 to 1."))


class OperatorFindingSerializer(serializers.Serializer[Any]):
    """What the draws of a period were for one operator."""

    operator_id = serializers.IntegerField()
    operator_name = serializers.CharField(source="operator.name", default=None, allow_null=True)
    operator_external_id = serializers.CharField(source="operator.external_id", default=None, allow_null=True)
    expected = serializers.FloatField(source="tally.expected", help_text=_("The sum of their probabilities."))
    drawn = serializers.IntegerField(
        source="tally.drawn", help_text=_("How many times a ticket named them, refused or not.")
    )
    difference = serializers.FloatField(source="tally.difference")
    band = serializers.FloatField(
        source="finding.band", help_text=_("Chance alone keeps everybody's difference within ± this, 99 of 100 times.")
    )
    z = serializers.FloatField(
        source="tally.z", allow_null=True, help_text=_("The difference in standard deviations; null without chance.")
    )
    p_value = serializers.FloatField(
        source="finding.p_value", help_text=_("The probability of a difference as large as this by chance, 0 to 1.")
    )
    verdict = serializers.ChoiceField([str(verdict) for verdict in Verdict], source="finding.verdict")
    alone = serializers.IntegerField(source="tally.alone", help_text=_("How many draws had no other candidate."))
    missed = MissedSerializer(many=True, help_text=_("In which part of the draws they were not available, and why."))
    by_hand = serializers.IntegerField(
        source="tally.by_hand", help_text=_("How many contacts were given to them by hand, without a draw.")
    )
    returned = serializers.IntegerField(
        source="tally.returned", help_text=_("How many contacts came back to them with their lead, without a draw.")
    )


class FairnessSerializer(serializers.Serializer[Any]):
    """Whether the draws of a source in a period were chance."""

    start = serializers.DateTimeField(source="period.start")
    end = serializers.DateTimeField(source="period.end")
    verdict = serializers.ChoiceField([str(verdict) for verdict in Verdict], source="judgement.verdict")
    skewed_operator_ids = serializers.ListField(child=serializers.IntegerField(), source="judgement.skewed")
    draws = serializers.IntegerField(help_text=_("The rounds in which a ticket was drawn."))
    refused = serializers.IntegerField(help_text=_("Those in which whoever was drawn did not take the contact."))
    without_candidates = serializers.IntegerField(help_text=_("The rounds in which nobody was available."))
    unreadable = serializers.IntegerField(help_text=_("Decisions that were altered and cannot be read."))
    operators = OperatorFindingSerializer(many=True)


class SharesSerializer(serializers.Serializer[Any]):
    """The weights of a source, all of them."""

    operator_weights = ShareSerializer(many=True)


OBSTACLES = [(obstacle.value, told) for obstacle, told in WHY_NOT.items()]


class ChanceSerializer(serializers.Serializer[Any]):
    """An operator in a round: how they stood, and their probability or the reason for none."""

    operator_id = serializers.IntegerField(source="standing.operator_id")
    operator_name = serializers.CharField(source="name", allow_null=True)
    weight = serializers.IntegerField(source="standing.weight")
    load = serializers.IntegerField(source="standing.load", help_text=_("Before the choice."))
    max_load = serializers.IntegerField(source="standing.max_load")
    probability = serializers.FloatField(
        allow_null=True, min_value=0, max_value=1, help_text=_("In the draw; null for whoever could not be drawn.")
    )
    obstacle = serializers.ChoiceField(
        OBSTACLES, allow_null=True, help_text=_("Why they could not be drawn; null when they could.")
    )


class RoundSerializer(serializers.Serializer[Any]):
    """One draw and what came of it."""

    ticket = serializers.IntegerField(
        source="round.ticket", allow_null=True, help_text=_("The one drawn, from 0; null when nothing was drawn.")
    )
    tickets = serializers.IntegerField(
        allow_null=True, help_text=_("How many there were; the operators hold them in the order of their ids.")
    )
    drawn = serializers.IntegerField(source="round.drawn", allow_null=True, help_text=_("The id of the operator."))
    outcome = serializers.ChoiceField(
        [(outcome.value, told) for outcome, told in OUTCOMES.items()], source="round.outcome"
    )
    operator_count = serializers.IntegerField(help_text=_("How many the source had on its list."))
    operators = ChanceSerializer(
        many=True, help_text=_("At most 50 of them, by id: the one drawn and those who could be drawn come first.")
    )


class PreferredSerializer(serializers.Serializer[Any]):
    """The operator whom a returning lead had before."""

    operator_id = serializers.IntegerField()
    operator_name = serializers.CharField(source="name", allow_null=True)
    obstacle = serializers.ChoiceField(
        OBSTACLES, allow_null=True, help_text=_("Why it could not be them; null when it could.")
    )


class DecisionSerializer(serializers.Serializer[Any]):
    """One attempt to give a contact to an operator."""

    id = serializers.IntegerField(source="decision.pk")
    at = serializers.DateTimeField(source="decision.at")
    trigger = serializers.ChoiceField(Trigger.choices, source="decision.trigger", help_text=_("What set it off."))
    kind = serializers.ChoiceField(Kind.choices, source="decision.kind")
    strategy = serializers.CharField(
        source="decision.strategy", help_text=_("That of the source; empty for a choice by hand.")
    )
    operator_id = serializers.IntegerField(
        source="decision.operator_id", allow_null=True, help_text=_("Who got the contact; null when nobody did.")
    )
    operator_name = serializers.CharField(
        allow_null=True, help_text=_("Null for one who was deleted, or is on no source that the caller sees.")
    )
    actor = serializers.CharField(help_text=_("Who asked for it."))
    reason = serializers.CharField(source="decision.reason", help_text=_("Why, in their words."))
    passed_queue = serializers.BooleanField(
        source="account.passed_queue",
        allow_null=True,
        help_text=_("Whether a choice by hand passed somebody who waits longer."),
    )
    sentence = serializers.CharField(help_text=_("All this in words, in the language of `Accept-Language`."))
    preferred = PreferredSerializer(
        allow_null=True, help_text=_("The operator whom a returning lead had before, where the source prefers them.")
    )
    by_hand = ChanceSerializer(allow_null=True, help_text=_("Who was named by hand."))
    rounds = RoundSerializer(many=True, help_text=_("The last one decided; before it those refused."))


class DecisionsSerializer(serializers.Serializer[Any]):
    """How a contact came to its operator, or why it waits."""

    contact_id = serializers.IntegerField()
    status = serializers.ChoiceField(ContactStatus.choices)
    queue_position = serializers.IntegerField(
        allow_null=True,
        min_value=1,
        help_text=_("The place among those that wait on the source, 1 the next; null when it does not wait."),
    )
    waiting_because = serializers.CharField(
        allow_null=True, help_text=_("Why it waits, as things stand now; null when it does not wait.")
    )
    decisions = DecisionSerializer(many=True, help_text=_("The newest 100, the newest last."))
