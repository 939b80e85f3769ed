"""The results as one table, in Markdown, to be read in a terminal and pasted into a page."""

import os
import platform
from collections.abc import Iterable, Sequence

from rich.box import MARKDOWN
from rich.console import Console
from rich.table import Table

from benchmarks.measure import Measurement, Result
from benchmarks.price import Price

WIDTH = 200
TEXTS = ("database", "processes", "house")
FIGURES = (
    *("clients", "contacts/s", "p50 ms", "p99 ms", "CPU ms a contact"),
    *("ceiling/s", "of the ceiling", "MB before", "MB after"),
)


def print_tables(tables: Iterable[Table]) -> None:
    """Print the tables on the standard output, each as soon as it is there, and on what they were measured."""
    console = Console(width=WIDTH, highlight=False)
    for made in tables:
        console.print(made)
    console.print(f"{os.cpu_count()} processors, Python {platform.python_version()}")


def table_of(texts: Sequence[str], figures: Sequence[str], rows: Iterable[Sequence[str]]) -> Table:
    """Return a table whose first columns are texts and whose last are figures."""
    made = Table(*texts, box=MARKDOWN)
    for column in figures:
        made.add_column(column, justify="right")
    for row in rows:
        made.add_row(*row)
    return made


def table(results: Iterable[Result]) -> Table:
    """Return a table with a row for each measurement."""
    rows = (cells(result, measurement) for result in results for measurement in result.measurements)
    return table_of(TEXTS, FIGURES, rows)


def price_table(prices: Iterable[Price]) -> Table:
    """Return a table with a row for each kind of call."""
    rows = ((price.database, price.carried, f"{price.rate:,.0f}", f"{price.of_first:.2f}") for price in prices)
    return table_of(("database", "each call carries"), ("contacts/s", "of the first"), rows)


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
