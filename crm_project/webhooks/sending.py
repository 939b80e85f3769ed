"""One call of an endpoint: no redirect followed, nothing waited for without an end, no more read than is kept."""

import ssl
import time
from collections.abc import Mapping
from contextlib import closing, suppress
from dataclasses import replace
from email.utils import parsedate_to_datetime
from functools import cache
from urllib.parse import urlsplit

import httpcore
from django.conf import settings
from django.utils import timezone

from crm_project.webhooks.addresses import AddressRefused, CheckedBackend, Deadline, NotEncrypted
from crm_project.webhooks.answers import Answer, Failure
from crm_project.webhooks.models import LONGEST_ANSWER

SECONDS_TO_CONNECT = 5.0
LEAST_REDIRECT, MOST_REDIRECT = 300, 399


def call(url: str, headers: Mapping[str, str], body: str, seconds: float) -> Answer:
    """Send a message and return what came back, after so many seconds at the latest."""
    began = time.monotonic()
    answer = _outcome(url, headers, body.encode(), Deadline(seconds))
    return replace(answer, milliseconds=int((time.monotonic() - began) * 1000))


@cache
def trust() -> ssl.SSLContext:
    """Return the certificates that are trusted, read once: that takes longer than a call."""
    return httpcore.default_ssl_context()


def _outcome(url: str, headers: Mapping[str, str], body: bytes, deadline: Deadline) -> Answer:
    is_secure = urlsplit(url).scheme == "https"
    backend = CheckedBackend(settings.WEBHOOK_NETWORKS, deadline, internet=is_secure)
    try:
        return _answered(url, headers, body, backend)
    except AddressRefused:
        return Answer(failure=Failure.ADDRESS_REFUSED if is_secure else Failure.NOT_SECURE)
    except NotEncrypted:
        return Answer(failure=Failure.NO_TLS)
    except httpcore.TimeoutException:
        return Answer(failure=Failure.TIMEOUT)
    except httpcore.NetworkError:
        return Answer(failure=Failure.NO_CONNECTION)
    except httpcore.ProtocolError:
        return Answer(failure=Failure.NO_HTTP)


def _answered(url: str, headers: Mapping[str, str], body: bytes, backend: CheckedBackend) -> Answer:
    sent = [("Host", urlsplit(url).netloc), *headers.items()]
    limits = {"timeout": {"connect": SECONDS_TO_CONNECT}}
    with (
        httpcore.ConnectionPool(ssl_context=trust(), network_backend=backend, max_keepalive_connections=0) as pool,
        pool.stream("POST", url, headers=sent, content=body, extensions=limits) as response,
    ):
        return _told(response)


def _told(response: httpcore.Response) -> Answer:
    is_redirect = LEAST_REDIRECT <= response.status <= MOST_REDIRECT
    return Answer(
        status=response.status,
        failure=Failure.REDIRECT if is_redirect else "",
        text=_beginning(response),
        retry_after=_pause_asked_for(_header(response, b"retry-after")),
    )


def _header(response: httpcore.Response, name: bytes) -> str:
    return next((value.decode("ascii", "replace") for key, value in response.headers if key.lower() == name), "")


def _beginning(response: httpcore.Response) -> str:
    """Return as much of the answer as is kept, or as came in time: the status alone decides what the answer was."""
    read = b""
    with (
        suppress(httpcore.TimeoutException, httpcore.NetworkError, httpcore.ProtocolError),
        closing(response.iter_stream()) as parts,  # type: ignore[type-var]
    ):
        for part in parts:
            read += part
            if len(read) >= LONGEST_ANSWER:
                break
    return read[:LONGEST_ANSWER].decode("utf-8", "replace").replace("\0", "\N{REPLACEMENT CHARACTER}")


def _pause_asked_for(value: str) -> float | None:
    """Return the seconds that a header Retry-After names, as a number or as a date; None for anything else."""
    if value.isdecimal():
        return float(value[:9])
    try:
        return max((parsedate_to_datetime(value) - timezone.now()).total_seconds(), 0.0)
    except (TypeError, ValueError, IndexError, OverflowError):
        return None
