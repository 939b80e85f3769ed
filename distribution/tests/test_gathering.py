"""Arrivals of the same moment are registered together, and each is told what it would be told alone."""

from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from threading import Event
from typing import Any
from unittest.mock import patch

import pytest
from django.db import OperationalError, connections

from crm_project.access.acting import Actor, acting
from crm_project.testing.concurrency import run_concurrently
from crm_project.testing.rows import assert_loads_are_true, make_operator, make_source
from crm_project.testing.waiting import wait_until
from distribution import gathering as module
from distribution.errors import PhoneUnreadable, SourceNotFound
from distribution.gathering import FEWEST_TOGETHER, MOST_ALONE, Gathering
from distribution.intake import Intake, Registration, register_contact
from distribution.intake_in_bulk import register_calls
from distribution.models import Decision
from leads.models import Contact, IdentityKind, Source

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def gathering() -> Gathering:
    return Gathering()


@pytest.fixture
def source() -> Source:
    return make_source({make_operator(max_load=100): 1}, code="telegram")


@pytest.fixture
def chunks() -> Iterator[list[int]]:
    """How many were registered by each chunk."""
    lengths: list[int] = []

    def noted(calls: Any, **named: Any) -> Any:
        lengths.append(len(calls))
        return register_calls(calls, **named)

    with patch.object(module, "register_calls", noted):
        yield lengths


class Crowd:
    """Calls that arrive while those that go alone are held up."""

    def __init__(self, gathering: Gathering, threads: ThreadPoolExecutor, release: Event) -> None:
        self.gathering = gathering
        self.release = release
        self._threads = threads
        self._calls: list[Future[Registration]] = []

    def call(self, external_id: str, code: str = "telegram", **named: Any) -> Future[Registration]:
        """Let a contact arrive, and return what becomes of it once it is under way or waits."""
        before = self.seen
        intake = Intake(source_code=code, external_id=external_id)
        call = self._threads.submit(self._register, intake, **named)
        wait_until(lambda: self.seen > before or call.done())
        return call

    def calls(self, number: int, **named: Any) -> list[Future[Registration]]:
        """Let so many contacts arrive."""
        return [self.call(f"lead_{index}_{self.seen}", **named) for index in range(number)]

    @property
    def seen(self) -> int:
        """How many are on their way."""
        ways = self.gathering._traffic.values()
        return sum(len(traffic.waiting) + traffic.alone for traffic in ways)

    def _register(self, intake: Intake, who: Actor | None = None, **named: Any) -> Registration:
        try:
            with acting(who or Actor("test", "Test")):
                return self.gathering.register(intake, **named)
        finally:
            connections.close_all()


@contextmanager
def crowd(gathering: Gathering, alone: Callable[..., Registration] = register_contact) -> Iterator[Crowd]:
    """Hold up whoever goes alone until `release` is set, the one called stuck until the block ends."""
    release, end = Event(), Event()

    def held_up(intake: Intake, **named: Any) -> Registration:
        (end if intake.external_id == "stuck" else release).wait()
        return alone(intake, **named)

    with patch.object(module, "register_contact", held_up), ThreadPoolExecutor(40) as threads:
        try:
            yield Crowd(gathering, threads, release)
        finally:
            release.set()
            end.set()


def fail_at_what_follows(*arguments: Any, **named: Any) -> Any:
    """Register the calls, and fail behind the commit."""
    register_calls(*arguments, **named)
    raise KeyError


def test_whoever_comes_alone_goes_alone(gathering: Gathering, source: Source, chunks: list[int]) -> None:
    registration = gathering.register(Intake(source_code="telegram", external_id="one"))

    assert registration.contact == Contact.objects.get()
    assert chunks == []


def test_few_at_a_time_do_not_wait(gathering: Gathering, source: Source, chunks: list[int]) -> None:
    with crowd(gathering) as there:
        there.calls(MOST_ALONE)

        assert [traffic.alone for traffic in gathering._traffic.values()] == [MOST_ALONE]

    assert chunks == []


