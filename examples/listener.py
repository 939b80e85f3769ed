"""A receiver of webhooks to copy. It needs `pip install httpx standardwebhooks`.

It tells each operator in Telegram what was given to them; the operator's external id is the id of their chat:

    WEBHOOK_SECRET=whsec_… TELEGRAM_TOKEN=123:abc python examples/listener.py 8080

Without a token it prints. Behind a proxy that ends TLS, or on this machine, its address is http://127.0.0.1:8080/.
"""

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock
from typing import Any

import httpx
from standardwebhooks import Webhook, WebhookVerificationError

LONGEST_MESSAGE_BYTES = 100_000
MOST_REMEMBERED = 10_000
TOO_MANY = 429
GIVEN = {"contact.assigned", "contact.reassigned", "contact.reopened"}

type Event = dict[str, Any]


def verified(body: bytes, headers: Mapping[str, str], secrets: Sequence[str]) -> Event:
    """Return the event, signed with one of the secrets not long ago. Raises WebhookVerificationError."""
    for secret in secrets:
        try:
            return Webhook(secret).verify(body, dict(headers))
        except WebhookVerificationError:
            continue
    raise WebhookVerificationError("no secret of ours has signed this")


@dataclass
class Listener:
    """Hears messages: what comes twice is told once, and of a contact nothing older than what was told.

    What it remembers is lost when it ends; a real one keeps it in its database, in the transaction of what it does.
    """

    secrets: Sequence[str]
    tell: Callable[[Event], None]
    heard: dict[str, None] = field(default_factory=dict)
    newest: dict[int, int] = field(default_factory=dict)
    lock: Lock = field(default_factory=Lock)

    def hear(self, body: bytes, headers: Mapping[str, str]) -> int:
        """Take a message in and return the status to answer: 204 means heard, anything else «send it again»."""
        try:
            event = verified(body, headers, self.secrets)
        except WebhookVerificationError:
            return 401
        with self.lock:
            return self._take_in(headers["webhook-id"], event)

    def _take_in(self, message_id: str, event: Event) -> int:
        if self._is_news(message_id, event["data"]):
            try:
                self.tell(event)
            except httpx.HTTPError:
                return 503
            self._remember(message_id, event["data"])
        return 204

    def _is_news(self, message_id: str, data: Event) -> bool:
        return message_id not in self.heard and data.get("sequence", 1) > self.newest.get(data.get("contact_id", 0), 0)

    def _remember(self, message_id: str, data: Event) -> None:
        self.heard[message_id] = None
        if "contact_id" in data:
            self.newest[data["contact_id"]] = data["sequence"]
        for memory in (self.heard, self.newest):
            while len(memory) > MOST_REMEMBERED:
                memory.pop(next(iter(memory)))  # type: ignore[call-overload]


def sentence_about(event: Event) -> str | None:
    """Return what the operator should know; None when it is nothing for them."""
    data = event["data"]
    if event["type"] not in GIVEN or data["operator_id"] is None:
        return None
    return f"{data['operator_name']}: contact {data['contact_id']} of {data['external_id']} is yours."


def telegram(token: str, url: str = "https://api.telegram.org") -> Callable[[Event], None]:
    """Return what tells an operator in Telegram. That raises HTTPError for a failure, and the message comes again."""

    def tell(event: Event) -> None:
        sentence, chat = sentence_about(event), event["data"].get("operator_external_id")
        if sentence and chat:
            answer = httpx.post(f"{url}/bot{token}/sendMessage", json={"chat_id": chat, "text": sentence})
            if answer.status_code == TOO_MANY or answer.is_server_error:
                answer.raise_for_status()
            elif answer.is_error:  # such as an operator who has blocked the bot: saying it again would not help
                print(f"Telegram refused: {answer.text}", flush=True)

    return tell


def printed(event: Event) -> None:
    """Print what the operator should know."""
    if sentence := sentence_about(event):
        print(sentence, flush=True)


def server(port: int, listener: Listener) -> ThreadingHTTPServer:
    """Return a server that lets the listener hear what is posted to it."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            if length > LONGEST_MESSAGE_BYTES:
                self.send_error(413)
                return
            headers = {name.lower(): value for name, value in self.headers.items()}
            self.send_response(listener.hear(self.rfile.read(length), headers))
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_arguments: object) -> None:
            """Log nothing: what comes in names people."""

    return ThreadingHTTPServer(("127.0.0.1", port), Handler)


def main() -> None:
    """Listen until Ctrl-C."""
    secrets = os.environ["WEBHOOK_SECRET"].split()
    token = os.environ.get("TELEGRAM_TOKEN")
    url = os.environ.get("TELEGRAM_URL", "https://api.telegram.org")
    tell = telegram(token, url) if token else printed
    with server(int(sys.argv[1]) if len(sys.argv) > 1 else 8080, Listener(secrets, tell)) as listening:
        listening.serve_forever()


if __name__ == "__main__":
    main()
