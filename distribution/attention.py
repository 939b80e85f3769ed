"""What should be looked at: sources without anybody, operators out of reach, endpoints that do not hear. Reads only."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from django.db.models import Count, Exists, F, OuterRef, QuerySet, Subquery, Window
from django.db.models.functions import Coalesce, Greatest

from crm_project.webhooks.endpoints import in_need
from distribution.availability import can_take, is_available
from distribution.models import Decision, LoadChange, SettingChange
from leads.models import Source
from operators.models import Operator, Weight

MOST_NAMED = 10
IDLE = timedelta(days=3)
GIVING_ROOM = ("is_active", "is_paused", "max_load")


class Concern(StrEnum):
    """What is wrong with a source, an operator or an endpoint; each is on the list of the first that fits."""

    SOURCE_WITHOUT_OPERATORS = "source_without_operators"
    SOURCE_WITH_ZERO_WEIGHTS = "source_with_zero_weights"
    SOURCE_WITHOUT_AVAILABLE = "source_without_available"
    OPERATOR_WITHOUT_WEIGHT = "operator_without_weight"
    OPERATOR_IDLE = "operator_idle"
    ENDPOINT_GONE = "endpoint_gone"
    ENDPOINT_FAILING = "endpoint_failing"


@dataclass(frozen=True)
class Finding:
    """A concern, the first ten rows that it is about, and how many there are in all."""

    concern: Concern
    rows: Sequence[Any]
    count: int


def sources_in_need() -> list[Finding]:
    """Return the active sources whose next contact would wait, by the reason."""
    weights = Weight.objects.filter(source=OuterRef("pk"))
    is_listed, is_drawn = Exists(weights), Exists(weights.filter(weight__gt=0))
    active = Source.objects.filter(is_active=True)
    return _found(
        {
            Concern.SOURCE_WITHOUT_OPERATORS: active.filter(~is_listed),
            Concern.SOURCE_WITH_ZERO_WEIGHTS: active.filter(is_listed, ~is_drawn),
            Concern.SOURCE_WITHOUT_AVAILABLE: active.filter(is_drawn, ~Exists(weights.filter(is_available()))),
        }
    )


def operators_in_need(now: datetime) -> list[Finding]:
    """Return the active operators who get nothing: no source draws them, or none has for days though it had draws."""
    weights = Weight.objects.filter(operator=OuterRef("pk"), weight__gt=0)
    return _found(
        {
            Concern.OPERATOR_WITHOUT_WEIGHT: Operator.objects.filter(~Exists(weights), is_active=True),
            Concern.OPERATOR_IDLE: _idle(now - IDLE).filter(Exists(weights.filter(source__in=_busy(now - IDLE)))),
        }
    )


def endpoints_in_need() -> list[Finding]:
    """Return the endpoints that want to be told nothing any more, and those that have heard nothing for a day."""
    return _found(
        {
            Concern.ENDPOINT_GONE: in_need().filter(is_gone=True),
            Concern.ENDPOINT_FAILING: in_need().filter(is_gone=False),
        }
    )


def _busy(since: datetime) -> QuerySet[Any, Any]:
    """Return the ids of the active sources on which something was decided since then."""
    decisions = Decision.objects.filter(source=OuterRef("pk"), at__gte=since)
    return Source.objects.filter(Exists(decisions), is_active=True).order_by().values("pk")


def _idle(since: datetime) -> QuerySet[Operator]:
    """Return who can take contacts now and got nothing since then, nor was switched on, came back or got more room."""
    # The newest row by number is one look-up in the ledger; asking whether there is any since then reads all of it.
    given = LoadChange.objects.filter(operator=OuterRef("pk"), cause=LoadChange.Cause.GIVEN).order_by("-number")
    switched = SettingChange.objects.filter(operator_id=OuterRef("pk"), setting__in=GIVING_ROOM).order_by("-pk")
    newest = [Coalesce(Subquery(rows.values("at")[:1]), F("created_at")) for rows in (given, switched)]
    return Operator.objects.filter(can_take()).annotate(idle_since=Greatest(*newest)).filter(idle_since__lt=since)


def _found(concerns: dict[Concern, QuerySet[Any]]) -> list[Finding]:
    findings = []
    for concern, rows in concerns.items():
        first = list(rows.annotate(count=Window(Count("pk"))).order_by("name", "pk")[:MOST_NAMED])
        if first:
            findings.append(Finding(concern, first, first[0].count))
    return findings
