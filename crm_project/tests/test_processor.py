"""Each server process answers on a processor of its own."""

import multiprocessing
import os
import sys
import threading
from collections import Counter
from contextlib import suppress
from functools import partial

import httpx
import psutil
import pytest

from crm_project.setup.processor import Pinning, processor_for
from crm_project.testing.concurrency import run_concurrently
from crm_project.testing.server import Server, StartServer
from crm_project.testing.waiting import wait_until
from crm_project.tests.with_processors import HEADER

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


def processors_of(process: psutil.Process) -> Counter[frozenset[int]]:
    """Return how many threads of the process may run on which processors."""
    try:
        return Counter(frozenset(os.sched_getaffinity(thread.id)) for thread in process.threads())
    except ProcessLookupError:  # a thread has just ended
        return processors_of(process)
    except psutil.Error:  # the process has
        return Counter()


def processor_of(process: psutil.Process) -> set[int]:
    """Return the one that threads of the process are pinned to, if any are."""
    return {processor for among in processors_of(process) if len(among) == 1 for processor in among}


def call(server: Server) -> httpx.Response:
    """Call the server over a connection of its own, so that any of its processes may answer."""
    return httpx.get(f"{server.base_url}/healthz")


def pinned(server: Server, number: int) -> list[psutil.Process]:
    """Call the server until it has so many processes that are pinned; return them."""

    def found() -> list[psutil.Process]:
        with suppress(httpx.TransportError):  # one that is killed or starts
            call(server)
        processes = processes_of(server)
        return processes if len(processes) == number and all(map(processor_of, processes)) else []

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
def test_two_processes_answer_on_different_processors(server: StartServer) -> None:
    first, second = map(processor_of, pinned(server(workers=2, PIN_SERVER_PROCESSES="1"), 2))

    assert [len(first), len(second)] == [1, 1]
    assert len(first | second) == min(2, len(ALLOWED))


@pytest.mark.skipif(len(ALLOWED) == 1, reason="on one processor there is no other place")
def test_every_thread_that_answers_is_on_the_processor_of_its_process(server: StartServer) -> None:
    running = server(workers=1, PIN_SERVER_PROCESSES="1", application="crm_project.tests.with_processors:application")

    answers = run_concurrently(partial(call, running), times=50)

    [process] = processes_of(running)
    assert {answer.headers[HEADER] for answer in answers} == {str(*processor_of(process))}


@pytest.mark.sqlite
@pytest.mark.skipif(len(ALLOWED) == 1, reason="on one processor there is no other place")
def test_of_a_process_alone_the_threads_that_pass_calls_on_go_wherever_there_is_room(server: StartServer) -> None:
    [process] = pinned(server(workers=1, PIN_SERVER_PROCESSES="1"), 1)

    assert processors_of(process)[ALLOWED]


@pytest.mark.postgresql
def test_of_several_processes_each_keeps_to_its_processor_with_all_its_threads(server: StartServer) -> None:
    for process in pinned(server(workers=2, PIN_SERVER_PROCESSES="1"), 2):
        [processor] = processor_of(process)

        assert set(processors_of(process)) == {frozenset({processor})}


@pytest.mark.postgresql
def test_one_that_is_started_again_keeps_away_from_the_one_that_is_left(server: StartServer) -> None:
    running = server(workers=2, PIN_SERVER_PROCESSES="1")
    left, killed = pinned(running, 2)

    killed.kill()
    wait_until(lambda: killed not in processes_of(running))

    [new] = set(pinned(running, 2)) - {left}
    assert len(processor_of(new) | processor_of(left)) == min(2, len(ALLOWED))


def test_who_does_not_want_it_gets_what_the_system_gives(server: StartServer) -> None:
    running = server(PIN_SERVER_PROCESSES="0")
    call(running)

    assert sum(map(processors_of, processes_of(running)), Counter()).keys() == {ALLOWED}


@pytest.mark.skipif(len(ALLOWED) > 2, reason="unasked, a process is pinned on two processors at most")
def test_unasked_it_is_pinned_on_two_processors(server: StartServer) -> None:
    running = server(workers=1)

    assert pinned(running, 1)


@pytest.mark.skipif(len(ALLOWED) <= 2, reason="unasked, a process is not pinned on more than two processors")
def test_unasked_it_is_not_pinned_on_more_processors(server: StartServer) -> None:
    running = server(workers=1)
    call(running)

    assert sum(map(processors_of, processes_of(running)), Counter()).keys() == {ALLOWED}


def test_a_process_that_no_server_started_is_left_alone() -> None:
    Pinning(wanted=True).pin_thread()

    assert os.sched_getaffinity(0) == ALLOWED


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, set[int]]]:
    """Pretend that a server has started this process as its first; return what the system is asked, and refuses."""
    asked = []

    def refuse(thread: int, processors: set[int]) -> None:
        asked.append((thread, processors))
        raise PermissionError

    monkeypatch.setattr(os, "sched_setaffinity", refuse)
    monkeypatch.setattr(multiprocessing, "parent_process", multiprocessing.current_process)
    monkeypatch.setattr(multiprocessing.current_process(), "_identity", (1,))
    return asked


def test_a_system_that_refuses_hinders_no_answer(asked: list[tuple[int, set[int]]]) -> None:
    Pinning(wanted=True).pin_thread()

    assert [len(processors) for _thread, processors in asked] == [1]


def test_a_thread_asks_the_system_once(asked: list[tuple[int, set[int]]]) -> None:
    pinning = Pinning(wanted=True)
    pinning.pin_thread()
    asked.clear()

    pinning.pin_thread()
    assert asked == []

    another = threading.Thread(target=pinning.pin_thread)
    another.start()
    another.join()
    assert [thread for thread, _processors in asked] == [0]
