"""The load generator: clients that register contacts, each the next one as soon as the last is answered.

It runs as a process of its own, `python -m benchmarks.load`, with a job as JSON on its standard input and the outcome
as JSON on its standard output. One thread serves all connections, for what it spends the server cannot use: on two
cores a usual HTTP client would take half of them.
"""

import json
import re
import secrets
import selectors
import socket
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from itertools import count, islice
from time import perf_counter

from crm_project.setup.children import BASE_DIR

SOURCE_CODE = "bot_benchmark"
SECONDS_TO_ANSWER = 60
CONTENT_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
REQUEST = (
    "POST /api/contacts HTTP/1.1\r\n"
    "Host: 127.0.0.1:{port}\r\n"
    "Content-Type: application/json\r\n"
    "Content-Length: {length}\r\n"
    "{headers}"
    "\r\n"
    "{body}"
)


class LoadError(Exception):
    """The server did not answer as it must, so nothing was measured."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """What to send: contacts of `external_ids`, until the seconds are over or there were so many.

    The calls carry `api_key` if there is one, and each an Idempotency-Key of its own if that is asked for.
    """

    port: int
    clients: int
    seconds: float
    at_most: int
    known_leads: int
    api_key: str = ""
    with_idempotency_keys: bool = False


@dataclass(frozen=True)
class Outcome:
    """How long the whole took, and each answer; all were 201."""

    seconds: float
    latencies: list[float]

    @property
    def accepted(self) -> int:
        """How many contacts were registered."""
        return len(self.latencies)


def run_beside(job: Job) -> Outcome:
    """Do the job in a process of its own. Raises LoadError when an answer was anything but 201, or none came."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.load"],
        input=json.dumps(asdict(job)),
        capture_output=True,
        text=True,
        cwd=BASE_DIR,
        check=False,
    )
    if done.returncode:
        raise LoadError(done.stderr.strip())
    return Outcome(**json.loads(done.stdout))


def external_ids(known_leads: int) -> Iterator[str]:
    """Yield without end whom the contacts are of: each of a new lead, then one of the known leads in turn.

    The known leads are known once the first 2 * `known_leads` contacts were registered.
    """
    run = secrets.token_hex(4)
    for number in count():
        yield f"new_{run}_{number}"
        yield f"known_{number % known_leads}"


def requests(job: Job) -> Iterator[bytes]:
    """Yield the requests of a job, each as it goes over the wire."""
    for external_id in islice(external_ids(job.known_leads), job.at_most):
        body = json.dumps({"external_id": external_id, "source_code": SOURCE_CODE})
        yield REQUEST.format(port=job.port, length=len(body), headers=headers(job), body=body).encode()


def headers(job: Job) -> str:
    """Return the lines of a request's head that differ from job to job."""
    authorization = f"Authorization: Bearer {job.api_key}\r\n" if job.api_key else ""
    return authorization + (f"Idempotency-Key: {secrets.token_hex(16)}\r\n" if job.with_idempotency_keys else "")


class Client:
    """One connection, which is kept open, and how long each of its requests took."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), SECONDS_TO_ANSWER)
        self.latencies: list[float] = []
        self._received = b""
        self._sent_at = 0.0

    def send(self, request: bytes) -> None:
        """Send a request; its time counts from here."""
        self._received = b""
        self._sent_at = perf_counter()
        self.socket.sendall(request)

    def receive(self) -> bool:
        """Read what has come; return whether the answer is whole. Raises LoadError."""
        received = self.socket.recv(65536)
        if not received:
            raise LoadError(f"The server closed the connection after {self._received!r}")
        self._received += received
        head, end, body = self._received.partition(b"\r\n\r\n")
        if not end or len(body) < content_length(head):
            return False
        if not head.startswith(b"HTTP/1.1 201 "):
            raise LoadError(f"Not 201: {self._received.decode()}")
        self.latencies.append(perf_counter() - self._sent_at)
        return True


def content_length(head: bytes) -> int:
    """Return the length of the body that follows `head`. Raises LoadError."""
    match = CONTENT_LENGTH.search(head)
    if match is None:
        raise LoadError(f"An answer without a length: {head!r}")
    return int(match[1])


def run(job: Job) -> Outcome:
    """Do the job. Raises LoadError when an answer is anything but 201, or none comes."""
    to_send = requests(job)
    with ExitStack() as stack:
        selector = stack.enter_context(selectors.DefaultSelector())
        clients = [Client(job.port) for _number in range(job.clients)]
        for client in clients:
            selector.register(stack.enter_context(client.socket), selectors.EVENT_READ, client)
        started = perf_counter()
        on_their_way = send_next(clients, to_send)
        while on_their_way:
            idle = answered(selector)
            on_their_way -= len(idle)
            if perf_counter() < started + job.seconds:
                on_their_way += send_next(idle, to_send)
        return Outcome(perf_counter() - started, [latency for client in clients for latency in client.latencies])


def send_next(clients: Iterable[Client], to_send: Iterator[bytes]) -> int:
    """Let each of the clients send a request, as far as there are any; return how many did."""
    sent = 0
    for client, request in zip(clients, to_send, strict=False):
        client.send(request)
        sent += 1
    return sent


def answered(selector: selectors.BaseSelector) -> list[Client]:
    """Wait for what comes next; return the clients whose answer is whole. Raises LoadError."""
    ready = selector.select(SECONDS_TO_ANSWER)
    if not ready:
        raise LoadError(f"No answer within {SECONDS_TO_ANSWER} seconds.")
    return [key.data for key, _events in ready if key.data.receive()]


def main() -> None:
    """Do the job on the standard input."""
    try:
        outcome = run(Job(**json.load(sys.stdin)))
    except (LoadError, OSError) as error:
        sys.exit(str(error))
    json.dump(asdict(outcome), sys.stdout)


if __name__ == "__main__":
    main()
