"""Reading decisions in a stream and looking at one after another."""

from collections.abc import Iterator
from functools import lru_cache
from typing import Any, NamedTuple

from django.db.models import BooleanField, Exists, ExpressionWrapper, OuterRef, Q, QuerySet

from distribution.counting import Count
from distribution.models import Checkpoint, Decision, DrawCount, Kind, LoadChange, RosterVersion, Trigger
from distribution.proof.counting import Counting
from distribution.proof.findings import Finding, WrongCount, WrongDecision
from distribution.proof.replay import Flaw, flaws
from distribution.proof.texts import as_text, parsed
from distribution.records import DEFECTS, read
from distribution.strategy import STRATEGIES

ROWS_AT_A_TIME = 1_000
ROSTERS_KEPT = 64
COUNTED = {Trigger.ARRIVAL, Trigger.DRAIN}


class Recorded(NamedTuple):
    """A decision as it was read, its details as text: JSON of any shape must not fail before its row is known.

    `is_counted` says whether the ledger has the row that the decision names, for its contact, or had it once.
    """

    pk: int
    source_id: int
    trigger: str
    kind: str
    strategy: str
    operator_id: int | None
    ledger_number: int | None
    roster_id: int | None
    text: str
    is_counted: bool


def recorded(decisions: QuerySet[Decision]) -> QuerySet[Any, Any]:
    """Return the columns of `Recorded`, by id."""
    rows = LoadChange.objects.filter(
        operator=OuterRef("operator"), number=OuterRef("ledger_number"), cause="given", contact=OuterRef("contact")
    )
    pruned = Checkpoint.objects.filter(operator=OuterRef("operator"), number__gte=OuterRef("ledger_number"))
    is_counted = Q(ledger_number=None) | Exists(rows) | Exists(pruned)
    with_more = decisions.annotate(text=as_text("details"), is_counted=ExpressionWrapper(is_counted, BooleanField()))
    return with_more.order_by("pk").values_list(*Recorded._fields)


def examined_decisions(decisions: QuerySet[Decision]) -> Iterator[Finding | None]:
    """Look at one decision after another, then at the counts they led to; yield what is wrong with each, or None."""
    replay = Replay()
    for values in recorded(decisions).iterator(ROWS_AT_A_TIME):
        decision = Recorded._make(values)
        flaw = replay.flaw_of(decision)
        yield None if flaw is None else WrongDecision(decision.pk, flaw)
    yield from replay.wrong_counts()


class Replay:
    """Decisions replayed one after another, by id; it keeps what each source has counted and some long rosters."""

    def __init__(self) -> None:
        self._counting = Counting()
        self._roster = lru_cache(ROSTERS_KEPT)(_roster)

    def flaw_of(self, decision: Recorded) -> Flaw | None:
        """Return the first thing that is wrong with the decision, None when nothing is."""
        try:
            account = read(parsed(decision.text), self._roster(decision.roster_id))
            flaw = next(flaws(decision.kind, decision.strategy, decision.operator_id, account), None)
        except DEFECTS:
            return Flaw.UNREADABLE
        if flaw is None and not decision.is_counted:
            return Flaw.LEDGER
        if flaw is None and _counts(decision) and not self._counting.follow(decision.source_id, account):
            return Flaw.GIVEN
        return flaw

    def wrong_counts(self) -> Iterator[WrongCount]:
        """Yield the sources whose count is not what their decisions led to."""
        counts = DrawCount.objects.annotate(weights_text=as_text("weights"), given_text=as_text("given"))
        for source_id, weights, given in counts.order_by("pk").values_list("pk", "weights_text", "given_text"):
            try:
                pairs = [[operator_id, weight] for operator_id, weight in parsed(weights)]
                fits = self._counting.fits(source_id, Count(pairs, parsed(given)))
            except DEFECTS:
                fits = False
            if not fits:
                yield WrongCount(source_id)


def _counts(decision: Recorded) -> bool:
    """Return whether the decision is by a strategy that counts, and no move, which is not counted."""
    return decision.kind == Kind.DRAW and STRATEGIES[decision.strategy].counts and decision.trigger in COUNTED


def _roster(version_id: int | None) -> Any:
    if version_id is None:
        return None
    texts = RosterVersion.objects.filter(pk=version_id).annotate(text=as_text("roster")).values_list("text", flat=True)
    return parsed(texts[0])
