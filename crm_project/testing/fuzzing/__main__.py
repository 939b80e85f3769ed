"""Fuzz both databases as every caller: `make fuzz`, with ARGUMENTS="--seconds 60 --database sqlite" for less."""

import logging
import re
import sys
import tempfile
from argparse import ArgumentParser, Namespace
from contextlib import ExitStack
from pathlib import Path

from crm_project.testing.databases import Databases, Files, OnServer
from crm_project.testing.fuzzing.house import CALLERS, open_house
from crm_project.testing.fuzzing.run import fuzz
from crm_project.testing.postgres import Postgres
from crm_project.testing.server import StartServer

SECONDS = 180
SECONDS_TO_END = 600
KINDS = ("sqlite", "postgresql")
RESULT = re.compile(r"^Test cases:\n *(.+)$|^=+ (.+ in [0-9.]+s) =+$", re.MULTILINE)
NOT_REACHED = re.compile(r"^ +⏭ +(Coverage|Fuzzing|Stateful)$", re.MULTILINE)

logger = logging.getLogger("fuzzing")


def main() -> None:
    """Fuzz and report; exit with 1 when there was a failure."""
    logging.basicConfig(format="%(message)s", stream=sys.stdout, level=logging.INFO)
    logging.getLogger("httpx").setLevel(logging.WARNING)
    options = arguments()
    well = [
        as_caller(kind, caller, options) for kind in options.database or KINDS for caller in options.caller or CALLERS
    ]
    logger.info("%d of %d runs without a failure", well.count(True), len(well))
    sys.exit(not all(well))


def arguments() -> Namespace:
    """Return what was asked for."""
    parser = ArgumentParser(prog="make fuzz", description=__doc__)
    parser.add_argument("--seconds", type=int, default=SECONDS, help="how long each caller calls each database")
    parser.add_argument("--seed", type=int, help="that of an earlier run, to repeat it")
    parser.add_argument("--database", action="append", choices=KINDS)
    parser.add_argument("--caller", action="append", choices=CALLERS)
    return parser.parse_args()


def as_caller(kind: str, caller: str, options: Namespace) -> bool:
    """Fuzz one database as one caller, say how it went, and return whether it went well."""
    with ExitStack() as stack:
        house = open_house(StartServer(databases(kind, stack), stack))
        seed = [] if options.seed is None else [f"--seed={options.seed}"]
        limit = options.seconds + SECONDS_TO_END
        done = fuzz(house, caller, f"--max-time={options.seconds}", *seed, seconds=limit)
        loads = house.server.manage("check_load")
    results = [first or second for first, second in RESULT.findall(done.stdout)]
    logger.info("%s, %s: %s", kind, caller, "; ".join(results))
    missed = NOT_REACHED.findall(done.stdout)
    if missed:
        logger.info("Not reached, more --seconds are needed: %s", ", ".join(missed))
    if done.returncode:
        logger.info("%s", done.stdout)
    if loads.returncode:
        logger.info("%s%s", loads.stdout, loads.stderr)
    return not (missed or done.returncode or loads.returncode)


def databases(kind: str, stack: ExitStack) -> Databases:
    """Return where new databases of the kind come from; the stack removes them."""
    if kind == "sqlite":
        return Files(Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="crm-fuzzing-"))))
    postgres = Postgres.start()
    stack.callback(postgres.stop)
    return OnServer(postgres.url, stack)


if __name__ == "__main__":
    main()
