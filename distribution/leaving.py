"""What would become of the contacts of operators who leave, and of sources that are switched off."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from django.db.models import QuerySet

from distribution.bulk import BulkMove, Moved
from distribution.rehearsal import Rehearsal
from leads.models import Contact, Source
from operators.models import Operator

MOST_REHEARSED = 2_000


@dataclass(frozen=True)
class Prospect:
    """What can be said before operators leave.

    `active` contacts they have; the free places of whoever could take some, by operator, on the sources concerned;
    and of the oldest `rehearsed` contacts how many would find no place by draw, and how many would wait in the queue.
    """

    active: int
    room: Mapping[Operator, int]
    rehearsed: int
    without_place: int
    waiting: int

    @property
    def places(self) -> int:
        """How many places are free."""
        return sum(self.room.values())


def prospect(operators: QuerySet[Operator]) -> Prospect:
    """Return what would become of the active contacts of the operators if all of them were inactive."""
    leaving = list(operators.order_by().values_list("pk", flat=True))
    active = Contact.objects.active().filter(operator__in=leaving)
    contacts = list(active.oldest_first().only("source")[:MOST_REHEARSED])
    if not contacts:
        return Prospect(active=0, room={}, rehearsed=0, without_place=0, waiting=0)
    by_draw, to_queue = _rehearsal(leaving), _rehearsal(leaving, to_queue=True)
    return Prospect(
        active=active.count(),
        room=by_draw.room(contacts),
        rehearsed=len(contacts),
        without_place=len(contacts) - _placed(by_draw, contacts),
        waiting=len(contacts) - _placed(to_queue, contacts),
    )


def waiting_on(sources: QuerySet[Source]) -> int:
    """Return how many contacts wait on the sources."""
    return Contact.objects.waiting().filter(source__in=sources.order_by().values("pk")).count()


def active_on(sources: QuerySet[Source]) -> int:
    """Return how many contacts of the sources somebody works on."""
    return Contact.objects.active().filter(source__in=sources.order_by().values("pk")).count()


def _placed(rehearsal: Rehearsal, contacts: list[Contact]) -> int:
    return sum(isinstance(result, Moved) and result.receiver is not None for result in rehearsal.run(contacts))


def _rehearsal(leaving: Sequence[int], *, to_queue: bool = False) -> Rehearsal:
    move = BulkMove(from_operator=Operator(pk=leaving[0]), to_queue=to_queue, deactivate=True)
    return Rehearsal(move, leaving)
