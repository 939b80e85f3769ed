"""Pinning a server process to one processor.

One of its threads at a time runs Python. Spread over several processors, each finds what the process works with in the
caches of another: measured on two, the same calls cost up to 1.7 times as much (docs/performance.md).
"""

import multiprocessing
import os
import sys
from collections import Counter
from collections.abc import Sequence

import psutil

# More were not measured. Among many, two that are pinned to the same one may meet while others lie idle.
MOST_PROCESSORS_UNASKED = 2


def pin_server_process(*, wanted: bool | None) -> None:
    """Keep this process, if a server started it, on the processor that fewest are pinned to.

    Threads that it starts from now on stay there, too. None leaves it to the number of processors.
    """
    if multiprocessing.parent_process() is None or sys.platform != "linux":
        return
    allowed = sorted(os.sched_getaffinity(0), reverse=True)
    if wanted or (wanted is None and len(allowed) <= MOST_PROCESSORS_UNASKED):
        os.sched_setaffinity(0, {_least_pinned(allowed)})


def _least_pinned(allowed: Sequence[int]) -> int:
    pinned = _pinned_to()
    # Those that start at the same moment do not see each other, but the server has numbered them.
    [number, *_of_parents] = multiprocessing.current_process()._identity
    in_turn = [allowed[(number - 1 + place) % len(allowed)] for place in range(len(allowed))]
    return min(in_turn, key=lambda processor: pinned[processor])


def _pinned_to() -> Counter[int]:
    """Return how many programs are pinned to each processor; threads of the system, which are none, have no file."""
    running = psutil.process_iter(["exe", "cpu_affinity"])
    affinities = [one.info["cpu_affinity"] for one in running if one.info["exe"]]
    return Counter(affinity[0] for affinity in affinities if affinity and len(affinity) == 1)