def test_those_who_wait_are_registered_together_once_they_are_enough(
    gathering: Gathering, source: Source, chunks: list[int]
) -> None:
    with crowd(gathering) as there:
        alone = there.calls(MOST_ALONE)
        waiting = there.calls(FEWEST_TOGETHER)
        there.release.set()
        contacts = [call.result().contact for call in alone + waiting]

    assert chunks == [FEWEST_TOGETHER]
    assert {contact.pk for contact in contacts} == set(Contact.objects.values_list("pk", flat=True))
    assert_loads_are_true()


def test_each_is_answered_with_its_own_contact(gathering: Gathering, source: Source) -> None:
    with crowd(gathering) as there:
        there.calls(MOST_ALONE)
        names = [f"own_{number}" for number in range(FEWEST_TOGETHER + 3)]
        calls = [there.call(name) for name in names]

    assert [call.result().contact.external_id for call in calls] == names
    assert all(call.result().created for call in calls)


def test_too_few_to_go_together_go_alone(gathering: Gathering, source: Source, chunks: list[int]) -> None:
    with crowd(gathering) as there:
        calls = there.calls(MOST_ALONE + FEWEST_TOGETHER - 1)

    assert all(call.result().created for call in calls)
    assert chunks == []


def test_what_is_refused_is_refused_to_the_one_it_is_of(
    gathering: Gathering, source: Source, chunks: list[int]
) -> None:
    Source.objects.update(identified_by=IdentityKind.PHONE)
    with crowd(gathering) as there:
        first = [there.call(f"+791234567{number:02}") for number in range(MOST_ALONE)]
        others = [there.call(f"+791234568{number:02}") for number in range(FEWEST_TOGETHER)]
        bad = there.call("no phone")

    assert chunks == [FEWEST_TOGETHER + 1]
    assert all(call.result().created for call in first + others)
    with pytest.raises(PhoneUnreadable):
        bad.result()


def test_an_unknown_source_is_refused_to_all(gathering: Gathering, chunks: list[int]) -> None:
    with crowd(gathering) as there:
        calls = there.calls(MOST_ALONE + FEWEST_TOGETHER)

    assert {type(call.exception()) for call in calls} == {SourceNotFound}
    assert chunks == [FEWEST_TOGETHER]


@pytest.mark.parametrize(
    "other",
    [{"code": "site"}, {"who": Actor("bot", "Bot")}, {"among": frozenset({-1})}],
    ids=["source", "who", "among"],
)
def test_another_source_or_caller_waits_for_nobody(
    gathering: Gathering, source: Source, chunks: list[int], other: dict[str, Any]
) -> None:
    make_source({make_operator(max_load=100): 1}, code="site")
    with crowd(gathering) as there:
        there.calls(MOST_ALONE)
        there.calls(1, **other)

        assert sorted(traffic.alone for traffic in gathering._traffic.values()) == [1, MOST_ALONE]


def test_decisions_name_who_called(gathering: Gathering, source: Source, chunks: list[int]) -> None:
    with crowd(gathering) as there:
        there.calls(MOST_ALONE + FEWEST_TOGETHER, who=Actor("key:7", "Bot"))

    assert chunks == [FEWEST_TOGETHER]
    assert set(Decision.objects.values_list("actor", "actor_name")) == {("key:7", "Bot")}


def test_a_chunk_that_fails_leaves_each_to_go_alone(
    gathering: Gathering, source: Source, caplog: pytest.LogCaptureFixture
) -> None:
    with patch.object(module, "register_calls", side_effect=ZeroDivisionError), crowd(gathering) as there:
        calls = there.calls(MOST_ALONE + FEWEST_TOGETHER)

    assert all(call.result().created for call in calls)
    assert Contact.objects.count() == len(calls)
    assert f"Registering {FEWEST_TOGETHER} arrivals together failed" in caplog.text


