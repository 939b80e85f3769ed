"""The results as one table, in Markdown, to be read in a terminal and pasted into a page."""

import os
import platform
from collections.abc import Iterable

from rich.box import MARKDOWN
from rich.console import Console
from rich.table import Table

from benchmarks.measure import Measurement, Result
from benchmarks.price import Price

WIDTH = 200
COLUMNS = (
    *("database", "processes", "house", "clients", "contacts/s", "p50 ms", "p99 ms", "CPU ms a contact"),
    *("ceiling/s", "of the ceiling", "MB before", "MB after"),
)


def print_report(results: Iterable[Result], prices: Iterable[Price]) -> None:
    """Print the tables on the standard output."""
    console = Console(width=WIDTH, highlight=False)
    console.print(table(results))
    console.print(price_table(prices))
    console.print(f"{os.cpu_count()} processors, Python {platform.python_version()}")


def table(results: Iterable[Result]) -> Table:
    """Return a table with a row for each measurement."""
    made = Table(box=MARKDOWN)
    for place, column in enumerate(COLUMNS):
        made.add_column(column, justify="right" if place > 2 else "left")
    for result in results:
        for measurement in result.measurements:
            made.add_row(*cells(result, measurement))
    return made


def price_table(prices: Iterable[Price]) -> Table:
    """Return a table with a row for each kind of call."""
    made = Table("database", "each call carries", "contacts/s", "of the first", box=MARKDOWN)
    for price in prices:
        made.add_row(price.database, price.carried, f"{price.rate:,.0f}", f"{price.of_first:.2f}")
    return made


def cells(result: Result, measurement: Measurement) -> list[str]:
    """Return the texts of a row."""
    return [
        result.database,
        str(result.processes),
        result.house,
        str(measurement.clients),
        f"{measurement.rate:,.0f}",
        f"{measurement.p50_milliseconds:.1f}",
        f"{measurement.p99_milliseconds:.1f}",
        f"{measurement.cpu_milliseconds:.2f}",
        f"{result.ceiling:,.0f}",
        f"{measurement.rate / result.ceiling:.1%}",
        f"{measurement.memory_before:.0f}",
        f"{measurement.memory_after:.0f}",
    ]
