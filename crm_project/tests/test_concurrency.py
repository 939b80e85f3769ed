from threading import Barrier

import pytest

from crm_project.testing.concurrency import run_concurrently

pytestmark = pytest.mark.once


def test_results_come_in_the_order_of_the_calls() -> None:
    first_is_last = Barrier(2)

    def slow() -> str:
        first_is_last.wait(5)
        return "first"

    def quick() -> str:
        first_is_last.wait(5)
        return "second"

    assert run_concurrently(slow, quick) == ["first", "second"]


def test_a_call_can_be_made_many_times_at_once() -> None:
    everybody = Barrier(8)

    assert sorted(run_concurrently(lambda: everybody.wait(5), times=8)) == list(range(8))


def test_every_failure_is_raised() -> None:
    def fail() -> None:
        raise ValueError("no")

    with pytest.raises(ExceptionGroup) as failures:
        run_concurrently(fail, lambda: None, fail)

    assert [str(error) for error in failures.value.exceptions] == ["no", "no"]
