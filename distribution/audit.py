"""Checking a live database against the rules that always hold, and mending the counters."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from django.db.models import Case, Count, F, FilteredRelation, Q, When, Window
from django.db.models.functions import RowNumber
from django.utils.translation import gettext as _

from distribution.ledger import set_load
from distribution.locks import lock_operator
from distribution.queue import drain
from distribution.selectors import next_in_queue
from distribution.transactions import in_transaction
from leads.models import Contact, ContactStatus, Source
from operators.models import Operator


@dataclass(frozen=True)
class WrongLoad:
    """An operator whose stored load is not the number of their active contacts."""

    operator_id: int
    operator_name: str
    stored: int
    counted: int

    def __str__(self) -> str:
        return _("Load of %(operator_name)s (id %(operator_id)s): stored %(stored)s, counted %(counted)s.") % vars(self)


@dataclass(frozen=True)
class BrokenLimit:
    """A contact that was given to an operator who was at the limit."""

    operator_id: int
    operator_name: str
    limit: int
    contact_id: int

    def __str__(self) -> str:
        return _(
            "Limit of %(operator_name)s (id %(operator_id)s): contact %(contact_id)s came"
            " when the %(limit)s places were taken."
        ) % vars(self)


@dataclass(frozen=True)
class LeftWaiting:
    """A contact that waits, drained or not, beside an operator who could take it."""

    source_id: int
    contact_id: int

    def __str__(self) -> str:
        return _(
            "Queue of source %(source_id)s: contact %(contact_id)s waits although an operator is available."
        ) % vars(self)


type Finding = WrongLoad | BrokenLimit | LeftWaiting


def audit() -> list[Finding]:
    """Drain the queue and return everything that breaks a rule."""
    return [*wrong_loads(), *broken_limits(), *left_waiting()]


def mend(findings: Iterable[Finding]) -> int:
    """Correct the wrong loads among `findings` and give the room this makes to whoever waits; return how many.

    A limit that was broken stays so until contacts are closed or moved.
    """
    mended = [mend_load(finding.operator_id) for finding in findings if isinstance(finding, WrongLoad)]
    drain(Source.objects.all())
    return len(mended)


def wrong_loads() -> list[WrongLoad]:
    """Return the operators whose stored load is wrong, all read in one statement."""
    active = FilteredRelation("contacts", condition=Q(contacts__status=ContactStatus.ACTIVE))
    counted = Operator.objects.annotate(active_contacts=active, counted=Count("active_contacts"))
    return [
        WrongLoad(operator.pk, operator.name, operator.load, operator.counted)
        for operator in counted.exclude(load=F("counted")).order_by("pk")
    ]


def broken_limits() -> list[BrokenLimit]:
    """Return the contacts that came to an operator at the limit, all read in one statement.

    Of an operator's active contacts in the order of their assignment, each came when those before it were there:
    they are active still, and closing and reopening would have given them a later assignment. So with the limit L
    only the first L may have come since the limit got its value. Contacts from before that moment prove nothing,
    because the limit may have been higher then, and are left out.
    """
    place = Window(RowNumber(), partition_by="operator", order_by=["assigned_at", "id"])
    limit_then = Case(When(assigned_at__gt=F("operator__limit_set_at"), then=F("operator__max_load")))
    beyond = Contact.objects.active().annotate(place=place, limit_then=limit_then).filter(place__gt=F("limit_then"))
    rows = beyond.order_by("operator_id", "place").values_list("operator_id", "operator__name", "limit_then", "pk")
    return [BrokenLimit(*row) for row in rows]


def left_waiting() -> list[LeftWaiting]:
    """Return, of each source, the oldest contact if it waits beside an available operator, drains and waits still.

    While contacts come and go, one may wait for the instant between a commit and its drain; that is no fault, and
    the second look does not find the same one again.
    """
    first_look = set(_waiting_beside_available_operators())
    if not first_look:
        return []
    drain(Source.objects.all())
    return [found for found in _waiting_beside_available_operators() if found in first_look]


@in_transaction
def mend_load(operator_id: int) -> None:
    """Count the operator's active contacts anew, under their lock, and store that as the load."""
    operator = lock_operator(operator_id)
    counted = Contact.objects.active().filter(operator=operator).count()
    set_load(operator_id, counted)


def _waiting_beside_available_operators() -> Iterator[LeftWaiting]:
    seen: set[int] = set()
    while found := next_in_queue(Source.objects.all(), excluding=seen):
        yield LeftWaiting(*found)
        seen.add(found[0])
