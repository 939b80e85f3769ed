"""Pinning a server process to one processor.

One of its threads at a time runs Python. Spread over several processors, each finds what the process works with in the
caches of another: measured on two, the same calls took up to 1.7 times the CPU (docs/performance.md).
"""

import multiprocessing
import os
import sys
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress

import psutil

# More were not measured. Among many, two that are pinned to the same one may meet while others lie idle.
MOST_PROCESSORS_UNASKED = 2


def pin_server_process(*, wanted: bool | None) -> None:
    """Keep this process, if another has started it to serve, on one processor, each of its siblings on another.

    Threads that it starts from now on stay there, too. None leaves it to the number of processors. Where the system
    does not let a process be pinned, it serves all the same.
    """
    if multiprocessing.parent_process() is None or sys.platform != "linux":
        return
    allowed = sorted(os.sched_getaffinity(0), reverse=True)
    if wanted or (wanted is None and len(allowed) <= MOST_PROCESSORS_UNASKED):
        siblings, others = _pinned()
        number = multiprocessing.current_process()._identity[-1]
        with suppress(OSError):
            os.sched_setaffinity(0, {processor_for(number, allowed, siblings=siblings, others=others)})


def processor_for(number: int, allowed: Sequence[int], *, siblings: Sequence[int], others: Sequence[int]) -> int:
    """Return which of the processors is for the process that its server has started as the `number`th, from 1.

    `siblings` and `others` are where those of the same server and those of others are pinned. Siblings that start at
    the same moment do not see each other, but see the same others, and take the processors by turns.
    """
    among_others, among_siblings = Counter(others), Counter(siblings)
    by_others = sorted(allowed, key=lambda processor: among_others[processor])
    turn = (number - 1) % len(allowed)
    return min([*by_others[turn:], *by_others[:turn]], key=lambda processor: among_siblings[processor])


def _pinned() -> tuple[list[int], list[int]]:
    """Return where siblings and where others are pinned; threads of the system, which show no file, are left out.

    So are, for whoever is not root, programs of other users.
    """
    siblings: list[int] = []
    others: list[int] = []
    for process in psutil.process_iter(["ppid", "exe", "cpu_affinity"]):
        one = process.info
        if one["exe"] and len(one["cpu_affinity"] or ()) == 1:
            (siblings if one["ppid"] == os.getppid() else others).extend(one["cpu_affinity"])
    return siblings, others
