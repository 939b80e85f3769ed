"""The transaction around every service, repeated when the database asks for it."""

import random
import time
from collections.abc import Callable
from functools import wraps

from django.db import DatabaseError, transaction

ATTEMPTS = 8
LONGEST_FIRST_PAUSE_SECONDS = 0.005

# PostgreSQL's codes (appendix A of its manual). A foreign key fails when a row was deleted after it was read:
# the next attempt reads that it is gone and says so.
SERIALIZATION_FAILURE = "40001"
DEADLOCK_DETECTED = "40P01"
FOREIGN_KEY_VIOLATION = "23503"
REPEATED = {SERIALIZATION_FAILURE, DEADLOCK_DETECTED, FOREIGN_KEY_VIOLATION}


def in_transaction[**P, T](work: Callable[P, T]) -> Callable[P, T]:
    """Run `work` in a transaction of its own, again from the start after a deadlock or the like.

    Raises RuntimeError inside another transaction, where a repetition could not start anew; and whatever `work`
    raises, with nothing stored.
    """

    @wraps(work)
    def repeated(*args: P.args, **kwargs: P.kwargs) -> T:
        for attempt in range(1, ATTEMPTS):
            try:
                return once(*args, **kwargs)
            except DatabaseError as error:
                if sqlstate(error) not in REPEATED:
                    raise
                # Rivals that met in a deadlock must not meet again in step.
                time.sleep(random.uniform(0, LONGEST_FIRST_PAUSE_SECONDS * 2**attempt))
        return once(*args, **kwargs)

    def once(*args: P.args, **kwargs: P.kwargs) -> T:
        with transaction.atomic(durable=True):
            return work(*args, **kwargs)

    return repeated


def sqlstate(error: DatabaseError) -> str | None:
    """Return PostgreSQL's five-character code of `error`, None for other databases."""
    return getattr(error.__cause__, "sqlstate", None)
