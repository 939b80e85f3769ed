"""Reading a recorded period: how everything stood at its beginning, what happened, and what became of the contacts."""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from functools import lru_cache
from typing import Any, NamedTuple

from django.db.models import Q, QuerySet

from distribution.counting import Count
from distribution.models import Decision, Kind, LoadChange, RosterVersion, Trigger
from distribution.period import Period
from distribution.records import DEFECTS, read
from distribution.simulation.errors import TooManyContacts
from distribution.simulation.events import Appeal, Arrival, Event, Key, Opening, SettingsChange, Step
from distribution.simulation.lives import DECISIONS, DRAINS, LEDGER, Fact, Happened, Kept, Life, Order, moments
from distribution.simulation.recorded import Change, Settings, check_ledgers
from distribution.strategy import STRATEGIES
from distribution.watching import Watch, unwatched
from leads.models import Contact, Source
from operators.models import Operator

# The rows that one call stores are made within moments of each other; what drains between two calls parts them anyhow.
OF_ONE_CALL = timedelta(seconds=1)
VERSIONS_AT_HAND = 64
MOST_CONTACTS = 200_000


class Drawn(NamedTuple):
    """A recorded draw: its ticket as a fraction, and what a strategy that counts had given before, if anything."""

    fraction: float | None
    before: Count | None


@dataclass(frozen=True)
class History:
    """What is replayed, and what became of the contacts in truth.

    `steps` bear the moment of the event that they followed from, as those of a simulation do. `operators` and
    `sources` are the ids of all that share operators.
    """

    period: Period
    operators: set[int]
    sources: set[int]
    opening: Opening
    events: list[Event]
    steps: list[Step]

    @property
    def appeals(self) -> dict[int, Appeal]:
        """The contacts by id."""
        arrived = (event.appeal for event in self.events if isinstance(event, Arrival))
        return {appeal.contact_id: appeal for appeal in [*(one.appeal for one in self.opening.present), *arrived]}


def read_history(
    source_id: int,
    period: Period,
    *,
    beside: Iterable[Key] = (),
    most: int = MOST_CONTACTS,
    watch: Watch = unwatched,
) -> History:
    """Read what happened to the source and to all that share operators with it.

    `beside` are weights that the simulation adds; `most` is how many contacts may be read; `watch` sees the
    contacts pass. Raises TooManyContacts and PeriodNotRecorded.
    """
    settings = Settings(period)
    sources, operators = _involved(source_id, period, settings, beside)
    settings.check(operators, sources)
    contacts = _contacts(period, sources)
    if (number := contacts.count()) > most:
        raise TooManyContacts
    reading = _Reading(period, contacts, settings.changes(operators, sources))
    reading.read(watch, number)
    opening = reading.opening(settings.values(operators, sources), settings.ever("prefer_same_operator") & sources)
    check_ledgers(operators, opening.present, period.start)
    return History(period, operators, sources, opening, reading.events(), reading.steps())


