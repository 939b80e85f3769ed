"""That an import is measured whole, killed or not; how fast it is is no test's business."""

import io
from itertools import islice
from unittest.mock import patch

import pytest
from rich.console import Console

from benchmarks import importing
from benchmarks.importing import Imported, lines, measure, table
from benchmarks.measure import WrongResultError
from crm_project.testing.databases import Databases


def test_every_row_is_there_in_the_end(databases: Databases) -> None:
    measured = measure("a database", databases, 5_000, [100, 2_000])

    first, second = measured.stored_when_killed
    assert 100 <= first < 2_000 <= second < 5_000
    assert measured.rate == (5_000 - second) / measured.seconds > 0


def test_two_commands_at_once_import_a_part_each(databases: Databases) -> None:
    measured = measure("a database", databases, 1_000, [], commands=2)

    assert measured.rate == 1_000 / measured.seconds > 0


def test_one_that_cannot_be_killed_on_the_way_fails_the_run(databases: Databases) -> None:
    with pytest.raises(WrongResultError, match="ended by itself, with 0"):
        measure("a database", databases, 100, [200])


@pytest.mark.once
def test_a_row_that_is_missing_fails_the_run(databases: Databases) -> None:
    all_but_one = patch.object(importing, "lines", lambda rows: islice(lines(rows), rows))

    with all_but_one, pytest.raises(WrongResultError, match="The database holds"):
        measure("a database", databases, 100, [])


@pytest.mark.once
def test_the_table_has_a_row_for_each() -> None:
    console = Console(width=120, file=io.StringIO(), record=True)
    console.print(table([Imported("SQLite", 1, 100_000, [8_000, 20_000], 64.0)]))

    assert (
        "| SQLite   |        1 | 100,000 |      8,000, 20,000 |                    64.0 |      1,250 |"
        in console.export_text()
    )