def test_when_nobody_knows_whether_it_was_committed_nobody_is_registered_again(
    gathering: Gathering, source: Source
) -> None:
    def lose_the_answer_to_commit(calls: Any, **_named: Any) -> Any:
        register_calls(calls)
        raise OperationalError("server closed the connection unexpectedly")

    with patch.object(module, "register_calls", lose_the_answer_to_commit), crowd(gathering) as there:
        there.calls(MOST_ALONE)
        together = there.calls(FEWEST_TOGETHER)

    errors = [call.exception() for call in together]
    assert {type(error) for error in errors} == {OperationalError}
    assert len({id(error) for error in errors}) == len(errors)
    assert Contact.objects.count() == MOST_ALONE + FEWEST_TOGETHER


def test_what_fails_after_the_commit_takes_nothing_back_and_stores_nothing_again(
    gathering: Gathering, source: Source
) -> None:
    with patch.object(module, "register_calls", fail_at_what_follows), crowd(gathering) as there:
        calls = there.calls(MOST_ALONE + FEWEST_TOGETHER)

    assert all(call.result().created for call in calls)
    assert Contact.objects.count() == len(calls)


def test_those_taken_along_are_answered_before_what_follows_the_commit(
    gathering: Gathering, source: Source, chunks: list[int]
) -> None:
    after, on = Event(), Event()

    def rest_after_the_commit(*arguments: Any, **named: Any) -> Any:
        register_calls(*arguments, **named)
        after.set()
        on.wait()

    with patch.object(module, "register_calls", rest_after_the_commit), crowd(gathering) as there:
        there.calls(MOST_ALONE)
        _leader, *others = there.calls(FEWEST_TOGETHER)
        there.release.set()
        after.wait()
        answered = [call.result().created for call in others]
        on.set()

    assert answered == [True] * (FEWEST_TOGETHER - 1)


def test_one_who_waits_for_long_alone_keeps_no_others_waiting(
    gathering: Gathering, source: Source, chunks: list[int]
) -> None:
    with crowd(gathering) as there:
        stuck = there.call("stuck")
        alone = there.calls(MOST_ALONE - 1)
        together = there.calls(FEWEST_TOGETHER)
        there.release.set()

        assert all(call.result().created for call in alone + together)
        assert not stuck.done()

    assert chunks == [FEWEST_TOGETHER]


def test_whoever_fails_alone_stands_in_nobody_s_way(gathering: Gathering, source: Source, chunks: list[int]) -> None:
    def fail_for_the_bad(intake: Intake, **named: Any) -> Registration:
        if intake.external_id == "bad":
            raise ZeroDivisionError
        return register_contact(intake, **named)

    with crowd(gathering, fail_for_the_bad) as there:
        bad = [there.call("bad") for _number in range(MOST_ALONE)]
        good = there.calls(FEWEST_TOGETHER)

    assert {type(call.exception()) for call in bad} == {ZeroDivisionError}
    assert all(call.result().created for call in good)
    assert gathering._traffic == {}


def test_nothing_is_remembered_of_who_has_gone(gathering: Gathering, source: Source) -> None:
    with crowd(gathering) as there:
        there.calls(MOST_ALONE + FEWEST_TOGETHER + 1)

    assert gathering._traffic == {}


def test_more_than_fit_into_a_chunk_come_after_it(gathering: Gathering, source: Source, chunks: list[int]) -> None:
    with patch.object(module, "MOST_IN_A_CHUNK", FEWEST_TOGETHER), crowd(gathering) as there:
        calls = there.calls(MOST_ALONE + 2 * FEWEST_TOGETHER)

    assert all(call.result().created for call in calls)
    assert chunks == [FEWEST_TOGETHER, FEWEST_TOGETHER]


def test_the_limit_holds_whoever_goes_with_whom(gathering: Gathering, chunks: list[int]) -> None:
    make_source({make_operator(max_load=10): weight for weight in (1, 3)}, code="telegram")
    numbers = iter(range(100))

    registrations = run_concurrently(
        lambda: gathering.register(Intake(source_code="telegram", external_id=str(next(numbers)))), times=40
    )

    assert chunks
    assert Counter(one.contact.operator_id is None for one in registrations) == {False: 20, True: 20}
    assert_loads_are_true()
