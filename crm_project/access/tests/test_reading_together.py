"""Those who ask at the same moment share a read, and nobody is told what was true before they asked."""

from collections.abc import Callable, Collection, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Event, Lock
from unittest.mock import patch

import pytest

from crm_project.access import reading_together
from crm_project.access.reading_together import Read, ReadTogether
from crm_project.testing.concurrency import run_concurrently
from crm_project.testing.waiting import wait_until

pytestmark = pytest.mark.once

THREADS, TIMES = 8, 200

type Ask = Callable[[str], Future[str | None]]


class Shelf:
    """Where things lie by their names; `read` finds them, and of slow ones waits until it is released."""

    def __init__(self) -> None:
        self.things = {"a": "first a", "b": "first b", "c": "first c"}
        self.slow = set(self.things)
        self.reads: list[set[str]] = []
        self.released = Event()
        self.released.set()
        self.failures: list[Exception] = []

    def read(self, names: Collection[str]) -> dict[str, str]:
        found = {name: self.things[name] for name in names if name in self.things}
        self.reads.append(set(names))
        assert self.slow.isdisjoint(names) or self.released.wait(60)
        if self.failures:
            raise self.failures.pop(0)
        return found


@pytest.fixture(autouse=True)
def _patience() -> Iterator[None]:
    """Let nobody look alone because the machine is busy."""
    with patch.object(reading_together, "MOST_SECONDS", 60):
        yield


@pytest.fixture
def shelf() -> Shelf:
    return Shelf()


@pytest.fixture
def look(shelf: Shelf) -> ReadTogether[str, str]:
    return ReadTogether(shelf.read)


@pytest.fixture
def ask(look: ReadTogether[str, str], shelf: Shelf) -> Iterator[Ask]:
    """Ask for something in a thread, and go on once it is read or the asker waits for the next read."""

    def begin(name: str) -> Future[str | None]:
        reads = len(shelf.reads)
        answer = threads.submit(look, name)
        wait_until(lambda: len(shelf.reads) > reads or is_joined(look, name))
        return answer

    with ThreadPoolExecutor(THREADS) as threads:
        yield begin
        shelf.released.set()


def is_joined(look: ReadTogether[str, str], name: str) -> bool:
    read: Read[str, str] | None = look._next
    return read is not None and name in read.wanted


def results(*answers: Future[str | None]) -> list[str | None]:
    return [answer.result(10) for answer in answers]


def test_whoever_asks_alone_is_told_what_there_is_or_that_there_is_nothing(look: ReadTogether[str, str]) -> None:
    assert (look("a"), look("unknown")) == ("first a", None)


def test_those_who_ask_during_a_read_share_the_next_and_are_each_told_their_own(shelf: Shelf, ask: Ask) -> None:
    shelf.released.clear()
    answers = [ask(name) for name in ("a", "b", "c", "unknown")]

    shelf.released.set()

    assert results(*answers) == ["first a", "first b", "first c", None]
    assert shelf.reads == [{"a"}, {"b", "c", "unknown"}]


def test_whoever_asks_after_a_change_sees_it_though_a_read_of_before_is_under_way(shelf: Shelf, ask: Ask) -> None:
    shelf.released.clear()
    before = ask("a")
    shelf.things["a"] = "second a"
    after = ask("a")

    shelf.released.set()

    assert results(before, after) == ["first a", "second a"]


def test_nobody_is_ever_told_what_was_changed_before_they_asked() -> None:
    assert late_answers(ReadTogether) == 0


def test_that_would_be_seen_if_one_joined_a_read_that_has_begun() -> None:
    assert late_answers(JoinedLate) > 0


class JoinedLate(ReadTogether[str, int]):
    """One that may still be joined while it reads."""

    def _joined(self, wanted: str) -> tuple[Read[str, int], bool]:
        running = getattr(self, "_running", None)
        if running is not None and not running.over.is_set():
            return running, False
        read, leads = super()._joined(wanted)
        self._running = read
        return read, leads


class Counter:
    """What threads count up; to read it takes as long as a way to a database."""

    def __init__(self) -> None:
        self.counted = 0
        self._lock = Lock()

    def count_up(self) -> int:
        with self._lock:
            self.counted += 1
            return self.counted

    def read(self, names: Collection[str]) -> dict[str, int]:
        counted = self.counted
        Event().wait(0.0005)
        return dict.fromkeys(names, counted)


def late_answers(kind: type[ReadTogether[str, int]]) -> int:
    """Let threads count up and ask at once; return how often one was told less than it had counted before."""
    counter = Counter()
    look = kind(counter.read)

    def ask_again_and_again() -> int:
        counted = [(counter.count_up(), look("counted") or 0) for _time in range(TIMES)]
        return sum(told < least for least, told in counted)

    return sum(run_concurrently(ask_again_and_again, times=THREADS))


def test_a_read_that_fails_is_told_to_whom_it_belongs_and_the_others_look_by_themselves(shelf: Shelf, ask: Ask) -> None:
    shelf.released.clear()
    first, leader, other = (ask(name) for name in "abc")
    shelf.failures = [ConnectionError("of the first"), ConnectionError("of the leader")]

    shelf.released.set()

    assert [type(answer.exception(10)) for answer in (first, leader)] == [ConnectionError, ConnectionError]
    assert results(other) == ["first c"]
    assert shelf.reads == [{"a"}, {"b", "c"}, {"c"}]


def test_after_a_failure_it_goes_on_as_before(shelf: Shelf, look: ReadTogether[str, str]) -> None:
    shelf.failures = [ConnectionError()]
    with pytest.raises(ConnectionError):
        look("a")

    assert look("a") == "first a"


def test_nobody_waits_for_long_behind_a_connection_that_hangs(shelf: Shelf, ask: Ask) -> None:
    with patch.object(reading_together, "MOST_SECONDS", 0.1):
        shelf.released.clear()
        hanging = [ask(name) for name in "abc"]

        wait_until(lambda: {"c"} in shelf.reads and set().union(*shelf.reads) == {"a", "b", "c"})

    shelf.released.set()
    assert results(*hanging) == ["first a", "first b", "first c"]


def test_whoever_comes_later_does_not_wait_for_it_at_all(shelf: Shelf, look: ReadTogether[str, str], ask: Ask) -> None:
    shelf.slow = {"a"}
    shelf.released.clear()
    ask("a")
    with patch.object(reading_together, "MOST_SECONDS", 0.01):
        assert look("b") == "first b"

    assert results(ask("c")) == ["first c"]


def test_after_an_interruption_it_goes_on_as_before(shelf: Shelf, look: ReadTogether[str, str]) -> None:
    with patch.object(look, "_in_turn", side_effect=KeyboardInterrupt), pytest.raises(KeyboardInterrupt):
        look("a")

    assert look("b") == "first b"
    assert shelf.reads == [{"b"}]
    assert look._next is None
