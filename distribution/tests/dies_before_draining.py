"""The application killed, as by kill -9, between the commit that frees a place and the drain that follows."""

import os
import signal
from typing import Any

from crm_project.wsgi import application
from distribution import queue


def die(*_sources: Any, **_options: Any) -> None:
    """Kill this process and the one that would start it anew."""
    os.killpg(os.getpgid(0), signal.SIGKILL)


queue.drain = die  # type: ignore[assignment]

__all__ = ["application"]
