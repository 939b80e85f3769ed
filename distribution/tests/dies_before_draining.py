"""The application killed, as by kill -9, between the commit that frees a place and the drain that follows."""

import os
import signal
from typing import Any

from crm_project.wsgi import application
from distribution import roster


def die(*_sources: Any) -> None:
    """Kill this process and the one that would start it anew."""
    os.killpg(os.getpgid(0), signal.SIGKILL)


roster.drain_after_commit = die  # type: ignore[assignment]

__all__ = ["application"]
