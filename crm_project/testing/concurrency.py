"""Calls that start at the same moment, and calls that meet at a chosen one."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier, Event
from typing import Any
from unittest.mock import patch

from django.db import connection, connections

from crm_project.testing.waiting import wait_until

SECONDS_TO_GATHER = 30


def run_concurrently[Result](*calls: Callable[[], Result], times: int = 1) -> list[Result]:
    """Run each of the calls, `times` times over, in threads that start together; return the results in order.

    Raises an ExceptionGroup of everything the calls raised.
    """
    barrier = Barrier(len(calls) * times)

    def run(call: Callable[[], Result]) -> Result:
        try:
            barrier.wait(SECONDS_TO_GATHER)
            return call()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(barrier.parties) as threads:
        futures = [threads.submit(run, call) for call in calls * times]
    if errors := [error for future in futures if (error := future.exception())]:
        raise BaseExceptionGroup("calls that ran at once", errors)
    return [future.result() for future in futures]


def somebody_waits_for_a_lock() -> bool:
    """Return whether a call waits for a lock of PostgreSQL at this moment."""
    sql = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_stat_clear_snapshot()")
        cursor.execute(sql)
        return bool(cursor.fetchone() != (0,))


def meet(first: Callable[[], object], second: Callable[[], object], *, behind: tuple[Any, str]) -> None:
    """Start the second call when the first has left the function `behind`; let the first go on once the second waits.

    The function is given as its module and its name. The first goes on, too, when the second has ended without a wait
    for a lock. Raises an ExceptionGroup of everything the calls raised.
    """
    reached, ended = Event(), Event()
    function = getattr(*behind)

    def pause(*arguments: Any, **named: Any) -> Any:
        result = function(*arguments, **named)
        if not reached.is_set():
            reached.set()
            wait_until(lambda: ended.is_set() or somebody_waits_for_a_lock())
        return result

    def follow() -> None:
        try:
            wait_until(reached.is_set)
            second()
        finally:
            ended.set()

    with patch.object(*behind, pause):
        run_concurrently(first, follow)
