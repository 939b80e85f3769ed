"""The database as it is at one moment, for reading much of it while others write."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

from django.db import connection, transaction


def snapshot() -> AbstractContextManager[None]:
    """Let every read within the block see the same committed state; nobody waits for it, and it waits for nobody.

    Only for reading. Raises an error of the database inside a transaction.
    """
    return _SNAPSHOTS[connection.vendor]()


@contextmanager
def _on_postgresql() -> Iterator[None]:
    with transaction.atomic(durable=True), connection.cursor() as cursor:
        cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        yield


@contextmanager
def _on_sqlite() -> Iterator[None]:
    # Django's own transactions are IMMEDIATE here, which would keep every writer out; this one only reads the log.
    with connection.cursor() as cursor:
        cursor.execute("BEGIN DEFERRED")
        try:
            yield
        finally:
            cursor.execute("ROLLBACK")


_SNAPSHOTS: dict[str, Callable[[], AbstractContextManager[None]]] = {
    "postgresql": _on_postgresql,
    "sqlite": _on_sqlite,
}
