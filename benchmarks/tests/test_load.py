"""That the load generator sends what it is told to, when it is told to."""

import json
from dataclasses import replace
from itertools import islice, pairwise
from time import perf_counter

import pytest

from benchmarks.house import ROOMY, build
from benchmarks.load import Job, due_times, requests, run, run_beside
from crm_project.testing.server import StartServer

SLOWLY = Job(port=0, clients=2, seconds=2, at_most=10, known_leads=1, rate=4)


def test_with_a_rate_the_times_are_fixed_until_the_job_ends() -> None:
    assert list(due_times(SLOWLY, started=100)) == [100, 100.25, 100.5, 100.75, 101, 101.25, 101.5, 101.75]


def test_without_a_rate_a_request_is_due_when_it_is_asked_for() -> None:
    job = replace(SLOWLY, rate=0, seconds=60)

    times = list(islice(due_times(job, started=perf_counter()), 5))

    assert all(earlier < later for earlier, later in pairwise(times))


def test_a_call_in_bulk_carries_so_many_contacts() -> None:
    alone, together = (list(requests(replace(SLOWLY, contacts_a_call=number))) for number in (1, 5))

    assert (len(alone), len(together)) == (10, 2)
    assert together[0].startswith(b"POST /api/contacts/bulk ")
    assert len(json.loads(together[1].partition(b"\r\n\r\n")[2])["contacts"]) == 5


@pytest.mark.once
def test_the_time_of_a_call_counts_from_when_it_was_due(server: StartServer) -> None:
    running = server()
    build(running.port, ROOMY)
    too_fast = Job(port=running.port, clients=1, seconds=60, at_most=30, known_leads=1, rate=100_000)

    outcome = run(too_fast)

    assert outcome.accepted == 30
    assert sum(outcome.latencies) > 2 * outcome.seconds  # whoever came last waited for all the others
    assert max(outcome.latencies) == pytest.approx(outcome.seconds, rel=0.2)


@pytest.mark.once
def test_contacts_in_bulk_are_all_accepted(server: StartServer) -> None:
    running = server()
    build(running.port, ROOMY)

    outcome = run_beside(Job(port=running.port, clients=1, seconds=60, at_most=40, known_leads=2, contacts_a_call=20))

    assert (len(outcome.latencies), outcome.accepted) == (2, 40)
    assert running.rows("SELECT status, count(*) FROM leads_contact GROUP BY status") == [("active", 40)]
