"""Each server process stays on a processor of its own."""

import os
import sys

import httpx
import psutil
import pytest

from crm_project.setup.processor import pin_server_process, processor_for
from crm_project.testing.server import Server, StartServer
from crm_project.testing.waiting import wait_until

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="other systems do not pin")

ALLOWED = os.sched_getaffinity(0)


def processes_of(server: Server) -> list[psutil.Process]:
    """Return those that answer, without the one that started them."""
    main = server._children[0].process
    assert main is not None
    return psutil.Process(main.pid).children()


def processors_of(process: psutil.Process) -> frozenset[int]:
    """Return those that any thread of the process may run on."""
    return frozenset(one for thread in process.threads() for one in os.sched_getaffinity(thread.id))


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
    for _call in range(4):
        httpx.get(f"{running.base_url}/api/operators")

    pinned = [processors_of(process) for process in processes_of(running)]

    assert [len(one) for one in pinned] == [1, 1]
    assert len(set(pinned)) == min(2, len(ALLOWED))


@pytest.mark.postgresql
def test_one_that_is_started_again_takes_the_processor_that_became_free(server: StartServer) -> None:
    running = server(workers=2, PIN_SERVER_PROCESSES="1")
    left, killed = processes_of(running)
    free = processors_of(killed)

    killed.kill()

    [new] = wait_until(lambda: set(processes_of(running)) - {killed, left})
    wait_until(lambda: processors_of(new) == free)


def test_who_does_not_want_it_gets_what_the_system_gives(server: StartServer) -> None:
    running = server(PIN_SERVER_PROCESSES="0")

    assert all(processors_of(process) == ALLOWED for process in processes_of(running))


def test_unasked_it_goes_by_the_number_of_processors(server: StartServer) -> None:
    running = server()

    [process] = processes_of(running)[:1]
    assert len(processors_of(process)) == (1 if len(ALLOWED) <= 2 else len(ALLOWED))


def test_a_process_that_no_server_started_is_left_alone() -> None:
    pin_server_process(wanted=True)

    assert os.sched_getaffinity(0) == ALLOWED
