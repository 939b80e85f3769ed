"""Waiting for something that another process does."""

import time
from collections.abc import Callable


def wait_until[Answer](condition: Callable[[], Answer], seconds: float = 15) -> Answer:
    """Ask until the answer is true and return it; fail when that takes too long."""
    deadline = time.monotonic() + seconds
    while not (answer := condition()):
        assert time.monotonic() < deadline, f"still waiting after {seconds} seconds"
        time.sleep(0.05)
    return answer
