"""What an arrival costs when there are more operators on the source: `python -m benchmarks.growth`."""

import logging
import sys
from collections.abc import Iterator
from dataclasses import replace

from benchmarks.house import ROOMY, build
from benchmarks.installations import Installation, installations
from benchmarks.measure import Measurement, Plan, measure, new_server, started, warm_up
from benchmarks.price import load_on
from benchmarks.report import print_tables, table_of

OPERATORS = (10, 100, 1_000)
FIGURES = ("operators", "contacts/s", "CPU ms a contact", "p50 ms", "p99 ms", "longest wait s")


def main() -> None:
    """Measure on both databases and print the table."""
    logging.basicConfig(format="%(message)s", stream=sys.stderr, level=logging.INFO)
    print_tables([table_of(("database",), FIGURES, (row for there in installations() for row in rows(there, Plan())))])


def rows(there: Installation, plan: Plan) -> Iterator[list[str]]:
    """Yield a row for each number of operators."""
    for operators in OPERATORS:
        yield [there.name, f"{operators:,}", *cells(with_operators(there, operators, plan))]


def with_operators(there: Installation, operators: int, plan: Plan) -> Measurement:
    """Measure a house with so many operators."""
    house = replace(ROOMY, operators=operators)
    server = new_server(there.databases, there.processes)
    with started(server):
        build(server.port, house)
        measure(server, house, warm_up(server, plan))
        return measure(server, house, load_on(server, plan))


def cells(found: Measurement) -> list[str]:
    """Return the texts of a measurement."""
    return [
        f"{found.rate:,.0f}",
        f"{found.cpu_milliseconds:.2f}",
        f"{found.p50_milliseconds:.1f}",
        f"{found.p99_milliseconds:.1f}",
        f"{found.longest_seconds:.2f}",
    ]


if __name__ == "__main__":
    main()
