"""Calls that start at the same moment."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

from django.db import connections

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
