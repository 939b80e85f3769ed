"""What was decided, what would be, and whether it was fair, as the API shows it."""

from typing import Any

from django.utils.translation import gettext_lazy as _
from rest_framework import serializers

from crm_project.api.serializers import Moment
from crm_project.webhooks.models import EventKind
from distribution.fairness_words import VERDICTS
from distribution.models import Kind, Trigger
from distribution.phrases import NOBODY, OUTCOMES, WHY_NOT
from distribution.standing import Obstacle
from distribution.strategy import choices
from leads.models import ContactStatus

VERDICTS_TOLD = [(verdict.value, told) for verdict, told in VERDICTS.items()]
KINDS_OF_CONTACTS = [choice for choice in EventKind.choices if choice[0].startswith("contact.")]
OBSTACLES = [(obstacle.value, told) for obstacle, told in WHY_NOT.items()]
OBSTACLES_OF_NEXT = [
    (obstacle.value, WHY_NOT[obstacle])
    for obstacle in (Obstacle.INACTIVE, Obstacle.PAUSED, Obstacle.ZERO_WEIGHT, Obstacle.AT_LIMIT)
]


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
        OBSTACLES_OF_NEXT,
        allow_null=True,
        help_text=_("Why they are not available; null when they are."),
    )


class PreviewSerializer(serializers.Serializer[Any]):
    """What the next contact of a source will meet."""

    strategy = serializers.ChoiceField(choices(), source="source.strategy")
    nobody = serializers.ChoiceField(
        [(why.value, told) for why, told in NOBODY.items()],
        allow_null=True,
        help_text=_(
            "Why it will go to nobody at once: the source is off and refuses it; or nobody is available, and it waits; "
            "or whoever is available is left to contacts that wait for longer, and it joins the queue."
        ),
    )
    operators = ProspectSerializer(many=True)


class ChangeSerializer(serializers.Serializer[Any]):
    """What became of a contact at one moment."""

    contact_id = serializers.IntegerField()
    sequence = serializers.IntegerField(help_text=_("Numbers the events of the contact from 1."))
    status = serializers.ChoiceField(ContactStatus.choices, help_text=_("What the event made of it."))
    external_id = serializers.CharField()
    lead_id = serializers.IntegerField()
    source_id = serializers.IntegerField()
    source_code = serializers.CharField()
    operator_id = serializers.IntegerField(allow_null=True)
    operator_name = serializers.CharField(allow_null=True)
    operator_external_id = serializers.CharField(allow_null=True)
    previous_operator_id = serializers.IntegerField(allow_null=True)


class EventSerializer(serializers.Serializer[Any]):
    """An event, in the shape in which webhooks send it."""

    type = serializers.ChoiceField(KINDS_OF_CONTACTS)
    timestamp = Moment()
    data = ChangeSerializer()  # type: ignore[assignment]


class ChangesSerializer(serializers.Serializer[Any]):
    """The next events."""

    changes = EventSerializer(many=True)
    cursor = serializers.CharField(help_text=_("Send it with the next call."))
    more = serializers.BooleanField(help_text=_("Whether there are more already: call again at once."))


class MissedSerializer(serializers.Serializer[Any]):
    """A part of the draws in which an operator was no candidate, and why."""

    reason = serializers.ChoiceField(OBSTACLES)
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
    verdict = serializers.ChoiceField(VERDICTS_TOLD, source="finding.verdict")
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

    start = Moment(source="period.start")
    end = Moment(source="period.end")
    verdict = serializers.ChoiceField(VERDICTS_TOLD, source="judgement.verdict")
    skewed_operator_ids = serializers.ListField(child=serializers.IntegerField(), source="judgement.skewed")
    draws = serializers.IntegerField(help_text=_("The rounds in which a ticket was drawn."))
    refused = serializers.IntegerField(help_text=_("Those in which whoever was drawn did not take the contact."))
    without_candidates = serializers.IntegerField(help_text=_("The rounds in which nobody was available."))
    unreadable = serializers.IntegerField(help_text=_("Decisions that were altered and cannot be read."))
    operators = OperatorFindingSerializer(many=True)


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
    at = Moment(source="decision.at")
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
