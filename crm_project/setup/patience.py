"""Trying again while a server that was killed a moment ago still lets go of its port and its file."""

import time
from collections.abc import Callable

SECONDS_TO_LET_GO = 3


def patiently(attempt: Callable[[], None]) -> None:
    """Attempt until it works; raise the OSError of the last attempt when it still fails after some seconds."""
    deadline = time.monotonic() + SECONDS_TO_LET_GO
    while True:
        try:
            return attempt()
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
