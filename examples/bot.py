"""A bot to copy: it registers contacts with safe retries, reads them and closes them. It needs `pip install httpx`.

As a script it registers one contact, says who got it, reads it again and closes it:

    CRM_URL=http://127.0.0.1:8000 CRM_KEY=crm_… CRM_SOURCE=bot_telegram python examples/bot.py "I would like a quote"
"""

import os
import random
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Self

import httpx

RETRIES = 5
FIRST_PAUSE_SECONDS = 0.5
LONGEST_RETRY_AFTER_SECONDS = 60.0
TIMEOUT_SECONDS = 15.0  # the server itself answers 503 after ten seconds of waiting for its database
UNANSWERED = (httpx.NetworkError, httpx.TimeoutException, httpx.RemoteProtocolError)
PASSING_STATUSES = {429, 502, 503, 504}


@dataclass(frozen=True)
class Message:
    """What a lead wrote: make it once, and send this very object again when you do not know what became of it."""

    source_code: str
    external_id: str
    text: str = ""
    event_id: str | None = None  # the platform's own id of the message, where it has one
    more: Mapping[str, Any] = field(default_factory=dict)  # name, phone, email, data
    idempotency_key: str = field(default_factory=lambda: str(uuid.uuid4()))

    def body(self) -> dict[str, Any]:
        """Return the fields of the call; what is not known is left out."""
        event = {} if self.event_id is None else {"event_id": self.event_id}
        return {
            "source_code": self.source_code,
            "external_id": self.external_id,
            "text": self.text,
            **event,
            **self.more,
        }


class CrmError(Exception):
    """The call failed, and would fail again as it is; `code` is for programs, `detail` for people."""

    def __init__(self, status: int | None, code: str, detail: str, retry_after: float = 0) -> None:
        super().__init__(f"{status or ''} {code}: {detail}".lstrip())
        self.status, self.code, self.detail, self.retry_after = status, code, detail, retry_after


class CrmBusy(CrmError):
    """No answer, or one that says “not now”, after all retries: send the same message again later."""


class Crm:
    """The calls a bot needs; each is repeated while that may help, then raises CrmError or CrmBusy."""

    def __init__(
        self,
        url: str,
        key: str | None = None,
        *,
        transport: httpx.BaseTransport | None = None,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._http = httpx.Client(base_url=url, headers=headers, timeout=TIMEOUT_SECONDS, transport=transport)
        self._pause = pause

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self._http.close()

    def register(self, message: Message) -> dict[str, Any]:
        """Register a contact and return it, with `operator_id` None while it waits."""
        headers = {"Idempotency-Key": message.idempotency_key}
        return self._call("POST", "/api/contacts", json=message.body(), headers=headers)

    def read(self, contact_id: int) -> dict[str, Any]:
        """Return the contact as it is now."""
        return self._call("GET", f"/api/contacts/{contact_id}")

    def close(self, contact_id: int) -> dict[str, Any]:
        """Close the contact and return it; a closed one stays as it is, so this call needs no key to be repeated."""
        return self._call("POST", f"/api/contacts/{contact_id}/close")

    def _call(self, method: str, path: str, **request: Any) -> dict[str, Any]:
        for pause in pauses():
            try:
                return self._try(method, path, **request)
            except CrmBusy as busy:
                self._pause(busy.retry_after + pause)
        return self._try(method, path, **request)

    def _try(self, method: str, path: str, **request: Any) -> dict[str, Any]:
        try:
            answer = self._http.request(method, path, **request)
        except UNANSWERED as error:
            raise CrmBusy(None, "no_answer", f"{error.request.url}: {error}") from error
        if answer.is_success:
            return answer.json()
        raise error_of(answer)


def pauses() -> Iterator[float]:
    """Yield growing pauses in seconds, with jitter, so that many bots do not come back all at once."""
    for number in range(RETRIES):
        yield FIRST_PAUSE_SECONDS * 2**number * random.uniform(0.5, 1)


def error_of(answer: httpx.Response) -> CrmError:
    """Return what the answer says is wrong; a proxy on the way may say it in words of its own."""
    try:
        error = answer.json()["errors"][0]
        code, detail = error["code"], f"{error['attr']}: {error['detail']}" if error["attr"] else error["detail"]
    except (ValueError, LookupError, TypeError):
        code, detail = "unknown", answer.text[:200]
    passes = answer.status_code in PASSING_STATUSES or code == "still_running"
    asked = answer.headers.get("Retry-After", "")
    retry_after = min(float(asked), LONGEST_RETRY_AFTER_SECONDS) if asked.isdecimal() else 0
    return (CrmBusy if passes else CrmError)(answer.status_code, code, detail, retry_after)


def main() -> None:
    """Register one contact, say who got it, read it, close it."""
    if len(sys.argv) != 2:
        sys.exit('Say what the lead wrote: python examples/bot.py "I would like a quote"')
    message = Message(os.environ.get("CRM_SOURCE", "bot_telegram"), external_id="user_123", text=sys.argv[1])
    try:
        with Crm(os.environ.get("CRM_URL", "http://127.0.0.1:8000"), os.environ.get("CRM_KEY")) as crm:
            contact = crm.register(message)
            operator = contact["operator_name"] or "none yet"
            print(f"Contact {contact['id']} is {contact['status']}, operator: {operator}.")
            print(f"Read again, it is {crm.read(contact['id'])['status']}.")
            print(f"Closed at {crm.close(contact['id'])['closed_at']}.")
    except CrmError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
