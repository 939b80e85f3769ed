"""Bulk runs: one thing done to many rows, each by a service call of its own, in steps short enough for a page.

What is to be done is stored first, with who has each contact. A step takes up the next rows; it can be interrupted
anywhere, repeated, and asked for twice at the same time. A contact that is to be moved, and that somebody else
moved since it was chosen, is left as it is. One that is to be closed is closed whoever has it: what was closed before
it in the same run has given those that waited away.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any

from django.db import IntegrityError, InterfaceError, OperationalError, connection
from django.db.models import Count, F, Model, PositiveBigIntegerField, Q, QuerySet, Value
from django.utils import timezone

from crm_project.access.acting import LONGEST_REASON, actor, because, reason
from crm_project.api.refusals import Refusal
from distribution.bulk import BulkMove, chosen_contacts
from distribution.errors import ContactClosed, ContactNotFound, NoLongerTheirs, TooManyRows
from distribution.handling import (
    close_contact,
    close_waiting,
    reassign_by_draw,
    reassign_to_operator,
    reopen_contact,
    return_to_queue,
)
from distribution.models import BulkRow, BulkRun, Trigger
from distribution.roster import change_operator, change_source
from distribution.transactions import in_transaction
from leads.models import Contact, Source
from operators.models import Operator

SECONDS_A_STEP = 1.0
ROWS_READ_AT_ONCE = 50
MOST_ROWS = 100_000
KEPT = timedelta(days=7)
GIVEN_UP_AFTER = timedelta(minutes=2)
REFUSED = (Refusal, IntegrityError)

type Row = Any  # a BulkRow with its run


@dataclass(frozen=True)
class Work:
    """What is done to one row of a model: the service, which returns the row afterwards, and the fields it changes.

    `gives` tells that afterwards an operator may have it who had it not.
    """

    model: type[Model]
    service: Callable[[Row], Model]
    changes: tuple[str, ...]
    gives: bool = False


@dataclass(frozen=True)
class Progress:
    """How many rows there are by outcome; how many contacts each operator got, None the queue; and refusals by why."""

    outcomes: Mapping[str, int]
    receivers: Mapping[int | None, int]
    reasons: Mapping[str, int]

    @property
    def total(self) -> int:
        """How many rows there are."""
        return sum(self.outcomes.values())

    @property
    def done(self) -> int:
        """How many rows were done with."""
        return self.total - self.outcomes.get(BulkRow.Outcome.TO_DO, 0)

    @property
    def is_complete(self) -> bool:
        """Whether nothing is left to do."""
        return self.done == self.total


@in_transaction
def begin(work: str, rows: QuerySet[Any], *, receiver_id: int | None = None, contacts: str = "") -> BulkRun:
    """Store that `work` is to be done to the rows, the oldest first, by whoever acts now and why; return the run.

    Raises TooManyRows; then nothing is stored.
    """
    run = _stored_run(work, receiver_id, contacts)
    count = rows.count()
    if count > MOST_ROWS:
        raise TooManyRows
    had_by = F("operator_id") if WORKS[work].model is Contact else Value(None, PositiveBigIntegerField())
    columns = (Value(run.pk), Value(work), F("pk"), had_by, Value(""), Value(""))
    if count:
        _insert(rows.order_by("pk").values_list(*columns))
    return run


@in_transaction
def begin_with_contacts_of(row: Operator | Source, contacts: str) -> BulkRun:
    """Store what becomes of the contacts of an operator or a source, inactive by now; return the run."""
    run = _stored_run(contacts, None, contacts)
    _add_contacts_of(run, row)
    return run


def step(run: BulkRun, explain: Callable[[Exception], str]) -> Iterator[BulkRow]:
    """Do the next rows for a second or so, and yield each that is done; `explain` puts an error into words.

    Raises OperationalError and InterfaceError when the database does not answer; what was done stays done.
    """
    ends = time.monotonic() + SECONDS_A_STEP
    with because(run.reason):
        for row in _taken_up(run):
            _do(row, explain)
            yield row
            if time.monotonic() > ends:
                break


def progress(run: BulkRun) -> Progress:
    """Return how far the run is."""
    return Progress(
        outcomes=_counts(run.rows.all(), "outcome"),
        receivers=_counts(run.rows.filter(outcome=BulkRow.Outcome.CHANGED, work__in=GIVING), "receiver_id"),
        reasons=_counts(run.rows.exclude(explanation=""), "explanation"),
    )


def prune() -> None:
    """Remove the runs that began a week ago."""
    BulkRun.objects.filter(began_at__lt=timezone.now() - KEPT).delete()


def _stored_run(work: str, receiver_id: int | None, contacts: str) -> BulkRun:
    prune()
    fields = {"receiver_id": receiver_id, "contacts": contacts, "reason": reason()}
    return BulkRun.objects.create(work=work, identity=actor().identity, **fields)


def _insert(chosen: QuerySet[Any, Any]) -> None:
    """Store the rows that the query chooses, in one statement: a hundred thousand would hold SQLite for seconds."""
    columns = ("run_id", "work", "target_id", "had_by_id", "outcome", "explanation")
    select, parameters = chosen.query.sql_with_params()
    with connection.cursor() as cursor:
        cursor.execute(f"INSERT INTO {BulkRow._meta.db_table} ({', '.join(columns)}) {select}", parameters)


def _add(run: BulkRun, work: str, chosen: Iterable[tuple[int, ...]]) -> None:
    rows = (BulkRow(run=run, work=work, target_id=row[0], had_by_id=(*row, None)[1]) for row in chosen)
    BulkRow.objects.bulk_create(rows, batch_size=1_000, ignore_conflicts=True)


def _add_contacts_of(run: BulkRun, row: Operator | Source) -> None:
    """Add the contacts of what is inactive by now, so that none comes after them."""
    if isinstance(row, Operator):
        _add(run, run.contacts, ((contact.pk, row.pk) for contact in chosen_contacts(BulkMove(from_operator=row))))
    else:
        waiting = Contact.objects.waiting().filter(source=row).oldest_first()
        _add(run, run.contacts, waiting.values_list("pk").iterator(chunk_size=1_000))


def _taken_up(run: BulkRun) -> Iterator[BulkRow]:
    while batch := list(_to_do(run).select_related("run")[:ROWS_READ_AT_ONCE]):
        yield from (row for row in batch if _take_up(row))


def _to_do(run: BulkRun) -> QuerySet[BulkRow]:
    # What a step took up and did not end, because its process was killed, is taken up again after a while.
    free = Q(taken_up_at=None) | Q(taken_up_at__lt=timezone.now() - GIVEN_UP_AFTER)
    return run.rows.filter(free, outcome=BulkRow.Outcome.TO_DO).order_by("pk")


def _take_up(row: BulkRow) -> bool:
    """Return whether the row is this step's to do, and not that of another page."""
    return bool(_to_do(row.run).filter(pk=row.pk).order_by().update(taken_up_at=timezone.now()))


