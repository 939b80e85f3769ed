"""Each server process stays on a processor of its own."""

import multiprocessing
import os
import sys
from contextlib import suppress

import httpx
import psutil
import pytest

from crm_project.setup.processor import pin_server_process, processor_for
from crm_project.testing.server import Server, StartServer
from crm_project.testing.waiting import wait_until

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="other systems do not pin")

ALLOWED = frozenset(os.sched_getaffinity(0) if sys.platform == "linux" else ())


def processes_of(server: Server) -> list[psutil.Process]:
    """Return those that answer, without the one that started them and what Python starts beside them."""
    _main, *children = server.processes
    return [one for one in children if is_one_that_answers(one)]


def is_one_that_answers(process: psutil.Process) -> bool:
    try:
        return "resource_tracker" not in " ".join(process.cmdline())
    except psutil.Error:  # it has just ended
        return False


def processors_of(process: psutil.Process) -> frozenset[int]:
    """Return those that any thread of the process may run on."""
    with suppress(ProcessLookupError):  # a thread that has just ended
        return frozenset(one for thread in process.threads() for one in os.sched_getaffinity(thread.id))
    return processors_of(process)


def pinned(server: Server, number: int) -> list[psutil.Process]:
    """Return the processes of the server once there are so many and each stays on one processor."""

    def found() -> list[psutil.Process]:
        processes = processes_of(server)
        are_pinned = len(processes) == number and all(len(processors_of(one)) == 1 for one in processes)
        return processes if are_pinned else []

    return wait_until(found)


@pytest.mark.parametrize("others", [[], [1], [0], [1, 0, 1], [0, 0, 1, 0]])
class TestChoice:
    def test_those_that_start_at_the_same_moment_take_different_ones(self, others: list[int]) -> None:
        first, second = (processor_for(number, [1, 0], siblings=[], others=others) for number in (1, 2))

        assert {first, second} == {0, 1}

    def test_one_that_starts_later_takes_the_one_that_is_left(self, others: list[int]) -> None:
        for taken in (0, 1):
            for number in (1, 2, 3):
                assert processor_for(number, [1, 0], siblings=[taken], others=others) == 1 - taken

    def test_more_than_there_are_processors_share_them_evenly(self, others: list[int]) -> None:
        taken = [processor_for(number, [3, 2, 0], siblings=[], others=others) for number in range(1, 7)]

        assert sorted(taken) == [0, 0, 2, 2, 3, 3]


def test_the_only_one_takes_the_processor_where_fewest_are() -> None:
    assert processor_for(1, [2, 1, 0], siblings=[], others=[2, 0, 2]) == 1
    assert processor_for(1, [2, 1, 0], siblings=[], others=[]) == 2


@pytest.mark.postgresql
def test_two_processes_stay_on_different_processors_with_all_their_threads(server: StartServer) -> None:
    running = server(workers=2, PIN_SERVER_PROCESSES="1")
    first, second = pinned(running, 2)

    for _call in range(4):
        httpx.get(f"{running.base_url}/api/operators")

    assert [len(processors_of(one)) for one in (first, second)] == [1, 1]
    assert len(processors_of(first) | processors_of(second)) == min(2, len(ALLOWED))


@pytest.mark.postgresql
def test_one_that_is_started_again_keeps_away_from_the_one_that_is_left(server: StartServer) -> None:
    running = server(workers=2, PIN_SERVER_PROCESSES="1")
    left, killed = pinned(running, 2)

    killed.kill()
    wait_until(lambda: killed not in processes_of(running))

    [new] = set(pinned(running, 2)) - {left}
    assert len(processors_of(new) | processors_of(left)) == min(2, len(ALLOWED))


def test_who_does_not_want_it_gets_what_the_system_gives(server: StartServer) -> None:
    running = server(PIN_SERVER_PROCESSES="0")
    httpx.get(f"{running.base_url}/api/operators")

    assert {processors_of(process) for process in processes_of(running)} == {ALLOWED}


@pytest.mark.skipif(len(ALLOWED) > 2, reason="unasked, a process is pinned on two processors at most")
def test_unasked_it_is_pinned_on_two_processors(server: StartServer) -> None:
    running = server(workers=1)

    assert pinned(running, 1)


@pytest.mark.skipif(len(ALLOWED) <= 2, reason="unasked, a process is not pinned on more than two processors")
def test_unasked_it_is_not_pinned_on_more_processors(server: StartServer) -> None:
    running = server(workers=1)
    httpx.get(f"{running.base_url}/api/operators")

    assert {processors_of(process) for process in processes_of(running)} == {ALLOWED}


def test_a_process_that_no_server_started_is_left_alone() -> None:
    pin_server_process(wanted=True)

    assert os.sched_getaffinity(0) == ALLOWED


def test_a_system_that_refuses_hinders_no_start(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def refuse(_process: int, processors: set[int]) -> None:
        asked.append(processors)
        raise PermissionError

    monkeypatch.setattr(os, "sched_setaffinity", refuse)
    monkeypatch.setattr(multiprocessing, "parent_process", multiprocessing.current_process)
    monkeypatch.setattr(multiprocessing.current_process(), "_identity", (1,))

    pin_server_process(wanted=True)

    assert [len(processors) for processors in asked] == [1]
