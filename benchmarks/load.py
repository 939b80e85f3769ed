"""The load generator: clients that register contacts, each the next one as soon as the last is answered.

A job with a rate is sent at fixed times instead, whether the server is ready or not, as bots do: each call by a client
that is free. Its time counts from when it was due, so that a server that keeps everybody waiting does not look fast.

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
from collections import deque
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from itertools import batched, count, islice, takewhile
from time import perf_counter

from crm_project.setup.children import BASE_DIR

SOURCE_CODE = "bot_benchmark"
SECONDS_TO_ANSWER = 60
CONTENT_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
REQUEST = (
    "POST {path} HTTP/1.1\r\n"
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

    The calls carry `api_key` if there is one, and each an Idempotency-Key of its own if that is asked for. With a
    `rate` there are so many calls a second. `at_most` is a multiple of `contacts_a_call`.
    """

    port: int
    clients: int
    seconds: float
    at_most: int
    known_leads: int
    api_key: str = ""
    with_idempotency_keys: bool = False
    rate: float = 0
    contacts_a_call: int = 1

    @property
    def in_bulk(self) -> bool:
        """Whether a call carries several contacts."""
        return self.contacts_a_call > 1


@dataclass(frozen=True)
class Outcome:
    """How long the whole took, and each answer, and how many contacts were registered; all calls succeeded."""

    seconds: float
    latencies: list[float]
    accepted: int


def run_beside(job: Job) -> Outcome:
    """Do the job in a process of its own. Raises LoadError when an answer was no success, or none came."""
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
    path = "/api/contacts/bulk" if job.in_bulk else "/api/contacts"
    for body in bodies(job):
        yield REQUEST.format(path=path, port=job.port, length=len(body), headers=headers(job), body=body).encode()


def bodies(job: Job) -> Iterator[str]:
    """Return what the requests say."""
    of = islice(external_ids(job.known_leads), job.at_most)
    contacts = ({"external_id": external_id, "source_code": SOURCE_CODE} for external_id in of)
    if not job.in_bulk:
        return map(json.dumps, contacts)
    return (json.dumps({"contacts": together}) for together in batched(contacts, job.contacts_a_call))


def headers(job: Job) -> str:
    """Return the lines of a request's head that differ from job to job."""
    authorization = f"Authorization: Bearer {job.api_key}\r\n" if job.api_key else ""
    return authorization + (f"Idempotency-Key: {secrets.token_hex(16)}\r\n" if job.with_idempotency_keys else "")


class Client:
    """One connection, which is kept open, and how long each of its requests took."""

    def __init__(self, job: Job) -> None:
        self.socket = socket.create_connection(("127.0.0.1", job.port), SECONDS_TO_ANSWER)
        self._success = b"HTTP/1.1 200 " if job.in_bulk else b"HTTP/1.1 201 "
        self.latencies: list[float] = []
        self._received = b""
        self._counts_from = 0.0

    def send(self, request: bytes, counts_from: float) -> None:
        """Send a request whose time counts from a moment."""
        self._received = b""
        self._counts_from = counts_from
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
        if not head.startswith(self._success):
            raise LoadError(f"No success: {self._received.decode()}")
        self.latencies.append(perf_counter() - self._counts_from)
        return True


def content_length(head: bytes) -> int:
    """Return the length of the body that follows `head`. Raises LoadError."""
    match = CONTENT_LENGTH.search(head)
    if match is None:
        raise LoadError(f"An answer without a length: {head!r}")
    return int(match[1])


def run(job: Job) -> Outcome:
    """Do the job. Raises LoadError when an answer is no success, or none comes."""
    with ExitStack() as stack:
        # The usual selector rounds what it waits up to milliseconds, too coarse for fixed times.
        selector = stack.enter_context(selectors.SelectSelector() if job.rate else selectors.DefaultSelector())
        clients = [Client(job) for _number in range(job.clients)]
        for client in clients:
            selector.register(stack.enter_context(client.socket), selectors.EVENT_READ, client)
        started = perf_counter()
        send_all(job, started, clients, selector)
        seconds = perf_counter() - started
    latencies = [latency for client in clients for latency in client.latencies]
    return Outcome(seconds, latencies, len(latencies) * job.contacts_a_call)


def send_all(job: Job, started: float, clients: list[Client], selector: selectors.BaseSelector) -> None:
    """Let whoever is free send each request when it is due, and wait for all answers. Raises LoadError."""
    free = deque(clients)
    for due, request in zip(due_times(job, started), requests(job), strict=False):
        while not free or perf_counter() < due:
            free += answered(selector, due if free else None)
        free.popleft().send(request, counts_from=due if job.rate else perf_counter())
    while len(free) < len(clients):
        free += answered(selector)


def due_times(job: Job, started: float) -> Iterator[float]:
    """Return when the requests are due, as long as the job lasts: at fixed times, or as soon as they are asked for."""
    fixed = (started + number / job.rate for number in count())
    times = fixed if job.rate else iter(perf_counter, None)
    return takewhile(lambda due: due < started + job.seconds, times)


def answered(selector: selectors.BaseSelector, until: float | None = None) -> list[Client]:
    """Wait for what comes next, or until a moment; return the clients whose answer is whole. Raises LoadError."""
    ready = selector.select(SECONDS_TO_ANSWER if until is None else max(0, until - perf_counter()))
    if not ready and until is None:
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
