"""How fast a table is imported, killed and run again on the way: `python -m benchmarks.importing`, five minutes.

A hundred thousand rows on both databases, by a command that is killed three times, whenever so many are stored; then
by two commands at once, each with its part. In the end exactly so many contacts must be there, each operator at the
limit, the rest waiting, and every decision verified.
"""

import os
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from time import perf_counter, sleep
from typing import NamedTuple

from rich.box import MARKDOWN
from rich.console import Console
from rich.table import Table

from benchmarks.house import ROOMY, build
from benchmarks.installations import installations
from benchmarks.load import SOURCE_CODE
from benchmarks.measure import MeasuredServer, WrongResultError, check, new_server, started
from crm_project.setup.children import BASE_DIR
from crm_project.testing.databases import Databases

ROWS = 100_000
OF_WHICH_WAIT = 100  # one of so many
KILLED_AT = (5_000, 10_000, 20_000)
SECONDS_BETWEEN_LOOKS = 0.1
WIDTH = 120


class Imported(NamedTuple):
    """An import: by how many commands at once, how many were stored when it was killed, and what the last run took.

    That run, which was not killed, starts, and goes through the rows that are stored, too.
    """

    database: str
    commands: int
    rows: int
    stored_when_killed: Sequence[int]
    seconds: float

    @property
    def rate(self) -> float:
        """How many rows a second it has stored."""
        stored_before = self.stored_when_killed[-1] if self.stored_when_killed else 0
        return (self.rows - stored_before) / self.seconds


def main() -> None:
    """Measure on both databases and print the table."""
    measured = [
        measure(there.name, there.databases, ROWS, killed_at, commands)
        for there in installations()
        for commands, killed_at in ((1, KILLED_AT), (2, ()))
    ]
    Console(width=WIDTH, highlight=False).print(table(measured))


def measure(name: str, databases: Databases, rows: int, killed_at: Sequence[int], commands: int = 1) -> Imported:
    """Import so many rows into a new database; of several commands, the first is killed. Raises WrongResultError."""
    server = new_server(databases, processes=1)
    house = replace(ROOMY, limit=(rows - rows // OF_WHICH_WAIT) // ROOMY.operators)
    with started(server):
        build(server.port, house)
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory) / "contacts.csv"
        file.write_text("".join(lines(rows)), encoding="utf-8")
        parts = [command(file, part, commands) for part in range(1, commands + 1)]
        stored = [killed(server, parts[0], number) for number in killed_at]
        began = perf_counter()
        with ThreadPoolExecutor(commands) as at_once:
            done = list(at_once.map(lambda part: server.manage(*part), parts))
        seconds = perf_counter() - began
    if wrong := "".join(one.stdout + one.stderr for one in done if one.returncode):
        raise WrongResultError(wrong)
    active = house.limit * house.operators
    check(server, Counter(active=active, waiting=rows - active))
    if (proof := server.manage("verify_decisions")).returncode:
        raise WrongResultError(proof.stdout + proof.stderr)
    return Imported(name, commands, rows, stored, seconds)


def killed(server: MeasuredServer, arguments: Sequence[str], number: int) -> int:
    """Run the import, kill it once so many are stored, and return how many are then.

    Raises WrongResultError when it has ended by itself.
    """
    environment = {**os.environ, **server.environment}
    process = subprocess.Popen([sys.executable, str(BASE_DIR / "manage.py"), *arguments], env=environment)
    while server.contacts.total() < number and process.poll() is None:
        sleep(SECONDS_BETWEEN_LOOKS)
    process.kill()
    if (code := process.wait()) != -signal.SIGKILL:
        raise WrongResultError(f"The import ended by itself, with {code}.")
    return server.contacts.total()


def command(file: Path, part: int, of: int) -> list[str]:
    """Return the command that imports a part of the file."""
    return ["import_contacts", str(file), "--source", SOURCE_CODE, "--part", f"{part}/{of}"]


def lines(rows: int) -> Iterator[str]:
    """Yield the lines of a table of so many rows, each of a lead of its own."""
    yield "external_id,name,phone,text,city\n"
    for number in range(rows):
        yield f"lead_{number},Анна {number},+7912{number:07},Когда привезут заказ?,Пермь\n"


def table(measured: Sequence[Imported]) -> Table:
    """Return a table with a row for each import."""
    made = Table("database", box=MARKDOWN)
    for column in ("commands", "rows", "stored when killed", "seconds of the last run", "contacts/s"):
        made.add_column(column, justify="right")
    for row in measured:
        stored = ", ".join(f"{number:,}" for number in row.stored_when_killed)
        made.add_row(row.database, str(row.commands), f"{row.rows:,}", stored, f"{row.seconds:.1f}", f"{row.rate:,.0f}")
    return made


if __name__ == "__main__":
    main()
