"""How an arrival does as things grow: `python -m benchmarks.growth`, in half an hour; names of tables for those alone.

More operators on the source, more stored contacts, a call at a fixed time, many contacts in a call, many calls to one
process: a table for each.
"""

import logging
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from rich.table import Table

from benchmarks.house import ROOMY, House, build
from benchmarks.installations import Installation, installations
from benchmarks.load import Job
from benchmarks.measure import MeasuredServer, Measurement, Plan, measure, new_server, started, warm_up
from benchmarks.price import load_on, prepared
from benchmarks.report import print_tables, table_of

OPERATORS = (10, 100, 1_000)
STORED = (0, 100_000, 1_000_000)
OF_WHICH_IN_WORK = 10
CLIENTS_OF_FEW = 2
PART_OF_THE_HIGHEST_RATE = 0.6
CONTACTS_A_CALL = 1_000
CALLS_TO_ONE_SERVER = 200_000
MANY = House("room for many", limit=10_000, status="active", operators=50)
FILL = "from crm_project.testing.long_lists import fill; fill({contacts}, active={active})"
FIGURES = ("contacts/s", "CPU ms a contact", "p50 ms", "p99 ms", "longest wait s", "MB before", "MB after")

type Rows = Iterator[tuple[str, Measurement]]

logger = logging.getLogger("benchmarks")


def main() -> None:
    """Measure on both databases and print the tables."""
    logging.basicConfig(format="%(message)s", stream=sys.stderr)
    logger.setLevel(logging.INFO)
    named = sys.argv[1:] or list(TABLES)
    if unknown := [name for name in named if name not in TABLES]:
        sys.exit(f"There is no table {unknown[0]}. There are: {', '.join(TABLES)}")
    print_tables(table for there in installations() for table in tables(there, named, Plan()))


def tables(there: Installation, named: Sequence[str], plan: Plan) -> Iterator[Table]:
    """Yield the tables that are named."""
    for name in named:
        logger.info("%s, %s", there.name, name)
        found = TABLES[name](there, plan)
        yield table_of((there.name,), FIGURES, [[what, *cells(measurement)] for what, measurement in found])


def operators(there: Installation, plan: Plan) -> Rows:
    """Yield what loads show with more and more operators on the source."""
    for number in OPERATORS:
        house = replace(ROOMY, operators=number)
        server = new_server(there.databases, there.processes)
        with started(server):
            yield f"{number:,} operators", under_load(server, house, plan)


def stored(there: Installation, plan: Plan) -> Rows:
    """Yield what loads show beside more and more contacts of other sources."""
    for number in STORED:
        server = new_server(there.databases, there.processes)
        if number:
            server.manage("shell", "-c", FILL.format(contacts=number, active=number // OF_WHICH_IN_WORK))
        with started(server):
            yield f"{number:,} stored contacts", under_load(server, ROOMY, plan)


def under_load(server: MeasuredServer, house: House, plan: Plan) -> Measurement:
    """Build the house on a running server and return what the load of the most clients shows."""
    build(server.port, house)
    measure(server, house, warm_up(server, plan))
    return measure(server, house, load_on(server, plan))


def open_loop(there: Installation, plan: Plan) -> Rows:
    """Yield what few clients show, then the highest rate, then calls that do not wait for answers, at a part of it."""
    server = new_server(there.databases, there.processes)
    with prepared(server, plan):
        job = load_on(server, plan)
        yield f"{CLIENTS_OF_FEW} clients", measure(server, ROOMY, replace(job, clients=CLIENTS_OF_FEW))
        highest = measure(server, ROOMY, job)
        yield f"{job.clients} clients", highest
        steady = replace(job, rate=highest.rate * PART_OF_THE_HIGHEST_RATE, seconds=2 * plan.seconds)
        yield f"a call every {1000 / steady.rate:.1f} ms", measure(server, ROOMY, steady)


def bulk(there: Installation, plan: Plan) -> Rows:
    """Yield what single calls show, then calls of many contacts; a latency is that of a call."""
    for house in (ROOMY, MANY):
        server = new_server(there.databases, there.processes)
        with started(server):
            build(server.port, house)
            measure(server, house, warm_up(server, plan))
            single = load_on(server, plan)
            many = replace(single, contacts_a_call=CONTACTS_A_CALL, clients=4, at_most=20 * CONTACTS_A_CALL)
            on = f"{house.operators} operators"
            yield f"{on}, single calls", measure(server, house, single)
            yield f"{on}, {CONTACTS_A_CALL:,} in a call", measure(server, house, replace(many, seconds=float("inf")))


def memory(there: Installation, plan: Plan) -> Rows:
    """Yield what many calls leave behind in the server; the environment may say how many (CALLS)."""
    server = new_server(there.databases, there.processes)
    with started(server):
        build(server.port, MANY)
        job: Job = warm_up(server, plan)
        measure(server, MANY, job)
        calls = int(os.environ.get("CALLS", CALLS_TO_ONE_SERVER))
        yield f"{calls:,} calls", measure(server, MANY, replace(job, at_most=calls))


TABLES: dict[str, Callable[[Installation, Plan], Rows]] = {
    table.__name__: table for table in (operators, stored, open_loop, bulk, memory)
}


def cells(found: Measurement) -> list[str]:
    """Return the texts of a measurement."""
    return [
        f"{found.rate:,.0f}",
        f"{found.cpu_milliseconds:.2f}",
        f"{found.p50_milliseconds:.1f}",
        f"{found.p99_milliseconds:.1f}",
        f"{found.longest_seconds:.2f}",
        f"{found.memory_before:.0f}",
        f"{found.memory_after:.0f}",
    ]


if __name__ == "__main__":
    main()
