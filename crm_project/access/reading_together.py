"""A read that those who ask at the same moment share.

The way to a database and back takes longer than a look at a few rows. So while one read is under way, those who come
next wait, and the read that follows is for all of them. Whoever asks is answered by a read that began after they
asked: what was changed before, such as a key that was revoked, is never missed.
"""

import threading
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

MOST_SECONDS = 1  # so long anybody waits for the read of another, whose connection may be gone without a word


@dataclass(eq=False)
class Read[Wanted, Found]:
    """What a read is to look for, and what it found: None as long as it is not over, and when it failed."""

    wanted: set[Wanted] = field(default_factory=set)
    found: Mapping[Wanted, Found] | None = None
    over: threading.Event = field(default_factory=threading.Event)


class ReadTogether[Wanted, Found]:
    """A function that finds one thing: it decorates one that finds many, and returns them by what was looked for."""

    def __init__(self, read: Callable[[Collection[Wanted]], Mapping[Wanted, Found]]) -> None:
        self.__doc__ = read.__doc__
        self._read = read
        self._next: Read[Wanted, Found] | None = None
        self._guard = threading.Lock()
        self._turn = threading.Lock()

    def __call__(self, wanted: Wanted) -> Found | None:
        """Return what there is, None for nothing. Raises what the decorated function raises.

        When the read of somebody else failed, or takes long, each of those that it was for looks by themselves.
        """
        read, leads = self._joined(wanted)
        if leads:
            self._lead(read)
        elif not read.over.wait(MOST_SECONDS):
            self._close(read)
        found = self._read([wanted]) if read.found is None else read.found
        return found.get(wanted)

    def _joined(self, wanted: Wanted) -> tuple[Read[Wanted, Found], bool]:
        """Join the next read; return it, and whether it has yet to be led."""
        with self._guard:
            leads = self._next is None
            read = self._next = self._next or Read()
            read.wanted.add(wanted)
        return read, leads

    def _lead(self, read: Read[Wanted, Found]) -> None:
        """Read for all who have joined until its turn came."""
        try:
            with self._in_turn():
                self._close(read)
                read.found = self._read(read.wanted)
        finally:
            self._close(read)
            read.over.set()

    def _close(self, read: Read[Wanted, Found]) -> None:
        """Let nobody join the read any more."""
        with self._guard:
            if self._next is read:
                self._next = None

    @contextmanager
    def _in_turn(self) -> Iterator[None]:
        """Wait until no other read is under way; one that hangs is left to itself, and nobody waits for it any more."""
        turn = self._turn
        if not turn.acquire(timeout=MOST_SECONDS):
            turn = self._turn = threading.Lock()
            turn.acquire()
        try:
            yield
        finally:
            turn.release()