@dataclass
class _Reading:
    """The contacts of a period, one life after another."""

    period: Period
    contacts: QuerySet[Contact]
    changes: list[Change]
    facts: dict[int, list[Fact]] = field(default_factory=lambda: defaultdict(list))
    counts: dict[int, Count | None] = field(default_factory=dict)
    present: list[Any] = field(default_factory=list)
    happened: list[tuple[Order, Event | None]] = field(default_factory=list)
    became: list[tuple[Order, Step]] = field(default_factory=list)

    def read(self, watch: Watch, number: int) -> None:
        """Read every life."""
        self._read_decisions()
        self._read_ledger()
        self._date_drains()
        columns = ("id", "source_id", "lead_id", "created_at", "status", "operator_id", "closed_at")
        for row in watch(self.contacts.order_by("id").values_list(*columns).iterator(), number):
            self._live(Kept(*row))

    def opening(self, values: dict[Key, Any], preferring: set[int]) -> Opening:
        """Return how everything stood at the beginning."""
        counts = {source_id: count for source_id, count in self.counts.items() if count is not None}
        earlier = _earlier_operators(self.period, self.contacts) if preferring else {}
        return Opening(values=values, present=self.present, earlier=earlier, counts=counts)

    def events(self) -> list[Event]:
        """Return what is replayed, in its order."""
        changes: list[tuple[Order, Any]] = [(change.order, change) for change in self.changes]
        return list(_with_calls([*self.happened, *changes]))

    def steps(self) -> list[Step]:
        """Return what became of the contacts, in its order."""
        return [step for _order, step in sorted(self.became, key=lambda one: one[0])]

    def _live(self, kept: Kept) -> None:
        life = Life(kept, sorted(self.facts.pop(kept.contact_id, []), key=lambda fact: fact.order), self.period)
        if (present := life.present()) is not None:
            self.present.append(present)
        self.happened.extend(life.events())
        self.became.extend(life.steps())

    def _read_decisions(self) -> None:
        columns = (
            *("id", "at", "contact_id", "source_id", "trigger", "kind", "strategy", "operator_id"),
            *("details", "roster_id"),
        )
        version = lru_cache(VERSIONS_AT_HAND)(_version)
        for row in Decision.objects.filter(contact__in=self.contacts).order_by("id").values_list(*columns).iterator():
            number, at, contact_id, source_id, trigger, kind, strategy, operator_id, details, roster_id = row
            happened = _happened(trigger, kind, operator_id, details)
            if happened is None:
                continue
            is_draw = kind == Kind.DRAW and at >= self.period.start
            last = _last_draw(strategy, details, version(roster_id)) if is_draw else None
            if last is not None and happened in {Happened.ARRIVED, Happened.DRAINED} and STRATEGIES[strategy].counts:
                self.counts.setdefault(source_id, last.before)
            order = Order(at, DRAINS if happened is Happened.DRAINED else DECISIONS, number)
            self.facts[contact_id].append(Fact(order, happened, operator_id, last and last.fraction))

    def _read_ledger(self) -> None:
        causes = {LoadChange.Cause.CLOSED: Happened.CLOSED, LoadChange.Cause.LEFT: Happened.LEFT}
        rows = LoadChange.objects.filter(contact__in=self.contacts, cause__in=causes)
        columns = ("id", "at", "contact_id", "cause", "operator_id")
        for number, at, contact_id, cause, operator_id in rows.values_list(*columns).iterator():
            fact = Fact(Order(at, LEDGER, number), causes[LoadChange.Cause(cause)], operator_id)
            self.facts[contact_id or 0].append(fact)

    def _date_drains(self) -> None:
        """Give each drain the moment of what made room for it, as it has in a simulation, where no time passes."""
        of_contacts = (moment for facts in self.facts.values() for moment in moments(facts))
        closed = self.contacts.filter(closed_at__isnull=False, operator=None).values_list("closed_at", flat=True)
        times: list[Any] = sorted({*of_contacts, *closed, *(change.order.at for change in self.changes)})
        for facts in self.facts.values():
            for place, fact in enumerate(facts):
                if fact.happened is Happened.DRAINED:
                    at = times[max(bisect_right(times, fact.order.at) - 1, 0)]
                    facts[place] = fact._replace(order=fact.order._replace(at=min(at, fact.order.at)))


def _involved(source_id: int, period: Period, settings: Settings, beside: Iterable[Key]) -> tuple[set[int], set[int]]:
    """Return the ids of the sources and of the operators that are bound together, by weights or by contacts."""
    pairs = settings.pairs() | {(key.operator_id or 0, key.source_id or 0) for key in beside if key.source_id}
    pairs |= set(Contact.objects.active().order_by().values_list("operator_id", "source_id").distinct())
    given = LoadChange.objects.filter(at__gte=period.start, contact__isnull=False).order_by()
    pairs |= set(given.values_list("operator_id", "contact__source_id").distinct())
    sources, operators = bound_together(source_id, pairs)
    if settings.ever("prefer_same_operator") & sources:
        # A lead's last contact may have come from any source.
        sources |= set(Source.objects.values_list("pk", flat=True))
        operators |= set(Operator.objects.values_list("pk", flat=True)) | {operator_id for operator_id, _ in pairs}
    return sources, operators


