"""That the figures add up; how large they are is no test's business."""

from collections import Counter
from subprocess import CompletedProcess
from unittest.mock import patch

import pytest

from benchmarks import price
from benchmarks.beside import beside
from benchmarks.lists import Measured, table
from benchmarks.load import Job, LoadError, external_ids, run_beside
from benchmarks.measure import (
    MeasuredServer,
    Measurement,
    Plan,
    Result,
    WrongResultError,
    check,
    measure_database,
    new_server,
)
from benchmarks.price import KEY, KEY_AND_RETRIES, NOTHING, WITHOUT_DECISIONS, price_of_decisions, price_of_keys
from benchmarks.report import FIGURES, TEXTS, cells
from crm_project.setup.children import APPLICATION
from crm_project.testing.databases import Databases
from crm_project.testing.server import Server, StartServer

TINY = Plan(clients=(1, 4), seconds=60, at_most=24, known_leads=5, ceiling_contacts=16)


def job(server: Server, at_most: int = 3) -> Job:
    return Job(port=server.port, clients=2, seconds=60, at_most=at_most, known_leads=1)


def test_every_second_contact_is_of_a_known_lead_in_turn() -> None:
    first_run, second_run = external_ids(2), external_ids(2)
    first, second = [next(first_run) for _ in range(6)], [next(second_run) for _ in range(6)]

    assert first[1::2] == second[1::2] == ["known_0", "known_1", "known_0"]
    assert len({*first[::2], *second[::2]}) == 6


def test_both_houses_are_measured_and_every_contact_is_found_in_the_database(databases: Databases) -> None:
    roomy, full = measure_database("a database", databases, processes=1, plan=TINY)

    assert [(m.clients, m.accepted) for m in roomy.measurements] == [(1, 24), (4, 24)]
    assert [(m.clients, m.accepted) for m in full.measurements] == [(4, 24)]
    assert roomy.ceiling > 0 < full.ceiling
    for measurement in roomy.measurements + full.measurements:
        assert 0 < measurement.p50_milliseconds <= measurement.p99_milliseconds
        assert measurement.rate > 0 < measurement.memory_before


@pytest.mark.once
def test_an_answer_other_than_201_fails_the_run(server: StartServer) -> None:
    with pytest.raises(LoadError, match="source_not_found"):
        run_beside(job(server()))


@pytest.mark.once
def test_a_server_that_is_not_there_fails_the_run(server: StartServer) -> None:
    running = server()
    running.stop()

    with pytest.raises(LoadError, match="refused"):
        run_beside(job(running))


def not_started(database_url: str) -> MeasuredServer:
    return MeasuredServer(database_url, APPLICATION, workers=1, drain=False, environment={})


def test_a_contact_that_was_accepted_and_is_not_in_the_database_fails_the_run(fresh_database: str) -> None:
    with pytest.raises(WrongResultError, match="The database holds"):
        check(not_started(fresh_database), Counter(active=1))


def test_a_broken_rule_fails_the_run(fresh_database: str) -> None:
    broken = CompletedProcess([], returncode=1, stdout="Wrong: 1.", stderr="")
    with patch.object(MeasuredServer, "manage", return_value=broken), pytest.raises(WrongResultError, match="Wrong: 1"):
        check(not_started(fresh_database), Counter())


def test_a_row_of_the_table_sets_the_rate_beside_the_ceiling() -> None:
    measurement = Measurement(
        clients=32,
        accepted=2_000,
        rate=400,
        p50_milliseconds=75.25,
        p99_milliseconds=110,
        longest_seconds=0.2,
        cpu_milliseconds=2.5,
        memory_before=90,
        memory_after=91,
    )
    result = Result(database="SQLite", processes=1, house="roomy", measurements=[measurement], ceiling=5_000)

    row = cells(result, measurement)

    assert row == ["SQLite", "1", "roomy", "32", "400", "75.2", "110.0", "2.50", "5,000", "8.0%", "90", "91"]
    assert len(row) == len(TEXTS + FIGURES)


@pytest.mark.once
def test_the_price_of_keys_is_a_part_of_the_rate_without(databases: Databases, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(price, "TURNS", 1)
    server = new_server(databases, processes=1)

    nothing, key, both = price_of_keys("a database", server, TINY)

    assert [found.carried for found in (nothing, key, both)] == [NOTHING, KEY, KEY_AND_RETRIES]
    assert nothing.of_first == 1
    assert key.of_first == key.rate / nothing.rate
    assert server.rows("SELECT count(*) FROM access_keptanswer") == [(TINY.at_most,)]


def test_the_price_of_decisions_compares_a_server_that_records_none(
    databases: Databases, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(price, "TURNS", 1)
    bare, server = new_server(databases, 1, WITHOUT_DECISIONS), new_server(databases, 1)

    _without, with_decisions = price_of_decisions("a database", bare, server, TINY)

    assert with_decisions.of_first > 0
    assert bare.rows("SELECT count(*) FROM distribution_decision") == [(0,)]
    assert server.rows("SELECT count(*) FROM distribution_decision") == server.rows(
        "SELECT count(*) FROM leads_contact"
    )


def test_every_list_is_measured_by_every_filter_and_order(databases: Databases) -> None:
    rows = [Measured._make(row) for row in beside("benchmarks.lists", databases, CONTACTS="1000", TIMES="2")]

    narrowed = {name.split("=")[0] for row in rows for name in row.name.split()[1:]}
    assert narrowed == {
        *("status", "source", "source_code", "operator", "lead", "external_id"),
        *("created_after", "created_before", "ordering"),
    }
    assert all(0 < middle <= high for row in rows for middle, high in row[1:])
    assert len(table(rows, rows).columns) == 7
