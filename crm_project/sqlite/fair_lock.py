"""A lock that is granted in the order it was asked for."""

import threading
from collections import deque


class FairLock:
    """First come, first served.

    `threading.Lock` promises no order, and a thread that releases and asks again often wins again.
    Here a release hands the lock to the one who has waited longest, before anybody else can take it.
    """

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._held = False
        self._waiting: deque[threading.Event] = deque()

    def acquire(self, timeout: float) -> bool:
        """Wait up to `timeout` seconds for the lock; return whether it was granted."""
        with self._guard:
            if not self._held:
                self._held = True
                return True
            turn = threading.Event()
            self._waiting.append(turn)
        return turn.wait(timeout) or self._granted_at_the_last_moment(turn)

    def release(self) -> None:
        """Hand the lock to the one who has waited longest, or free it."""
        with self._guard:
            if self._waiting:
                self._waiting.popleft().set()
            else:
                self._held = False

    def _granted_at_the_last_moment(self, turn: threading.Event) -> bool:
        with self._guard:
            if turn.is_set():
                return True
            self._waiting.remove(turn)
            return False
