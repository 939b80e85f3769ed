"""The fairness report of a source: its decisions of a period read one by one, added up and judged."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from django.db.models import QuerySet

from distribution.fairness import Finding, Judgement, Tally, Verdict, judged
from distribution.models import Decision, Kind, RosterVersion
from distribution.period import Period
from distribution.proof.texts import as_text
from distribution.records import DEFECTS, read, read_beside, standings
from distribution.standing import Obstacle
from distribution.strategy import STRATEGIES
from distribution.tallies import Base, Tallies
from distribution.watching import Watch, unwatched
from leads.models import Source
from operators.models import Operator

ROWS_AT_A_TIME = 2_000
COLUMNS = ("kind", "strategy", "operator_id", "roster_id", "details")

type Row = tuple[str, str, int | None, int | None, Any]


class Missed(NamedTuple):
    """The part of all draws, 0 to 1, in which an operator was no candidate for this reason."""

    reason: Obstacle
    share: float


@dataclass(frozen=True, kw_only=True)
class OperatorFinding:
    """What is found of one operator; `operator` is None for one who was deleted."""

    operator_id: int
    operator: Operator | None
    finding: Finding
    missed: list[Missed]

    @property
    def tally(self) -> Tally:
        """What their draws add up to."""
        return self.finding.tally

    @property
    def is_skewed(self) -> bool:
        """Whether a real skew concerns them."""
        return self.finding.verdict == Verdict.REAL_SKEW


@dataclass(frozen=True, kw_only=True)
class Report:
    """What the draws of a source in a period were, and whether that was chance.

    `draws` counts the rounds with a ticket, `refused` those of them that nobody took; `without_candidates` the rounds
    in which nobody was available; `unreadable` the decisions that were tampered with.
    """

    source: Source
    period: Period
    draws: int
    refused: int
    without_candidates: int
    unreadable: int
    judgement: Judgement
    operators: list[OperatorFinding]

    @property
    def skewed(self) -> list[OperatorFinding]:
        """Those whom a real skew concerns."""
        return [row for row in self.operators if row.is_skewed]


def fairness_report(source: Source, period: Period, watch: Watch = unwatched) -> Report:
    """Return the report. Reads the rows one by one, in a constant number of statements.

    `watch` is given the rows of the decisions and how many there are, and passes them on: for a progress bar.
    """
    decisions = Decision.objects.filter(source=source, at__gte=period.start, at__lt=period.end)
    total = decisions.count() if watch is not unwatched else 0
    reading = _Reading(_stored_rosters(source, decisions))
    rows = decisions.order_by("at").values_list(*COLUMNS).iterator(chunk_size=ROWS_AT_A_TIME)
    for row in watch(rows, total):
        reading.add(row)
    judgement = judged(reading.tallies.result())
    return Report(
        source=source,
        period=period,
        draws=reading.tallies.draws,
        refused=reading.tallies.refused,
        without_candidates=reading.tallies.without_candidates,
        unreadable=reading.unreadable,
        judgement=judgement,
        operators=_named(judgement.findings, reading.tallies.draws),
    )


class _Reading:
    """Adds rows of decisions to tallies."""

    def __init__(self, stored: dict[int, str]) -> None:
        self.tallies = Tallies()
        self.unreadable = 0
        self._stored = stored
        self._base: tuple[int | None, Base] = (None, Base({}))

    def add(self, row: Row) -> None:
        """Add a row; one that cannot be read is counted."""
        try:
            self._add(*row)
        except DEFECTS:
            self.unreadable += 1

    def _add(self, kind: str, strategy: str, operator_id: int | None, roster_id: int | None, details: Any) -> None:
        if kind == Kind.BY_HAND:
            if operator_id is not None:
                self.tallies.add_by_hand(operator_id)
        elif roster_id is None:
            for round_ in read(details).rounds:
                self.tallies.add(STRATEGIES[strategy], round_)
        else:
            base = self._base_of(roster_id)
            for round_, changes in read_beside(details):
                self.tallies.add_beside(base, STRATEGIES[strategy], round_, changes)

    def _base_of(self, roster_id: int) -> Base:
        """Return the base of a stored roster; neighbours share the same one."""
        if self._base[0] != roster_id:
            self._base = roster_id, Base.of(standings(json.loads(self._text_of(roster_id))))
        return self._base[1]

    def _text_of(self, roster_id: int) -> str:
        # One that was stored after the others were read stands for itself.
        return self._stored.get(roster_id) or json.dumps(RosterVersion.objects.get(pk=roster_id).roster)


def _stored_rosters(source: Source, decisions: QuerySet[Decision]) -> dict[int, str]:
    """Return by id the rosters that the decisions stand beside, as texts: read whole they would take much memory."""
    used = decisions.filter(roster__isnull=False).order_by().values("roster")
    versions = RosterVersion.objects.filter(source=source, pk__in=used)
    return dict(versions.annotate(text=as_text("roster")).values_list("pk", "text"))


def _named(findings: Mapping[int, Finding], draws: int) -> list[OperatorFinding]:
    operators = Operator.objects.in_bulk(list(findings))
    return [
        OperatorFinding(
            operator_id=key, operator=operators.get(key), finding=finding, missed=_missed(finding.tally, draws)
        )
        for key, finding in findings.items()
    ]


def _missed(tally: Tally, draws: int) -> list[Missed]:
    """Return what the operator missed, the largest part first."""
    return [Missed(why, number / draws) for why, number in tally.missed.most_common() if number]
