"""An endpoint that hears webhooks on a loopback port, as a test scripts it: well, or with every kind of malice."""

import json
import socket
import ssl
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.client import parse_headers
from pathlib import Path
from socketserver import StreamRequestHandler, TCPServer, ThreadingMixIn
from typing import Any

SELF_SIGNED = Path(__file__).with_name("self_signed.pem")
GIGABYTE = 1024**3
SECONDS_BETWEEN_DRIPS = 0.05

type Script = Callable[["Message"], "Behaviour"]
type Behaviour = Callable[[socket.socket], None]


@dataclass(frozen=True)
class Message:
    """What arrived."""

    path: str
    headers: dict[str, str]
    body: str
    arrived: float = field(default_factory=time.monotonic)

    @property
    def id(self) -> str:
        """Return the id of the message, the same however often it arrives."""
        return self.headers.get("webhook-id", "")

    @property
    def told(self) -> dict[str, Any]:
        """Return what the message tells."""
        told: dict[str, Any] = json.loads(self.body)
        return told


def status(number: int, text: str = "", **headers: str) -> Behaviour:
    """Answer with a status, and headers whose names are written with underscores."""
    lines = [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    head = [f"HTTP/1.1 {number} As told", f"Content-Length: {len(text.encode())}", *lines]
    return saying("\r\n".join([*head, "", text]))


def saying(text: str) -> Behaviour:
    """Answer with a text that may be no HTTP at all."""
    return lambda connection: connection.sendall(text.encode())


def redirect(target: str) -> Behaviour:
    """Answer that somebody else should be called."""
    return status(307, Location=target)


def hang(connection: socket.socket) -> None:
    """Answer nothing for as long as the caller waits."""
    connection.recv(1)


def hang_up(_connection: socket.socket) -> None:
    """Answer nothing, at once."""


def drip(beginning: str, drop: str) -> Behaviour:
    """Begin an answer, and go on with it drop by drop for as long as the caller waits."""

    def behave(connection: socket.socket) -> None:
        connection.sendall(beginning.encode())
        connection.settimeout(SECONDS_BETWEEN_DRIPS)
        while not _hung_up(connection):
            connection.sendall(drop.encode())

    return behave


def gigabyte(connection: socket.socket) -> None:
    """Answer with more than anybody keeps."""
    connection.sendall(f"HTTP/1.1 200 OK\r\nContent-Length: {GIGABYTE}\r\n\r\n".encode())
    for _ in range(GIGABYTE // 2**20):
        connection.sendall(b"x" * 2**20)


def _hung_up(connection: socket.socket) -> bool:
    try:
        return connection.recv(1) == b""
    except TimeoutError:
        return False


@dataclass
class Receiver:
    """A listening endpoint: what it heard, and of which messages two came at once."""

    script: Script
    url: str = ""
    messages: list[Message] = field(default_factory=list)
    at_once: set[str] = field(default_factory=set)
    _being_heard: Counter[str] = field(default_factory=Counter)
    _guard: threading.Lock = field(default_factory=threading.Lock)

    def hear(self, message: Message, connection: socket.socket) -> None:
        """Note the message, and behave as scripted."""
        with self._guard:
            self.messages.append(message)
            self._being_heard[message.id] += 1
            if self._being_heard[message.id] > 1:
                self.at_once.add(message.id)
        try:
            self.script(message)(connection)
        finally:
            with self._guard:
                self._being_heard[message.id] -= 1


class _Server(ThreadingMixIn, TCPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, receiver: Receiver, address: tuple[str, int], context: ssl.SSLContext | None) -> None:
        self.address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        self.receiver, self.context = receiver, context
        super().__init__(address, _Handler)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: callers that hang up are what this is for."""


class _Handler(StreamRequestHandler):
    server: _Server

    def setup(self) -> None:
        if self.server.context:
            self.request = self.server.context.wrap_socket(self.request, server_side=True)
        super().setup()

    def handle(self) -> None:
        _method, path, _version = self.rfile.readline().decode().split()
        headers = {name.lower(): value for name, value in parse_headers(self.rfile).items()}
        length = int(headers["content-length"])
        body = self.rfile.read(length)
        if len(body) == length:  # or else the caller was killed while it spoke
            self.server.receiver.hear(Message(path, headers, body.decode()), self.connection)

    def finish(self) -> None:
        with suppress(OSError):
            super().finish()
        self.request.close()


def always(behaviour: Behaviour) -> Script:
    """Return the script that behaves the same to every message."""
    return lambda _message: behaviour


HEARS_EVERYTHING = always(status(200))


def self_signed() -> ssl.SSLContext:
    """Return how to speak TLS with a certificate that nobody vouches for."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(SELF_SIGNED)
    return context


@contextmanager
def receiver(
    script: Script = HEARS_EVERYTHING, *, host: str = "127.0.0.1", context: ssl.SSLContext | None = None
) -> Iterator[Receiver]:
    """Listen, and behave to each message as the script says: well, unless told otherwise."""
    heard = Receiver(script)
    with _Server(heard, (host, 0), context) as server:
        scheme, name = ("https" if context else "http"), (f"[{host}]" if ":" in host else host)
        heard.url = f"{scheme}://{name}:{server.server_address[1]}/webhooks"
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        yield heard
        server.shutdown()
        thread.join()
