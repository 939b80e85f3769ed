"""Measure both databases and print the table: `make bench`, with QUICK=1 in a minute."""

import logging
import sqlite3
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

import psutil
import psycopg

from benchmarks.measure import Plan, Result, measure_database
from benchmarks.postgres import DurablePostgres
from benchmarks.price import Price, measure_prices
from benchmarks.report import print_report
from crm_project.environment import env
from crm_project.testing.databases import Databases, Files, OnServer

PERCENT_OF_A_QUIET_MACHINE = 10
QUICK = Plan(seconds=1.5, known_leads=200, ceiling_contacts=3_000)

type Figures = tuple[list[Result], list[Price]]

logger = logging.getLogger("benchmarks")


def main() -> None:
    """Measure and report; what goes on is said on the standard error."""
    logging.basicConfig(format="%(message)s", stream=sys.stderr)
    logger.setLevel(logging.INFO)
    warn_when_busy()
    plan = QUICK if env.bool("QUICK", False) else Plan()
    (results, prices), (more_results, more_prices) = on_sqlite(plan), on_postgresql(plan)
    print_report(results + more_results, prices + more_prices)


def warn_when_busy() -> None:
    """Say so when other programs use the processors: the figures will be too low."""
    percent = psutil.cpu_percent(interval=1)
    if percent > PERCENT_OF_A_QUIET_MACHINE:
        logger.warning("The machine is busy with other work (%.0f %%): the figures will be too low.", percent)


def on_sqlite(plan: Plan) -> Figures:
    """Measure one server process on files."""
    with tempfile.TemporaryDirectory(prefix="crm-benchmarks-") as directory:
        return figures(f"SQLite {sqlite3.sqlite_version}", Files(Path(directory)), 1, plan)


def on_postgresql(plan: Plan) -> Figures:
    """Measure two server processes on a server that is started for this."""
    with ExitStack() as stack:
        postgres = DurablePostgres.start()
        stack.callback(postgres.stop)
        with psycopg.connect(postgres.url) as connection:
            version = (connection.info.parameter_status("server_version") or "").split()[0]
        return figures(f"PostgreSQL {version}", OnServer(postgres.url, stack), 2, plan)


def figures(name: str, databases: Databases, processes: int, plan: Plan) -> Figures:
    """Measure the houses and the prices."""
    results = list(measure_database(name, databases, processes, plan))
    logger.info("%s, the price of keys and decisions", name)
    return results, list(measure_prices(name, databases, processes, plan))


if __name__ == "__main__":
    main()
