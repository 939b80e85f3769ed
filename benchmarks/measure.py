"""Measurements: load on a running server, what it cost the server, and whether the work was done right."""

import logging
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from statistics import median, quantiles

from benchmarks.ceiling import ceiling
from benchmarks.house import FULL, ROOMY, House, build
from benchmarks.load import Job, run_beside
from crm_project.setup.children import APPLICATION
from crm_project.testing.databases import Databases
from crm_project.testing.server import Server

MEGABYTE = 1024 * 1024
CLIENTS_OF_WARM_UP = 8

logger = logging.getLogger(__name__)


class WrongResultError(Exception):
    """The database does not hold what was accepted, or breaks a rule: the figures would mean nothing."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How much to measure: each load ends after so many seconds or contacts, whichever comes first.

    `rounds` are those beside the reference; what keys and decisions cost takes longest, and may be left out.
    """

    clients: tuple[int, ...] = (1, 8, 32)
    seconds: float = 5
    at_most: int = 10_000
    known_leads: int = 500
    ceiling_contacts: int = 10_000
    rounds: int = 3
    with_prices: bool = True


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """What one load showed; the memory is that of the largest server process, in MB."""

    clients: int
    accepted: int
    rate: float
    p50_milliseconds: float
    p99_milliseconds: float
    longest_seconds: float
    cpu_milliseconds: float
    memory_before: float
    memory_after: float


@dataclass(frozen=True, kw_only=True)
class Result:
    """The loads on one house, and how many contacts a second its database takes without the product."""

    database: str
    processes: int
    house: str
    measurements: list[Measurement]
    ceiling: float


class MeasuredServer(Server):
    """A server whose processes can be looked at."""

    @property
    def cpu_seconds(self) -> float:
        """What all its processes have used so far."""
        times = [process.cpu_times() for process in self.processes]
        return sum(time.user + time.system for time in times)

    @property
    def memory(self) -> float:
        """The resident memory of the largest of its processes, in MB."""
        return max(process.memory_info().rss for process in self.processes) / MEGABYTE

    @property
    def contacts(self) -> Counter[str]:
        """How many contacts of each status are in the database."""
        return Counter(dict(self.rows("SELECT status, count(*) FROM leads_contact GROUP BY status")))

    def audit(self) -> str:
        """Return what is wrong with loads, limits and queue, or nothing."""
        done = self.manage("check_load")
        return done.stdout + done.stderr if done.returncode else ""


def measure_database(name: str, databases: Databases, processes: int, plan: Plan) -> Iterator[Result]:
    """Measure a house with room for all under each number of clients, and a full one under the last of them."""
    for house, clients in ((ROOMY, plan.clients), (FULL, plan.clients[-1:])):
        logger.info("%s, %s", name, house.name)
        server = new_server(databases, processes)
        with started(server):
            measurements = list(measure_house(server, house, replace(plan, clients=clients)))
            yield Result(
                database=name,
                processes=processes,
                house=house.name,
                measurements=measurements,
                ceiling=measure_ceiling(server, house, plan),
            )


@contextmanager
def started(server: MeasuredServer) -> Iterator[None]:
    """Keep the server running."""
    try:
        server.start()
        yield
    finally:
        server.kill()


def measure_house(server: MeasuredServer, house: House, plan: Plan) -> Iterator[Measurement]:
    """Build the house on an empty server, warm it up and measure it."""
    build(server.port, house)
    first = warm_up(server, plan)
    measure(server, house, first)
    for clients in plan.clients:
        logger.info("  %d clients", clients)
        yield measure(server, house, replace(first, clients=clients, seconds=plan.seconds, at_most=plan.at_most))


def new_server(databases: Databases, processes: int, application: str = APPLICATION) -> MeasuredServer:
    """Return a server, not started yet, on a database of its own."""
    return MeasuredServer(
        database_url=databases.migrated(), application=application, workers=processes, drain=False, environment={}
    )


def warm_up(server: MeasuredServer, plan: Plan) -> Job:
    """Return the job after which the known leads are known."""
    return Job(
        port=server.port,
        clients=CLIENTS_OF_WARM_UP,
        seconds=float("inf"),
        at_most=2 * plan.known_leads,
        known_leads=plan.known_leads,
    )


def measure(server: MeasuredServer, house: House, job: Job) -> Measurement:
    """Put the load on the server. Raises LoadError and WrongResultError."""
    contacts, memory_before, cpu_before = server.contacts, server.memory, server.cpu_seconds
    outcome = run_beside(job)
    cpu_seconds = server.cpu_seconds - cpu_before
    check(server, contacts + Counter({house.status: outcome.accepted}))
    return Measurement(
        clients=job.clients,
        accepted=outcome.accepted,
        rate=outcome.accepted / outcome.seconds,
        p50_milliseconds=median(outcome.latencies) * 1000,
        p99_milliseconds=quantiles(outcome.latencies, n=100, method="inclusive")[98] * 1000,
        longest_seconds=max(outcome.latencies),
        cpu_milliseconds=cpu_seconds / outcome.accepted * 1000,
        memory_before=memory_before,
        memory_after=server.memory,
    )


def measure_ceiling(server: MeasuredServer, house: House, plan: Plan) -> float:
    """Return how many contacts a second the database of the server takes. Raises WrongResultError."""
    logger.info("  the ceiling")
    contacts = server.contacts
    rate = ceiling(server.database_url, plan.ceiling_contacts, plan.known_leads)
    check(server, contacts + Counter({house.status: plan.ceiling_contacts}))
    return rate


def check(server: MeasuredServer, expected: Counter[str]) -> None:
    """Raise WrongResultError unless all contacts are there and loads, limits and queue are as they must be."""
    if server.contacts != expected:
        raise WrongResultError(f"The database holds {server.contacts}, not {expected}.")
    if wrong := server.audit():
        raise WrongResultError(wrong)