def _do(row: BulkRow, explain: Callable[[Exception], str]) -> None:
    try:
        row.outcome = _outcome(row)
    except (NoLongerTheirs, ContactNotFound):
        row.outcome = BulkRow.Outcome.SKIPPED
    except (OperationalError, InterfaceError):
        BulkRow.objects.filter(pk=row.pk).update(taken_up_at=None)
        raise
    except REFUSED as error:
        row.outcome, row.explanation = BulkRow.Outcome.REFUSED, explain(error)[:LONGEST_REASON]
    row.save(update_fields=["outcome", "explanation", "receiver_id"])


def _outcome(row: BulkRow) -> str:
    work = WORKS[row.work]
    before = work.model._default_manager.filter(pk=row.target_id).first()
    if before is None:
        return BulkRow.Outcome.SKIPPED
    after: Any = work.service(row)
    if work.gives:
        # What went into the queue may be with somebody by now: the service returns it as it was before its drain.
        after.refresh_from_db(fields=work.changes)
        row.receiver_id = after.operator_id
    changed = any(_value(before, name) != _value(after, name) for name in work.changes)
    return BulkRow.Outcome.CHANGED if changed else BulkRow.Outcome.UNCHANGED


def _value(row: Model, name: str) -> Any:
    return row.serializable_value(name)


def _counts(rows: QuerySet[BulkRow], column: str) -> dict[Any, int]:
    return dict(rows.order_by().values(column).annotate(count=Count("pk")).values_list(column, "count"))


def _to_the_receiver(row: Row) -> Contact:
    return reassign_to_operator(
        row.target_id, row.run.receiver_id, from_operator_id=row.had_by_id, trigger=Trigger.BULK
    )


def _by_draw(row: Row) -> Contact:
    return reassign_by_draw(row.target_id, from_operator_id=row.had_by_id, trigger=Trigger.BULK)


def _off_the_leaving(row: Row, *, to_queue: bool) -> Contact:
    move = return_to_queue if to_queue else reassign_by_draw
    try:
        return move(row.target_id, from_operator_id=row.had_by_id, trigger=Trigger.BULK)
    except ContactClosed as closed:
        raise NoLongerTheirs from closed


def _switch_operator(row: Row, *, on: bool) -> Operator:
    operator = change_operator(row.target_id, is_active=on)
    if row.run.contacts:
        _add_contacts_of(row.run, operator)
    return operator


def _switch_source(row: Row, *, on: bool) -> Source:
    source = change_source(row.target_id, is_active=on)
    if row.run.contacts:
        _add_contacts_of(row.run, source)
    return source


def _service(service: Callable[[int], Contact]) -> Callable[[Row], Contact]:
    return lambda row: service(row.target_id)


MOVED = ("status", "operator")
WORKS: Mapping[str, Work] = {
    "close": Work(Contact, _service(close_contact), ("status",)),
    "close_waiting": Work(Contact, _service(close_waiting), ("status",)),
    "reopen": Work(Contact, _service(reopen_contact), ("status",), gives=True),
    "reassign_by_draw": Work(Contact, _by_draw, MOVED, gives=True),
    "reassign_to": Work(Contact, _to_the_receiver, MOVED, gives=True),
    "leave_by_draw": Work(Contact, partial(_off_the_leaving, to_queue=False), MOVED, gives=True),
    "leave_to_queue": Work(Contact, partial(_off_the_leaving, to_queue=True), MOVED, gives=True),
    "activate_operators": Work(Operator, partial(_switch_operator, on=True), ("is_active",)),
    "deactivate_operators": Work(Operator, partial(_switch_operator, on=False), ("is_active",)),
    "activate_sources": Work(Source, partial(_switch_source, on=True), ("is_active",)),
    "deactivate_sources": Work(Source, partial(_switch_source, on=False), ("is_active",)),
}
GIVING = [name for name, work in WORKS.items() if work.gives]
