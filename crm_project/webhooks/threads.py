"""Work in threads that keep no process from ending."""

from collections.abc import Callable
from concurrent.futures import Future
from threading import Thread


def begun[T](work: Callable[[], T]) -> Future[T]:
    """Begin some work in a thread of its own; whoever asks for its result gets what it raises, too."""
    future: Future[T] = Future()

    def run() -> None:
        try:
            future.set_result(work())
        except BaseException as error:  # noqa: BLE001, it is raised where the result is asked for
            future.set_exception(error)

    Thread(target=run, daemon=True).start()
    return future
