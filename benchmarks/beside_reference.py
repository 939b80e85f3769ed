"""The product beside the same job as it is commonly written: `python -m benchmarks.beside_reference`, three minutes.

The other one stands in benchmarks/reference, and runs in a virtual environment of its own, which is made on the first
run. Both get the same house and the same load, in turns, each time on a new database.
"""

import logging
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from statistics import median

from rich.table import Table

from benchmarks.house import ROOMY, House, build
from benchmarks.installations import Installation, installations
from benchmarks.load import Job, run_beside
from benchmarks.measure import MeasuredServer, Measurement, Plan, measure, new_server, started
from benchmarks.price import load_on, prepared
from benchmarks.report import print_tables, table_of
from crm_project.setup.children import BASE_DIR

ENVIRONMENT = ".venv-reference"
REFERENCE_DIR = BASE_DIR / "benchmarks" / "reference"
A_HUNDRED_PLACES = House("a hundred places", limit=20, status="active", operators=5)
CONTACTS_FOR_THEM = 400
PYTHON = BASE_DIR / ENVIRONMENT / "bin" / "python"

logger = logging.getLogger("benchmarks")


class ReferenceServer(MeasuredServer):
    """The reference, served as the product is: by so many processes, on a database of its own."""

    def command(self, workers: int, application: str) -> list[str]:
        """Return the command that serves it."""
        return [
            *(str(PYTHON), "-m", "uvicorn", application, "--app-dir", str(REFERENCE_DIR)),
            *("--host", "127.0.0.1", "--port", str(self.port), "--workers", str(workers)),
            *("--no-access-log", "--log-level", "warning"),
        ]

    def start(self) -> None:
        """Make the tables, then start it."""
        environment = {**os.environ, **self.environment}
        subprocess.run([PYTHON, REFERENCE_DIR / "service.py"], env=environment, check=True)
        super().start()

    @property
    def contacts(self) -> Counter[str]:
        """How many contacts of each status are in the database."""
        return Counter(dict(self.rows("SELECT status, count(*) FROM contacts GROUP BY status")))

    def audit(self) -> str:
        """Return nothing: it stores no loads, and gives nobody who waits away."""
        return ""


@dataclass(frozen=True)
class Compared:
    """How a service stood the load: the medians of its rounds, the longest wait of them all, times the reference.

    `given` are the contacts that operators with a hundred places got in all.
    """

    database: str
    service: str
    rate: float
    p50_milliseconds: float
    p99_milliseconds: float
    longest_seconds: float
    times_the_reference: float
    given: int


def main() -> None:
    """Measure on both databases and print the table."""
    logging.basicConfig(format="%(message)s", stream=sys.stderr, level=logging.INFO)
    install()
    print_tables([table(row for there in installations() for row in compare(there, Plan()))])


def install() -> None:
    """Make the virtual environment of the reference, if it is not there. Raises CalledProcessError."""
    subprocess.run(
        ["sh", "crm_project/setup/install.sh", REFERENCE_DIR / "requirements.txt"],
        cwd=BASE_DIR,
        env={**os.environ, "CRM_VENV": ENVIRONMENT, "PYTHON": sys.executable},
        stdout=sys.stderr,
        check=True,
    )


def compare(there: Installation, plan: Plan) -> Iterator[Compared]:
    """Measure both in turns, so that a machine that slows down slows them both."""
    logger.info("%s, beside the reference", there.name)
    services: dict[str, Callable[[Installation], MeasuredServer]] = {"reference": reference, "product": product}
    rounds = [[measured(make(there), plan) for make in services.values()] for _round in range(plan.rounds)]
    of_service = dict(zip(services, zip(*rounds, strict=True), strict=True))
    slowest = median(found.rate for found in of_service["reference"])
    for service, found in of_service.items():
        yield summary(there.name, service, found, slowest, given_of_a_hundred(services[service](there)))


def product(there: Installation) -> MeasuredServer:
    """Return the product on a new database."""
    return new_server(there.databases, there.processes)


def reference(there: Installation) -> MeasuredServer:
    """Return the reference on a new database."""
    return ReferenceServer(
        there.databases.empty(), "service:application", workers=there.processes, drain=False, environment={}
    )


def measured(server: MeasuredServer, plan: Plan) -> Measurement:
    """Put the load of the most clients on a server that is started for it."""
    with prepared(server, plan):
        return measure(server, ROOMY, load_on(server, plan))


def given_of_a_hundred(server: MeasuredServer) -> int:
    """Return how many of 400 contacts at once a server that is started for it gives to five operators of 20 places."""
    with started(server):
        build(server.port, A_HUNDRED_PLACES)
        run_beside(Job(port=server.port, clients=32, seconds=60, at_most=CONTACTS_FOR_THEM, known_leads=100))
        return server.contacts["active"]


def summary(
    database: str, service: str, rounds: Sequence[Measurement], rate_of_reference: float, given: int
) -> Compared:
    """Return what the rounds of a service showed together."""
    rate = median(found.rate for found in rounds)
    return Compared(
        database=database,
        service=service,
        rate=rate,
        p50_milliseconds=median(found.p50_milliseconds for found in rounds),
        p99_milliseconds=median(found.p99_milliseconds for found in rounds),
        longest_seconds=max(found.longest_seconds for found in rounds),
        times_the_reference=rate / rate_of_reference,
        given=given,
    )


def table(compared: Iterable[Compared]) -> Table:
    """Return a table with a row for each service on each database."""
    figures = ("contacts/s", "p50 ms", "p99 ms", "longest wait s", "times the reference", "given of 100")
    return table_of(("database", "service"), figures, map(cells, compared))


def cells(row: Compared) -> list[str]:
    """Return the texts of a row."""
    return [
        row.database,
        row.service,
        f"{row.rate:,.0f}",
        f"{row.p50_milliseconds:.1f}",
        f"{row.p99_milliseconds:.1f}",
        f"{row.longest_seconds:.2f}",
        f"{row.times_the_reference:.2f}",
        str(row.given),
    ]


if __name__ == "__main__":
    main()
