"""Measure both databases and print the tables: `make bench`, with QUICK=1 in a few minutes."""

import logging
import sys
from collections.abc import Iterator
from itertools import chain

import psutil

from benchmarks import beside_reference
from benchmarks.beside_reference import Compared
from benchmarks.installations import Installation, installations
from benchmarks.measure import Plan, Result, measure_database
from benchmarks.price import Price, measure_prices
from benchmarks.report import price_table, print_tables, table
from crm_project.environment import env

PERCENT_OF_A_QUIET_MACHINE = 10
QUICK = Plan(seconds=1.5, known_leads=200, ceiling_contacts=3_000, rounds=1, with_prices=False)

type Figures = tuple[list[Result], list[Price], list[Compared]]

logger = logging.getLogger("benchmarks")


def main() -> None:
    """Measure and report; what goes on is said on the standard error."""
    logging.basicConfig(format="%(message)s", stream=sys.stderr)
    logger.setLevel(logging.INFO)
    warn_when_busy()
    plan = QUICK if env.bool("QUICK", False) else Plan()
    beside_reference.install()
    of_each = [figures(there, plan) for there in installations()]
    results, priced, compared = (list(chain.from_iterable(found)) for found in zip(*of_each, strict=True))
    prices_shown = [price_table(priced)] if priced else []
    print_tables([table(results), *prices_shown, beside_reference.table(compared)])


def warn_when_busy() -> None:
    """Say so when other programs use the processors: the figures will be too low."""
    percent = psutil.cpu_percent(interval=1)
    if percent > PERCENT_OF_A_QUIET_MACHINE:
        logger.warning("The machine is busy with other work (%.0f %%): the figures will be too low.", percent)


def figures(there: Installation, plan: Plan) -> Figures:
    """Measure the houses, the prices, and the product beside the reference."""
    results = list(measure_database(there.name, there.databases, there.processes, plan))
    return results, list(prices(there, plan)), list(beside_reference.compare(there, plan))


def prices(there: Installation, plan: Plan) -> Iterator[Price]:
    """Measure what keys and decisions cost, if the plan has them."""
    if plan.with_prices:
        logger.info("%s, the price of keys and decisions", there.name)
        yield from measure_prices(there.name, there.databases, there.processes, plan)


if __name__ == "__main__":
    main()
