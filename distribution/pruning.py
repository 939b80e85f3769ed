"""Removing old decisions and rows of ledgers, once they are proved, so that what is left can still be.

Ledgers go first: a checkpoint says where what is left of one begins. A decision goes only when the row of the ledger
that counts it is gone, and a stored roster when no decision names it. So whatever holds before a step holds after it.
"""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from itertools import batched
from typing import Any

from django.db.models import Count, Exists, Max, OuterRef, QuerySet

from distribution.errors import OperatorNotFound
from distribution.locks import lock_operator
from distribution.models import Checkpoint, Decision, LoadChange, RosterVersion
from distribution.proof.balance import Entry, Position, flaw_of
from distribution.proof.decisions import Recorded, Replay, recorded
from distribution.proof.findings import Finding, WrongDecision, WrongEntry
from distribution.proof.ledgers import beginning, entries
from distribution.transactions import in_transaction
from operators.models import Operator

LARGEST_BATCH = 10_000

type Followed = tuple[Position, WrongEntry | None]


@dataclass(frozen=True, kw_only=True)
class Pruning:
    """What is to go: what is older than `before`, so many rows in a transaction; nothing goes in a dry run."""

    before: datetime
    batch: int
    dry_run: bool = False
    ends: dict[int, int] = field(default_factory=dict)  # the number up to which each operator's ledger is gone


@dataclass(frozen=True, kw_only=True)
class Step:
    """What went in one transaction, and what stays because it does not hold."""

    decisions: int = 0
    ledger_rows: int = 0
    rosters: int = 0
    kept: tuple[Finding, ...] = ()


def prune(pruning: Pruning) -> Iterator[Step]:
    """Remove what is old, a batch with each step."""
    for operator_id in Operator.objects.order_by("pk").values_list("pk", flat=True):
        # Whoever was deleted meanwhile has no ledger any more.
        with suppress(OperatorNotFound):
            yield from _prune_ledger(pruning, operator_id)
    yield from _prune_decisions(pruning)
    yield from _prune_rosters(pruning)


def number_of_steps(pruning: Pruning) -> int:
    """Return about how many steps `prune` takes."""
    ledgers = LoadChange.objects.filter(at__lt=pruning.before).order_by().values("operator").annotate(rows=Count("pk"))
    numbers = [Decision.objects.filter(at__lt=pruning.before).count(), *ledgers.values_list("rows", flat=True)]
    return sum(-(-number // pruning.batch) for number in numbers)


def _prune_ledger(pruning: Pruning, operator_id: int) -> Iterator[Step]:
    old = LoadChange.objects.filter(operator=operator_id, at__lt=pruning.before)
    last = old.aggregate(last=Max("number"))["last"] or 0
    end = beginning(operator_id)
    wrong: WrongEntry | None = None
    while wrong is None and end.number < last:
        start = end
        end, wrong = _remove_from_ledger(pruning, operator_id, start, last)
        yield Step(ledger_rows=end.number - start.number, kept=(wrong,) if wrong else ())
    pruning.ends[operator_id] = end.number


def _remove_from_ledger(pruning: Pruning, operator_id: int, start: Position, last: int) -> Followed:
    if pruning.dry_run:
        return _followed(operator_id, start, last, pruning.batch)
    return _move_beginning(operator_id, last, pruning.batch)


@in_transaction
def _move_beginning(operator_id: int, last: int, batch: int) -> Followed:
    """Let the operator's ledger begin after a batch of rows, if they follow; return where, and the row that does not.

    Raises OperatorNotFound.
    """
    lock_operator(operator_id)
    start = beginning(operator_id)
    end, wrong = _followed(operator_id, start, last, batch)
    if end != start:
        Checkpoint.objects.bulk_create(
            [Checkpoint(operator_id=operator_id, **end._asdict())],
            update_conflicts=True,
            unique_fields=["operator"],
            update_fields=["number", "load", "max_load", "at"],
        )
        _remove(LoadChange.objects.filter(operator=operator_id, number__lte=end.number))
    return end, wrong


def _followed(operator_id: int, start: Position, last: int, batch: int) -> Followed:
    rows = entries(operator_id).filter(number__gt=start.number, number__lte=last)
    end = start
    for entry in map(Entry._make, rows[:batch]):
        if flaw := flaw_of(entry, end):
            return end, WrongEntry(operator_id, entry.number, flaw)
        end = entry.position
    return end, None


def _prune_decisions(pruning: Pruning) -> Iterator[Step]:
    old = recorded(Decision.objects.filter(at__lt=pruning.before))
    replay = Replay()
    last = 0
    while batch := [Recorded._make(row) for row in old.filter(pk__gt=last)[: pruning.batch]]:
        last = batch[-1].pk
        flaws = {decision.pk: replay.flaw_of(decision) for decision in batch if _is_free(pruning, decision)}
        sound = [pk for pk, flaw in flaws.items() if flaw is None]
        if not pruning.dry_run:
            _remove_together(Decision.objects.filter(pk__in=sound))
        wrong = tuple(WrongDecision(pk, flaw) for pk, flaw in flaws.items() if flaw)
        yield Step(decisions=len(sound), kept=wrong)


def _is_free(pruning: Pruning, decision: Recorded) -> bool:
    """Return whether no row of a ledger is left that the decision explains."""
    return decision.operator_id is None or (decision.ledger_number or 0) <= pruning.ends.get(decision.operator_id, 0)


def _prune_rosters(pruning: Pruning) -> Iterator[Step]:
    naming = Decision.objects.filter(roster=OuterRef("pk"))
    if pruning.dry_run:
        naming = naming.filter(at__gte=pruning.before)
    # The next decision on the source may name its newest one.
    newer = RosterVersion.objects.filter(source=OuterRef("source"), pk__gt=OuterRef("pk"))
    unnamed = RosterVersion.objects.filter(~Exists(naming), Exists(newer)).order_by("pk")
    for batch in batched(list(unnamed.values_list("pk", flat=True)), pruning.batch):
        if not pruning.dry_run:
            _remove_together(RosterVersion.objects.filter(~Exists(naming), pk__in=batch))
        yield Step(rosters=len(batch))


@in_transaction
def _remove_together(rows: QuerySet[Any]) -> None:
    _remove(rows)


def _remove(rows: QuerySet[Any]) -> None:
    """Remove rows that are kept for ever otherwise: their models refuse it, and only this is asked past them."""
    rows._raw_delete(rows.db)
