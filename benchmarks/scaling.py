"""How contacts a second grow with processes and hosts: `python -m benchmarks.scaling`, with QUICK=1 in a minute.

One PostgreSQL, and before it each set-up in turn on a database of its own, under 32 clients. The hosts are servers with
ports of their own on this machine, so that they share its processors; the clients are split between them.
"""

import platform
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from statistics import quantiles
from typing import NamedTuple

import httpx
import psutil
from rich.box import MARKDOWN
from rich.console import Console
from rich.table import Table

from benchmarks.house import ROOMY, build, refuse_errors
from benchmarks.load import Job, Outcome, run_beside
from benchmarks.measure import MeasuredServer, Plan, check, started, warm_up
from benchmarks.postgres import DurablePostgres
from benchmarks.report import WIDTH
from crm_project.environment import env
from crm_project.setup.children import APPLICATION
from crm_project.testing.databases import Databases, OnServer
from crm_project.testing.pgbouncer import running, set_for_pgbouncer

CLIENTS = 32
SHORT, LONG = Plan(seconds=2, known_leads=200), Plan(seconds=10)
PLACES_LEFT = 10
CONTACTS_AT_THE_LIMIT = 400


@dataclass(frozen=True)
class Setup:
    """How many server processes each host has, and how many connections PgBouncer has, if there is one."""

    name: str
    processes: Sequence[int]
    pool_size: int | None = None


SETUPS = (
    Setup("one host, one process", [1]),
    Setup("one host, two processes", [2]),
    Setup("one host, four processes", [4]),
    Setup("two hosts, two processes each", [2, 2]),
    Setup("one host, two processes, PgBouncer with 4 connections", [2], pool_size=4),
)


class Scaled(NamedTuple):
    """What 32 clients met at a set-up; limits and loads were found true afterwards."""

    setup: str
    rate: float
    p50_milliseconds: float
    p99_milliseconds: float
    cpu_milliseconds: float


class Hosts:
    """Servers on one database that share the clients; the sweep runs beside the first."""

    def __init__(self, setup: Setup, database_url: str, environment: dict[str, str]) -> None:
        self.servers = [
            MeasuredServer(database_url, APPLICATION, workers=processes, drain=place == 0, environment=environment)
            for place, processes in enumerate(setup.processes)
        ]
        self.first = self.servers[0]

    @property
    def cpu_seconds(self) -> float:
        """What the processes of all servers have used so far."""
        return sum(server.cpu_seconds for server in self.servers)

    def run(self, job: Job) -> list[Outcome]:
        """Do the job, each server its part of it. Raises LoadError."""
        number = len(self.servers)
        part = replace(job, clients=job.clients // number, at_most=job.at_most // number)
        with ThreadPoolExecutor(number) as threads:
            return list(threads.map(run_beside, [replace(part, port=server.port) for server in self.servers]))


def main() -> None:
    """Measure and print the table."""
    plan = SHORT if env.bool("QUICK", False) else LONG
    with ExitStack() as stack:
        postgres = DurablePostgres.start()
        stack.callback(postgres.stop)
        rows = list(measure(OnServer(postgres.url, stack), SETUPS, plan))
    console = Console(width=WIDTH, highlight=False)
    console.print(table(rows))
    console.print(f"{psutil.cpu_count()} processors, Python {platform.python_version()}")


def measure(databases: Databases, setups: Iterable[Setup], plan: Plan) -> Iterator[Scaled]:
    """Measure each set-up with room for all, then at its limits. Raises LoadError and WrongResultError."""
    for setup in setups:
        with started_hosts(setup, databases) as hosts:
            build(hosts.first.port, ROOMY)
            first = warm_up(hosts.first, plan)
            run_beside(first)  # by one host, for each begins with the same leads
            yield under_load(setup, hosts, replace(first, clients=CLIENTS, seconds=plan.seconds, at_most=plan.at_most))
            fill(hosts, replace(first, clients=CLIENTS, at_most=CONTACTS_AT_THE_LIMIT))


@contextmanager
def started_hosts(setup: Setup, databases: Databases) -> Iterator[Hosts]:
    """Keep the servers of a set-up running on a database of their own."""
    url, environment = databases.migrated(), {"PGBOUNCER": "0"}
    with ExitStack() as stack:
        if setup.pool_size:
            set_for_pgbouncer(url)
            url = stack.enter_context(running(url, setup.pool_size)).through(url)
            environment = {"PGBOUNCER": "1"}
        hosts = Hosts(setup, url, environment)
        for server in hosts.servers:
            stack.enter_context(started(server))
        yield hosts


def under_load(setup: Setup, hosts: Hosts, job: Job) -> Scaled:
    """Return what the clients meet. Raises LoadError, and WrongResultError when a contact or a load is wrong."""
    contacts, cpu_before = hosts.first.contacts, hosts.cpu_seconds
    outcomes = hosts.run(job)
    cpu_seconds = hosts.cpu_seconds - cpu_before
    latencies = [latency for outcome in outcomes for latency in outcome.latencies]
    check(hosts.first, contacts + Counter({ROOMY.status: len(latencies)}))
    percentiles = quantiles(latencies, n=100)
    return Scaled(
        setup=setup.name,
        rate=len(latencies) / max(outcome.seconds for outcome in outcomes),
        p50_milliseconds=percentiles[49] * 1000,
        p99_milliseconds=percentiles[98] * 1000,
        cpu_milliseconds=cpu_seconds / len(latencies) * 1000,
    )


def fill(hosts: Hosts, job: Job) -> None:
    """Leave each operator a few places and send more contacts: they take the places, the others wait.

    Raises LoadError, and WrongResultError when it is not so.
    """
    leave_places(hosts.first.port)
    contacts, places = hosts.first.contacts, PLACES_LEFT * ROOMY.operators
    hosts.run(job)
    check(hosts.first, contacts + Counter(active=places, waiting=job.at_most - places))


def leave_places(port: int) -> None:
    """Set the limit of each operator to a few more than they have."""
    with httpx.Client(base_url=f"http://127.0.0.1:{port}/api", event_hooks={"response": [refuse_errors]}) as api:
        for operator in api.get("/operators").json()["results"]:
            api.patch(f"/operators/{operator['id']}", json={"max_load": operator["load"] + PLACES_LEFT})


def table(rows: Iterable[Scaled]) -> Table:
    """Return a table with a row for each set-up."""
    made = Table("set-up", box=MARKDOWN)
    for column in ("contacts/s", "p50 ms", "p99 ms", "CPU ms a contact", "limits and loads"):
        made.add_column(column, justify="right")
    for row in rows:
        made.add_row(
            row.setup,
            f"{row.rate:,.0f}",
            f"{row.p50_milliseconds:.1f}",
            f"{row.p99_milliseconds:.1f}",
            f"{row.cpu_milliseconds:.2f}",
            "hold",  # else the run would have failed
        )
    return made


if __name__ == "__main__":
    main()
