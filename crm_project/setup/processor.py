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
    """Keep this process, if a server started it, on one processor, each of the server's on another.

    Threads that it starts from now on stay there, too. None leaves it to the number of processors.
    """
    if multiprocessing.parent_process() is None or sys.platform != "linux":
        return
    allowed = sorted(os.sched_getaffinity(0), reverse=True)
    if wanted or (wanted is None and len(allowed) <= MOST_PROCESSORS_UNASKED):
        pinned = _pinned()
        siblings = {one.pid for one in psutil.Process(os.getppid()).children()}
        processor = processor_for(
            multiprocessing.current_process()._identity[0],
            allowed,
            siblings=[where for pid, where in pinned.items() if pid in siblings],
            others=[where for pid, where in pinned.items() if pid not in siblings],
        )
        os.sched_setaffinity(0, {processor})


def processor_for(number: int, allowed: Sequence[int], *, siblings: Sequence[int], others: Sequence[int]) -> int:
    """Return which of the processors is for the process that its server has started as the `number`th, from 1.

    `siblings` and `others` are where those of the same server and those of others are pinned. Siblings that start at
    the same moment do not see each other, but see the same others, and take the processors by turns.
    """
    among_others, among_siblings = Counter(others), Counter(siblings)
    by_others = sorted(allowed, key=lambda processor: among_others[processor])
    turn = (number - 1) % len(allowed)
    return min([*by_others[turn:], *by_others[:turn]], key=lambda processor: among_siblings[processor])


def _pinned() -> dict[int, int]:
    """Return who is pinned to which processor, by the id of the process; threads of the system have no file."""
    running = [one.info for one in psutil.process_iter(["pid", "exe", "cpu_affinity"])]
    return {one["pid"]: one["cpu_affinity"][0] for one in running if one["exe"] and len(one["cpu_affinity"] or ()) == 1}
