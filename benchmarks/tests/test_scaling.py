"""That set-ups are measured and checked; how fast they are is no test's business."""

import io
from unittest.mock import patch

import pytest
from rich.console import Console

from benchmarks import scaling
from benchmarks.measure import Plan, WrongResultError
from benchmarks.scaling import Scaled, Setup, measure, table
from crm_project.testing.databases import Databases

TINY = Plan(seconds=60, at_most=64, known_leads=20)


def assert_figures(row: Scaled) -> None:
    assert 0 < row.p50_milliseconds <= row.p99_milliseconds
    assert row.rate > 0 < row.cpu_milliseconds


@pytest.mark.postgresql
def test_two_hosts_share_the_clients_and_keep_the_limits(databases: Databases) -> None:
    [row] = measure(databases, [Setup("two hosts", [1, 1])], TINY)

    assert_figures(row)


@pytest.mark.postgresql
@pytest.mark.pgbouncer
def test_pgbouncer_stands_between_when_a_setup_has_connections_for_it(databases: Databases) -> None:
    [row] = measure(databases, [Setup("PgBouncer", [2], pool_size=4)], TINY)

    assert_figures(row)


@pytest.mark.postgresql
def test_a_limit_that_is_not_reached_fails_the_run(databases: Databases) -> None:
    with (
        patch.object(scaling, "leave_places"),
        pytest.raises(WrongResultError, match="The database holds"),
    ):
        list(measure(databases, [Setup("one host", [1])], TINY))


@pytest.mark.once
def test_the_table_has_a_row_for_each_setup() -> None:
    console = Console(width=200, file=io.StringIO(), record=True)

    console.print(table([Scaled("one host", 1_234.5, 75.25, 110, 2.5)]))

    assert "| one host |      1,234 |   75.2 |  110.0 |             2.50 |             hold |" in console.export_text()
