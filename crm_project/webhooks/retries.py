"""When to try again: pauses that grow over three days, each a little longer or shorter by chance. Pure."""

from collections.abc import Callable

MINUTE, HOUR = 60.0, 3600.0
PAUSES = (
    *(5.0, 30.0, 2 * MINUTE, 10 * MINUTE, 30 * MINUTE),
    *(HOUR, 2 * HOUR, 4 * HOUR, 8 * HOUR, 12 * HOUR, 20 * HOUR, 24 * HOUR),
)
JITTER = 0.2
LONGEST_PAUSE = 24 * HOUR


def pause_after(attempts: int, chance: Callable[[], float], asked_for: float | None = None) -> float | None:
    """Return the seconds to wait after so many attempts that failed, or None when it is time to give up.

    `chance` returns a number from 0 to 1. A pause that the endpoint asked for is kept, if it is the longer one, for a
    day at most.
    """
    if attempts > len(PAUSES):
        return None
    pause = PAUSES[attempts - 1] * (1 - JITTER + 2 * JITTER * chance())
    return max(pause, min(asked_for or 0.0, LONGEST_PAUSE))
