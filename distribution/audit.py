"""Checking a live database against the rules that always hold, and mending the counters."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

from django.db.models import Count, F, Q, QuerySet

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


@dataclass(frozen=True)
class BrokenLimit:
    """A contact that was given to an operator who was at the limit."""

    operator_id: int
    operator_name: str
    limit: int
    contact_id: int


@dataclass(frozen=True)
class LeftWaiting:
    """A contact that waits, drained or not, beside an operator who could take it."""

    source_id: int
    contact_id: int


def wrong_loads() -> list[WrongLoad]:
    """Return the operators whose stored load is wrong, all read in one statement."""
    counted = Count("contacts", filter=Q(contacts__status=ContactStatus.ACTIVE))
    rows = Operator.objects.annotate(counted=counted).exclude(load=F("counted")).order_by("pk")
    return [WrongLoad(operator.pk, operator.name, operator.load, operator.counted) for operator in rows]


def broken_limits() -> Iterator[BrokenLimit]:
    """Yield the contacts that came to an operator at the limit.

    With limit L, only the L contacts assigned first may have come after the limit got its value: those active now
    were active when a later one came, so the operator then had at least as many as come before it in this order.
    Contacts from before the last change of the limit prove nothing and are left out.
    """
    counted = Count("contacts", filter=Q(contacts__status=ContactStatus.ACTIVE))
    for operator in Operator.objects.annotate(counted=counted).filter(counted__gt=F("max_load")).order_by("pk"):
        for contact in islice(_by_assignment(operator), operator.max_load, None):
            if contact.assigned_at > operator.limit_set_at:
                yield BrokenLimit(operator.pk, operator.name, operator.max_load, contact.pk)


def left_waiting() -> list[LeftWaiting]:
    """Return, for each source, the oldest contact that still waits beside a free operator after a drain."""
    sources = Source.objects.all()
    if next_in_queue(sources) is None:
        return []
    drain(sources)
    return list(_left_waiting(sources))


@in_transaction
def mend_load(operator_id: int) -> None:
    """Count the operator's active contacts anew, under their lock, and store that as the load."""
    operator = lock_operator(operator_id)
    counted = Contact.objects.active().filter(operator=operator).count()
    Operator.objects.filter(pk=operator_id).update(load=counted)


def _by_assignment(operator: Operator) -> Iterable[Contact]:
    return Contact.objects.active().filter(operator=operator).order_by("assigned_at", "pk")


def _left_waiting(sources: QuerySet[Source]) -> Iterator[LeftWaiting]:
    seen: set[int] = set()
    while found := next_in_queue(sources, excluding=seen):
        yield LeftWaiting(*found)
        seen.add(found[0])
