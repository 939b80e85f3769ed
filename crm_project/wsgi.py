"""The WSGI application that the server runs."""

import gc
import logging
import os
import re
import threading
from collections.abc import Callable, Iterable
from importlib import import_module
from typing import Any

from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.db import connection

from crm_project.setup.processor import Pinning

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "crm_project.settings")

CHARSET = re.compile(r";\s*charset=[^;]*", re.IGNORECASE)
LARGE_BYTES = 256 * 1024

logger = logging.getLogger(__name__)

# What lives as long as the process, addresses and pages included, needs no looking through.
gc.disable()
django_application = get_wsgi_application()
import_module("crm_project.urls")
gc.freeze()
gc.enable()
_left_behind = threading.Event()
_pinning = Pinning(wanted=settings.PIN_SERVER_PROCESSES)
if connection.vendor != "sqlite":
    # Of several processes each keeps to its processor with all its threads, which start where this one is.
    _pinning.pin_thread()


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Answer a request whose body is UTF-8, whatever charset it claims.

    Django decodes the query by that charset before any view or handler could answer for a bad one, such as rot13.
    An error that Django lets pass is logged here: the server would print its whole text.
    """
    environ["CONTENT_TYPE"] = CHARSET.sub("", environ.get("CONTENT_TYPE", ""))
    _clear_up()
    _pinning.pin_thread()
    try:
        response: Any = django_application(environ, start_response)
    except Exception:
        logger.exception("Django did not answer")
        start_response("500 Internal Server Error", [("Content-Length", "0")])
        return []
    headers = getattr(response, "headers", {})  # a file is passed on without them
    if is_large(environ.get("CONTENT_LENGTH")) or is_large(headers.get("Content-Length")):
        _left_behind.set()
    return response


def is_large(length: str | None) -> bool:
    """Return whether a Content-Length is that of something that should not stay in memory for long."""
    return length is not None and length.isdecimal() and int(length) > LARGE_BYTES


def _clear_up() -> None:
    """Free what a large request left behind.

    A request, its view and its answer refer to each other in circles, and Python looks for circles by the number of
    objects, not by their size: a hundred answers of 50 MB are few objects and would stay.
    """
    if _left_behind.is_set():
        _left_behind.clear()
        gc.collect()
