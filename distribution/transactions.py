"""The transaction around every service, run again when the database or the service asks for it."""

import random
import time
from collections.abc import Callable, Iterable
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import partial, wraps

from django.db import DatabaseError, transaction

from crm_project.access.idempotency import Once, taken
from crm_project.api.refusals import Refusal

ATTEMPTS = 8
LONGEST_FIRST_PAUSE_SECONDS = 0.005

# PostgreSQL's codes (appendix A of its manual). A foreign key fails when a row was deleted after it was read:
# the next attempt reads that it is gone and says so.
SERIALIZATION_FAILURE = "40001"
DEADLOCK_DETECTED = "40P01"
FOREIGN_KEY_VIOLATION = "23503"
REPEATED = {SERIALIZATION_FAILURE, DEADLOCK_DETECTED, FOREIGN_KEY_VIOLATION}

type Step = Callable[[], object]


class StartAnew(Exception):
    """What a service read has changed before it could lock it: its transaction is rolled back and started anew."""


@dataclass
class Running:
    """A service at work: how to keep its answer, why earlier attempts were given up, what comes afterwards."""

    once: Once | None
    given_up: list[StartAnew] = field(default_factory=list)
    after_commit: list[Step] = field(default_factory=list)
    after_refusal: list[Step] = field(default_factory=list)


_running: ContextVar[Running] = ContextVar("running")


def in_transaction[**P, T](work: Callable[P, T]) -> Callable[P, T]:
    """Run `work` in a transaction of its own, then the steps it put off with `after_commit`.

    The answer to a call with an Idempotency-Key is kept by the same transaction.
    The transaction starts anew after a deadlock and the like, and whenever `work` raises StartAnew.

    What was put off with `after_refusal` runs when it refuses.

    Raises RuntimeError inside another transaction, where a repetition could not start anew; and whatever else `work`
    raises, with nothing stored.
    """

    @wraps(work)
    def service(*args: P.args, **kwargs: P.kwargs) -> T:
        running = Running(once=taken())
        token = _running.set(running)
        try:
            result = _repeated(partial(work, *args, **kwargs), running)
        except Refusal:
            _run(running.after_refusal)
            raise
        finally:
            _running.reset(token)
        _run(running.after_commit)
        return result

    return service


def after_commit(step: Callable[..., object], *args: object) -> None:
    """Put a call off until the transaction of the running service is committed; after a rollback it is forgotten."""
    _running.get().after_commit.append(partial(step, *args))


def after_refusal(step: Callable[..., object], *args: object) -> None:
    """Put a call off until the running service has refused, and its transaction is undone."""
    _running.get().after_refusal.append(partial(step, *args))


def given_up() -> list[StartAnew]:
    """Return why the running service started anew, once for each time."""
    return _running.get().given_up


def sqlstate(error: DatabaseError) -> str | None:
    """Return PostgreSQL's five-character code of `error`, None for other databases."""
    return getattr(error.__cause__, "sqlstate", None)


def _run(steps: Iterable[Step]) -> None:
    for step in steps:
        step()


def _repeated[T](work: Callable[[], T], running: Running) -> T:
    failures = 0
    while True:
        running.after_commit.clear()
        running.after_refusal.clear()
        try:
            with transaction.atomic(durable=True):
                return work() if running.once is None else running.once(work)
        except StartAnew as reason:
            running.given_up.append(reason)
        except DatabaseError as error:
            failures += 1
            if failures == ATTEMPTS or sqlstate(error) not in REPEATED:
                raise
            # Rivals that met in a deadlock must not meet again in step.
            time.sleep(random.uniform(0, LONGEST_FIRST_PAUSE_SECONDS * 2**failures))
