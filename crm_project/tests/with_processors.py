"""The application, which says on which processors the thread that answers may run."""

import os
from collections.abc import Callable, Iterable
from typing import Any

from crm_project import wsgi

HEADER = "X-Processors"


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Answer a request."""

    def start(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
        processors = " ".join(map(str, sorted(os.sched_getaffinity(0))))
        return start_response(status, [*headers, (HEADER, processors)], exc_info)

    return wsgi.application(environ, start)
