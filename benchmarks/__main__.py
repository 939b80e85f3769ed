"""Measure both databases and print the table: `make bench`, with QUICK=1 in a minute."""

import logging
import sys

import psutil

from benchmarks.installations import Installation, installations
from benchmarks.measure import Plan, Result, measure_database
from benchmarks.price import Price, measure_prices
from benchmarks.report import print_report
from crm_project.environment import env

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
    (results, prices), (more_results, more_prices) = (figures(there, plan) for there in installations())
    print_report(results + more_results, prices + more_prices)


def warn_when_busy() -> None:
    """Say so when other programs use the processors: the figures will be too low."""
    percent = psutil.cpu_percent(interval=1)
    if percent > PERCENT_OF_A_QUIET_MACHINE:
        logger.warning("The machine is busy with other work (%.0f %%): the figures will be too low.", percent)


def figures(there: Installation, plan: Plan) -> Figures:
    """Measure the houses and the prices."""
    results = list(measure_database(there.name, there.databases, there.processes, plan))
    logger.info("%s, the price of keys and decisions", there.name)
    return results, list(measure_prices(there.name, there.databases, there.processes, plan))


if __name__ == "__main__":
    main()