def bound_together(source_id: int, pairs: Iterable[tuple[int, int]]) -> tuple[set[int], set[int]]:
    """Return the sources and the operators that a chain of (operator id, source id) leads to from the source."""
    sources, operators, rest = {source_id}, set[int](), list(pairs)
    while True:
        bound = [pair for pair in rest if pair[0] in operators or pair[1] in sources]
        if not bound:
            return sources, operators
        operators |= {operator_id for operator_id, _source_id in bound}
        sources |= {source_id for _operator_id, source_id in bound}
        rest = [pair for pair in rest if pair not in set(bound)]


def _contacts(period: Period, sources: Iterable[int]) -> QuerySet[Contact]:
    """Return the contacts that came before the end of the period and were not closed for good before its beginning."""
    still_open = Q(closed_at__isnull=True) | Q(closed_at__gte=period.start)
    return Contact.objects.filter(still_open, source__in=sources, created_at__lt=period.end).order_by()


def _earlier_operators(period: Period, contacts: QuerySet[Contact]) -> dict[int, dict[int, int]]:
    """Return the operators of the contacts closed for good before the period, for each lead that writes in it."""
    earlier: dict[int, dict[int, int]] = {}
    closed = Contact.objects.filter(closed_at__lt=period.start, operator__isnull=False)
    rows = closed.filter(lead__in=contacts.values("lead")).order_by("id").values_list("lead_id", "id", "operator_id")
    for lead_id, contact_id, operator_id in rows.iterator():
        earlier[lead_id] = {contact_id: operator_id or 0}
    return earlier


def _happened(trigger: str, kind: str, operator_id: int | None, details: dict[str, Any]) -> Happened | None:
    """Return what a decision says of its contact; None for an attempt that changed nothing."""
    match trigger:
        case Trigger.ARRIVAL:
            return Happened.ARRIVED
        case Trigger.REOPENING:
            return Happened.REOPENED
        case Trigger.DRAIN:
            return None if operator_id is None else Happened.DRAINED
    if operator_id is not None:
        return Happened.MOVED_BY_DRAW if kind == Kind.DRAW else Happened.MOVED_BY_HAND
    return None if details else Happened.RETURNED


def _last_draw(strategy: str, details: dict[str, Any], base: list[list[Any]] | None) -> Drawn | None:
    """Return the last draw of a decision; None when there was none, or none that can be read."""
    with suppress(*DEFECTS):
        for round_ in reversed(read(details, base).rounds):
            if round_.ticket is not None:
                candidates, given = round_.candidates, round_.given
                total = sum(STRATEGIES[strategy].tickets(candidates, given))
                fraction = (round_.ticket + 0.5) / total if total > round_.ticket else None
                return Drawn(fraction, None if given is None else Count.of(candidates, given))
    return None


def _version(roster_id: int | None) -> list[list[Any]] | None:
    found = None if roster_id is None else RosterVersion.objects.filter(pk=roster_id).first()
    return None if found is None else found.roster


def _with_calls(happened: Sequence[tuple[Order, Any]]) -> Iterator[Event]:
    """Yield the events in their order, the settings that one call changed as one of them."""
    call: list[Change] = []
    for order, event in sorted(happened, key=lambda one: one[0]):
        if call and not (isinstance(event, Change) and order.at - call[-1].order.at <= OF_ONE_CALL):
            yield _settings_change(call)
            call = []
        if isinstance(event, Change):
            call.append(event)
        elif event is not None:
            yield event
    if call:
        yield _settings_change(call)


def _settings_change(call: Sequence[Change]) -> SettingsChange:
    return SettingsChange(call[-1].order.at, {change.key: change.after for change in call})
