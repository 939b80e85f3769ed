"""The tables of a command."""

import sys

from rich.console import Console
from rich.table import Table

WIDTH_IN_A_FILE = 160


def rendered(*tables: Table) -> str:
    """Return the tables as they are printed: as wide as the terminal, wide enough in a file."""
    width = None if sys.stdout.isatty() else WIDTH_IN_A_FILE
    console = Console(width=width, markup=False, emoji=False, highlight=False)
    with console.capture() as captured:
        for table in tables:
            console.print(table)
    return captured.get().rstrip("\n")
