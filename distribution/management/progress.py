"""The progress bar of a command."""

import sys
from collections.abc import Iterable

from rich.console import Console
from rich.progress import track

from distribution.watching import Watch


def progress_of(description: str) -> Watch:
    """Return what shows a bar for the steps that it sees pass."""
    return lambda steps, total: with_progress(steps, description, total)


def with_progress[T](steps: Iterable[T], description: str, total: int) -> Iterable[T]:
    """Pass the steps on; a bar on standard error shows how many of `total` are done, if that is a terminal."""
    return track(
        steps,
        description,
        total=total,
        console=Console(stderr=True),
        transient=True,
        disable=not sys.stderr.isatty(),
    )
