"""One call of an endpoint: no redirect followed, nothing waited for without an end, no more read than is kept."""

import time
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from enum import StrEnum
from urllib.parse import urlsplit

import httpcore
from django.conf import settings
from django.utils import timezone

from crm_project.webhooks.addresses import AddressRefused, CheckedBackend, Deadline
from crm_project.webhooks.models import LONGEST_ANSWER

SECONDS_A_STEP = 5.0
MOST_REDIRECT, LEAST_REDIRECT = 399, 300


class Failure(StrEnum):
    """Why a call failed, where it is not the status alone that says so."""

    ADDRESS_REFUSED = "address_refused"
    NOT_SECURE = "not_secure"
    NO_CONNECTION = "no_connection"
    TIMEOUT = "timeout"
    NO_HTTP = "no_http"
    REDIRECT = "redirect"


@dataclass(frozen=True)
class Answer:
    """What came back from an endpoint; `retry_after` in seconds when it asked to be left alone for a while."""

    status: int | None = None
    failure: str = ""
    text: str = ""
    retry_after: float | None = None
    milliseconds: int = 0

    @property
    def is_heard(self) -> bool:
        """Whether the endpoint said that it has heard."""
        return self.status is not None and 200 <= self.status < 300


def call(url: str, headers: Mapping[str, str], body: str, seconds: float) -> Answer:
    """Send a message and return what came back, after so many seconds at the latest."""
    began = time.monotonic()
    answer = _outcome(url, headers, body.encode(), Deadline(seconds))
    return Answer(
        answer.status, answer.failure, answer.text, answer.retry_after, int((time.monotonic() - began) * 1000)
    )


def _outcome(url: str, headers: Mapping[str, str], body: bytes, deadline: Deadline) -> Answer:
    is_secure = urlsplit(url).scheme == "https"
    backend = CheckedBackend(settings.WEBHOOK_NETWORKS, deadline, internet=is_secure)
    try:
        return _answered(url, headers, body, backend)
    except AddressRefused:
        return Answer(failure=Failure.ADDRESS_REFUSED if is_secure else Failure.NOT_SECURE)
    except httpcore.TimeoutException:
        return Answer(failure=Failure.TIMEOUT)
    except httpcore.NetworkError:
        return Answer(failure=Failure.NO_CONNECTION)
    except (httpcore.ProtocolError, ValueError):
        return Answer(failure=Failure.NO_HTTP)


def _answered(url: str, headers: Mapping[str, str], body: bytes, backend: CheckedBackend) -> Answer:
    limits = dict.fromkeys(("connect", "read", "write", "pool"), SECONDS_A_STEP)
    with httpcore.ConnectionPool(network_backend=backend, max_keepalive_connections=0) as pool:
        sent = list(headers.items())
        with pool.stream("POST", url, headers=sent, content=body, extensions={"timeout": limits}) as response:
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
    """Return as much of the answer as is kept; what comes after is not read."""
    read = b""
    with closing(response.iter_stream()) as parts:  # type: ignore[type-var]
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
    except (TypeError, ValueError):
        return None
