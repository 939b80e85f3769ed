"""The queue: giving the waiting contacts, oldest first, to whoever has room."""

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial

from django.db import Error as DatabaseFailure
from django.db.models import QuerySet

from crm_project.api.refusals import Refusal
from distribution.assignment import confirm_available, draw_operator, give
from distribution.availability import anybody_available
from distribution.decisions import Attempt, record_again
from distribution.errors import ContactNotFound
from distribution.locks import lock_contact, lock_for_draw
from distribution.models import Trigger
from distribution.selectors import next_in_queue, operator_to_return_to, sources_sharing_operators
from distribution.transactions import after_commit, in_transaction
from leads.models import Source

SECONDS_WITHIN_A_CALL = 5.0

logger = logging.getLogger(__name__)

_put_off: ContextVar[set[int] | None] = ContextVar("put_off", default=None)


def drain(sources: QuerySet[Source], *, within_seconds: float = float("inf")) -> int:
    """Give waiting contacts of `sources` until nobody waits or nobody has room; return how many were given.

    One transaction a contact. Stops early, leaving the rest to the sweep, when `within_seconds` are over.
    """
    started = time.monotonic()
    without_room: set[int] = set()
    given = 0
    while time.monotonic() - started < within_seconds:
        found = next_in_queue(sources, excluding=without_room)
        if found is None:
            break
        source_id, contact_id = found
        match give_waiting(contact_id):
            case True:
                given += 1
            case False:
                without_room.add(source_id)
    return given


def drain_after_commit(sources: QuerySet[Source]) -> None:
    """Let the running service drain `sources` once its transaction is committed, before the call answers."""
    after_commit(_drain_within_a_call, sources)


def drain_after_commit_if_room(source_id: int) -> None:
    """Let it drain the source and all that draw from its operators, if somebody is available on it by then."""
    after_commit(_drain_if_room, source_id)


@contextmanager
def draining_at_the_end() -> Iterator[None]:
    """Drain once at the end of the block what the services in it would drain after each commit.

    So contacts are given by what all of them set together, and not by what the first of them set.
    """
    source_ids: set[int] = set()
    token = _put_off.set(source_ids)
    try:
        yield
    finally:
        _put_off.reset(token)
        if source_ids:
            _drain_within_a_call(Source.objects.filter(pk__in=source_ids))


def _drain_if_room(source_id: int) -> None:
    with _leaving_failures_to_the_sweep():
        if _put_off.get() is not None or anybody_available(source_id):
            _drain_within_a_call(sources_sharing_operators(source_id))


def _drain_within_a_call(sources: QuerySet[Source]) -> None:
    put_off = _put_off.get()
    with _leaving_failures_to_the_sweep():
        if put_off is not None:
            put_off.update(sources.order_by().values_list("pk", flat=True))
        else:
            drain(sources, within_seconds=SECONDS_WITHIN_A_CALL)


@contextmanager
def _leaving_failures_to_the_sweep() -> Iterator[None]:
    """Log a database that fails now: what was accepted stays accepted, and the sweep does the rest."""
    try:
        yield
    except (DatabaseFailure, Refusal):
        logger.exception("The queue could not be drained after a commit; the next sweep will do it.")


@in_transaction
def give_waiting(contact_id: int) -> bool | None:
    """Give one waiting contact by draw; return whether somebody took it.

    Returns None when it no longer waits, or its source rests by now. Raises ContactNotFound.
    """
    source = Source.objects.filter(contacts=contact_id).first()
    if source is None:
        raise ContactNotFound
    lock_for_draw(source)
    contact = lock_contact(contact_id)
    if not (contact.is_waiting and contact.source.is_active):
        return None
    choice = draw_operator(
        source, confirm=partial(confirm_available, source.pk), returning_to=operator_to_return_to(contact)
    )
    attempt = Attempt(trigger=Trigger.DRAIN, account=choice.account, strategy=source.strategy)
    if choice.operator is None:
        record_again(contact, attempt)
        return False
    give(contact, choice.operator, attempt)
    return True
