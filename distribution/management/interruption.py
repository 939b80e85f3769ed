"""What Ctrl-C and SIGTERM do to a command: end it at once, or after the step it is at."""

import signal
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from threading import Event
from types import FrameType

INTERRUPTED = 130
SIGNALS = (signal.SIGINT, signal.SIGTERM)

type Handler = Callable[[int, FrameType | None], None]


@contextmanager
def ending_at_once() -> Iterator[Event]:
    """Leave the block as soon as a signal comes, wherever it is; an open transaction is undone.

    The event it gives is set too: where Python drops an exception, as in a destructor, the next look at it ends
    the block.
    """
    ended = Event()

    def end(*_: object) -> None:
        ended.set()
        # A second signal must not disturb the way out.
        for number in SIGNALS:
            signal.signal(number, signal.SIG_IGN)
        raise KeyboardInterrupt

    with _handling(end), suppress(KeyboardInterrupt):
        yield ended


@contextmanager
def stopping_between_steps() -> Iterator[Event]:
    """Give an event that a signal sets; a second signal interrupts at once."""
    stop = Event()

    def ask_to_stop(*_: object) -> None:
        stop.set()
        for number in SIGNALS:
            signal.signal(number, signal.default_int_handler)

    with _handling(ask_to_stop):
        yield stop


def until[T](stop: Event, steps: Iterable[T]) -> Iterator[T]:
    """Yield the steps, and begin no further one once `stop` is set."""
    iterator = iter(steps)
    while not stop.is_set():
        try:
            step = next(iterator)
        except StopIteration:
            return
        yield step


@contextmanager
def _handling(handler: Handler) -> Iterator[None]:
    before = {number: signal.signal(number, handler) for number in SIGNALS}
    try:
        yield
    finally:
        for number, previous in before.items():
            signal.signal(number, previous)
