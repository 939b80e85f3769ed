"""What comes of a call of an endpoint, for those who do not call."""

from dataclasses import dataclass
from enum import StrEnum


class Failure(StrEnum):
    """Why a call failed, where it is not the status alone that says so."""

    ADDRESS_REFUSED = "address_refused"
    NOT_SECURE = "not_secure"
    NO_CONNECTION = "no_connection"
    NO_TLS = "no_tls"
    TIMEOUT = "timeout"
    NO_HTTP = "no_http"
    REDIRECT = "redirect"
    UNSIGNED = "unsigned"
    ERROR = "error"


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
