"""That exports are measured whole; how fast they are is no test's business."""

import io

import pytest
from rich.console import Console

from benchmarks import exports
from benchmarks.exports import Exported, measure, table
from benchmarks.measure import WrongResultError
from crm_project.testing.databases import Databases


def test_all_and_half_of_the_contacts_are_counted(databases: Databases) -> None:
    whole, half = measure("a database", databases, processes=1, contacts=1_200)

    assert (whole.rows, half.rows) == (1_200, 600)
    assert whole.megabytes > half.megabytes > 0
    for measured in (whole, half):
        assert 0 < measured.first <= measured.seconds
        assert 0 < measured.memory_before <= measured.memory_peak


@pytest.mark.once
def test_a_row_that_is_missing_fails_the_run(databases: Databases, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exports, "FILL", exports.FILL.replace("n < {contacts}", "n < {contacts} - 1"))

    with pytest.raises(WrongResultError, match="The export has 10 lines, not 11"):
        next(measure("a database", databases, processes=1, contacts=10))


@pytest.mark.once
def test_the_table_has_a_row_for_each() -> None:
    console = Console(width=200, file=io.StringIO(), record=True)
    console.print(table([Exported("SQLite", "all", 1_000_000, 50.0, 0.25, 230.4, 90.2, 95.7)]))

    assert "| SQLite   | all      | 1,000,000 |    50.0 | 20,000 |" in console.export_text()
