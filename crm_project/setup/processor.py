"""Pinning the threads of a server process that answer to one processor.

One of them at a time runs Python. Spread over several processors, each finds what the process works with in the caches
of another: measured on two, the same calls took up to 1.7 times the CPU (docs/performance.md). The threads that only
pass calls and answers on run no Python: those of SQLite's one process may go wherever there is room.
"""

import multiprocessing
import os
import sys
import threading
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress

import psutil

# More were not measured. Among many, two that are pinned to the same one may meet while others lie idle.
MOST_PROCESSORS_UNASKED = 2


class Pinning:
    """Keeps the threads that answer in this process on one processor, if another process has started it to serve.

    Its siblings get other ones. `wanted` is whether to do so; None leaves it to the number of processors. Where the
    system does not let a thread be pinned, it answers all the same.
    """

    def __init__(self, *, wanted: bool | None) -> None:
        is_on = multiprocessing.parent_process() is not None and _is_for_this_machine(wanted)
        self._processor = _chosen() if is_on else None
        self._thread = threading.local()

    def pin_thread(self) -> None:
        """Pin the thread that calls this, the first time that it does, and so those that it starts from then on."""
        if self._processor is not None and not hasattr(self._thread, "was_here"):
            self._thread.was_here = True
            with suppress(OSError):
                os.sched_setaffinity(0, {self._processor})
                # Where the first thread of a process is, others see; it has nothing to do.
                os.sched_setaffinity(os.getpid(), {self._processor})


def _is_for_this_machine(wanted: bool | None) -> bool:
    if sys.platform != "linux":
        return False
    return len(os.sched_getaffinity(0)) <= MOST_PROCESSORS_UNASKED if wanted is None else wanted


def _chosen() -> int:
    siblings, others = _pinned()
    return processor_for(
        multiprocessing.current_process()._identity[-1],
        sorted(os.sched_getaffinity(0), reverse=True),
        siblings=siblings,
        others=others,
    )


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
