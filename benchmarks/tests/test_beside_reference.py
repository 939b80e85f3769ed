"""That the product and the reference are set beside each other rightly; who is faster is no test's business."""

import io

from rich.console import Console

from benchmarks.beside_reference import cells, summary, table
from benchmarks.measure import Measurement


def measurement(rate: float, longest: float) -> Measurement:
    return Measurement(
        clients=32,
        accepted=2_000,
        rate=rate,
        p50_milliseconds=1_000 / rate,
        p99_milliseconds=2_000 / rate,
        longest_seconds=longest,
        cpu_milliseconds=2.5,
        memory_before=90,
        memory_after=91,
    )


ROUNDS = [measurement(200, 0.5), measurement(500, 0.25), measurement(250, 2.5)]


def test_medians_are_compared_and_the_longest_wait_is_the_longest() -> None:
    compared = summary("SQLite", "product", ROUNDS, rate_of_reference=100, given=100)

    assert cells(compared) == ["SQLite", "product", "250", "4.0", "8.0", "2.50", "2.50", "100"]


def test_the_table_has_a_row_for_each_service() -> None:
    console = Console(width=200, file=io.StringIO(), record=True)
    console.print(table(summary("SQLite", service, ROUNDS, 250, 100) for service in ("reference", "product")))

    shown = console.export_text()
    assert (
        "| SQLite   | reference |        250 |    4.0 |    8.0 |           2.50 |                1.00 |          100 |"
        in shown
    )
    assert "| SQLite   | product " in shown
