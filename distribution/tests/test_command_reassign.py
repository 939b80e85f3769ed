import os
import pty
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from itertools import count
from typing import Any
from unittest.mock import patch

import pytest
from django.core.management import CommandError, call_command
from django.db import OperationalError, connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from crm_project.testing.rows import arrive, assert_rules_hold, make_operator, make_source
from crm_project.testing.waiting import wait_until
from distribution.handling import reassign_by_draw
from distribution.tests.commands import line, run, started
from leads.models import Contact, Source
from operators.models import Operator

pytestmark = pytest.mark.django_db

type Reassign = Callable[..., tuple[int, str]]


@pytest.fixture
def reassign(capsys: pytest.CaptureFixture[str]) -> Reassign:
    """Run the command; return its exit code and what it printed."""

    def run_command(*arguments: object) -> tuple[int, str]:
        code = 0
        try:
            call_command("reassign", *map(str, arguments))
        except SystemExit as ending:
            code = int(ending.code or 0)
        return code, capsys.readouterr().out

    return run_command


@pytest.fixture
def anna() -> Operator:
    """Return an operator with four contacts, oldest first by id, from the source «bot»."""
    operator = make_operator(name="Anna")
    source = make_source({operator: 1}, code="bot")
    for _ in range(4):
        arrive(source)
    return operator


def boris(places: int, source: str = "bot") -> Operator:
    """Store an operator with a weight and this much room."""
    operator = make_operator(name="Boris", max_load=places)
    operator.weights.create(source=Source.objects.get(code=source), weight=1)
    return operator


@contextmanager
def at_move(number: int, happens: Callable[[], None]) -> Iterator[None]:
    """Let something happen at the beginning of one of the draws."""
    numbers = count(1)

    def draw(contact_id: int, **keywords: Any) -> Contact:
        if next(numbers) == number:
            happens()
        return reassign_by_draw(contact_id, **keywords)

    with patch("distribution.bulk.reassign_by_draw", draw):
        yield


def number_of(operator: Operator) -> int:
    return Contact.objects.active().filter(operator=operator).count()


def everything() -> tuple[list[Any], list[Any]]:
    return list(Operator.objects.order_by("pk").values()), list(Contact.objects.order_by("pk").values())


class TestOutcome:
    def test_all_moved_by_draw_is_0(self, reassign: Reassign, anna: Operator) -> None:
        receiver = boris(places=10)

        assert reassign("--from", "Anna") == (0, f"Moved: 4 of 4 (Boris (id {receiver.pk}): 4).\n")
        assert (number_of(anna), number_of(receiver)) == (0, 4)

    def test_some_without_a_place_is_3(self, reassign: Reassign, anna: Operator) -> None:
        receiver = boris(places=3)

        code, output = reassign("--from", anna.pk, "--to", "Boris")

        assert code == 3
        assert output == (
            f"Moved: 3 of 4 (Boris (id {receiver.pk}): 3). Found no place: 1 (operator_unavailable: 1).\n"
        )
        assert (number_of(anna), number_of(receiver)) == (1, 3)
        assert_rules_hold()

    def test_nothing_to_move_is_0(self, reassign: Reassign) -> None:
        make_operator(name="Anna")

        assert reassign("--from", "Anna") == (0, "Moved: 0 of 0.\n")

    def test_what_others_did_meanwhile_is_counted_and_is_no_error(self, reassign: Reassign, anna: Operator) -> None:
        boris(places=10)
        chosen = list(Contact.objects.order_by("pk"))
        Contact.objects.filter(pk=chosen[0].pk).update(status="closed", closed_at=timezone.now())
        Operator.objects.filter(pk=anna.pk).update(load=3)

        with patch("distribution.management.commands.reassign.chosen_contacts", return_value=chosen):
            code, output = reassign("--from", "Anna")

        assert code == 0
        assert output.endswith("Closed or moved by others meanwhile: 1.\n")

    def test_a_database_that_fails_half_way_is_an_error_with_a_summary(
        self, anna: Operator, capsys: pytest.CaptureFixture[str]
    ) -> None:
        receiver = boris(places=10)

        def fail() -> None:
            raise OperationalError("gone")

        with at_move(3, fail), pytest.raises(CommandError, match="gone"):
            call_command("reassign", "--from", "Anna")

        assert "Moved: 2 of 4" in capsys.readouterr().out
        assert number_of(receiver) == 2


class TestChoice:
    def test_limit_takes_the_oldest(self, reassign: Reassign, anna: Operator) -> None:
        receiver = boris(places=10)

        assert reassign("--from", "Anna", "--limit", 2)[1].startswith("Moved: 2 of 2")
        assert [c.operator for c in Contact.objects.order_by("pk")] == [receiver, receiver, anna, anna]

    @pytest.mark.parametrize(("age", "moved"), [("7201s", 0), ("119m", 1), ("2h", 1), ("3h", 0), ("1d", 0)])
    def test_older_than_counts_from_the_assignment(
        self, age: str, moved: int, reassign: Reassign, anna: Operator
    ) -> None:
        boris(places=10)
        oldest = Contact.objects.order_by("pk")[0]
        Contact.objects.filter(pk=oldest.pk).update(assigned_at=timezone.now() - timedelta(hours=2))

        assert reassign("--from", "Anna", "--older-than", age)[1].startswith(f"Moved: {moved} of {moved}")

    def test_source_takes_only_contacts_from_there(self, reassign: Reassign, anna: Operator) -> None:
        arrive(make_source({anna: 1}, code="site"))
        receiver = boris(places=10, source="site")

        assert reassign("--from", "Anna", "--source", "site")[1].startswith("Moved: 1 of 1")
        assert number_of(receiver) == 1


class TestOperatorNamed:
    def test_an_ambiguous_name_lists_the_candidates(self, anna: Operator) -> None:
        other = make_operator(name="Anna", max_load=3, is_active=False)
        before = everything()

        with pytest.raises(CommandError) as refusal:
            call_command("reassign", "--from", "Anna")

        assert str(refusal.value).splitlines()[1:] == [
            f"  id {anna.pk}: Anna, load 4 / 10, active",
            f"  id {other.pk}: Anna, load 0 / 3, inactive",
        ]
        assert everything() == before

    def test_a_number_that_is_an_id_and_a_name_is_the_id(self, reassign: Reassign, anna: Operator) -> None:
        boris(places=10)
        make_operator(name=str(anna.pk))

        assert reassign("--from", anna.pk)[1].startswith("Moved: 4 of 4")

    def test_a_number_that_is_only_a_name_is_the_name(self, reassign: Reassign, anna: Operator) -> None:
        boris(places=10)
        Operator.objects.filter(pk=anna.pk).update(name="404404")

        assert reassign("--from", "404404")[1].startswith("Moved: 4 of 4")


@pytest.mark.parametrize(
    "arguments",
    [
        ["--from", "Nobody"],
        ["--from", "anna"],
        ["--from", "99999999999999999999"],
        ["--from", ""],
        ["--from", "Anna", "--to", "Nobody"],
        ["--from", "Anna", "--to", "Anna"],
        ["--from", "Anna", "--to", "Boris", "--to-queue"],
        ["--from", "Anna", "--to-queue"],
        ["--from", "Anna", "--to-queue", "--dry-run"],
        ["--from", "Anna", "--source", "unknown"],
        ["--from", "Anna", "--older-than", "2"],
        ["--from", "Anna", "--older-than", "2 weeks"],
        ["--from", "Anna", "--older-than", "-2h"],
        ["--from", "Anna", "--older-than", "999999d"],
        ["--from", "Anna", "--limit", "0"],
        ["--from", "Anna", "--limit", "-1"],
        ["--from", "Anna", "--limit", "many"],
        ["--from", "Anna", "--deactivate", "--limit", "many"],
    ],
)
def test_what_makes_no_sense_is_refused_and_changes_nothing(arguments: list[str], anna: Operator) -> None:
    boris(places=10)
    before = everything()

    with pytest.raises(CommandError):
        call_command("reassign", *arguments)

    assert everything() == before


class TestToTheQueue:
    def test_from_an_active_operator_is_refused_with_advice(self, anna: Operator) -> None:
        with pytest.raises(CommandError, match="--deactivate"):
            call_command("reassign", "--from", "Anna", "--to-queue")

    def test_deactivate_comes_first_and_the_queue_keeps_ages_and_drains_to_others(
        self, reassign: Reassign, anna: Operator
    ) -> None:
        receiver = boris(places=3)
        ages = list(Contact.objects.order_by("pk").values_list("created_at", flat=True))

        code, output = reassign("--from", "Anna", "--to-queue", "--deactivate")

        assert code == 0
        assert output == (
            f"Anna (id {anna.pk}) is inactive now."
            f" Moved: 4 of 4 (Boris (id {receiver.pk}): 3, waiting in the queue: 1).\n"
        )
        contacts = list(Contact.objects.order_by("pk"))
        assert [contact.operator for contact in contacts] == [receiver] * 3 + [None]
        assert [contact.created_at for contact in contacts] == ages
        assert_rules_hold()

    def test_from_an_inactive_operator_needs_no_deactivation(self, reassign: Reassign, anna: Operator) -> None:
        Operator.objects.filter(pk=anna.pk).update(is_active=False)

        assert reassign("--from", "Anna", "--to-queue") == (0, "Moved: 4 of 4 (waiting in the queue: 4).\n")


class TestDryRun:
    @pytest.mark.parametrize(
        "arguments", [[], ["--to", "Boris"], ["--to-queue", "--deactivate"], ["--deactivate", "--limit", "2"]]
    )
    def test_it_changes_nothing(self, arguments: list[str], reassign: Reassign, anna: Operator) -> None:
        boris(places=10)
        before = everything()

        with CaptureQueriesContext(connection) as queries:
            assert reassign("--from", "Anna", "--dry-run", *arguments)[0] == 0

        assert everything() == before
        assert {query["sql"].split()[0] for query in queries} == {"SELECT"}

    def test_it_says_how_many_would_move_and_where_there_is_room(self, reassign: Reassign, anna: Operator) -> None:
        receiver = boris(places=3)

        assert reassign("--from", "Anna", "--dry-run") == (
            3,
            (
                "Nothing was written; one possible outcome: would move: 3 of 4"
                f" (Boris (id {receiver.pk}): 3). Would find no place: 1 (nobody_available: 1)."
                f" Free places now: 3 (Boris (id {receiver.pk}): 3).\n"
            ),
        )


class TestInterruption:
    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
    def test_the_contact_at_hand_is_finished_and_the_rest_stays(
        self, number: signal.Signals, reassign: Reassign, anna: Operator
    ) -> None:
        receiver = boris(places=10)

        with at_move(2, lambda: signal.raise_signal(number)):
            code, output = reassign("--from", "Anna")

        assert code == 130
        assert output == (f"Interrupted, the rest stays where it is. Moved: 2 of 4 (Boris (id {receiver.pk}): 2).\n")
        assert (number_of(anna), number_of(receiver)) == (2, 2)
        assert_rules_hold()

    def test_a_second_signal_does_not_wait(self, anna: Operator) -> None:
        boris(places=10)

        def interrupt_twice() -> None:
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGINT)

        with at_move(2, interrupt_twice), pytest.raises(KeyboardInterrupt):
            call_command("reassign", "--from", "Anna")

        assert number_of(anna) == 3
        assert_rules_hold()

    def test_a_signal_during_the_last_contact_changes_nothing(self, reassign: Reassign, anna: Operator) -> None:
        boris(places=10)

        with at_move(4, lambda: signal.raise_signal(signal.SIGINT)):
            assert reassign("--from", "Anna")[0] == 0


@pytest.mark.django_db(transaction=True)
class TestProcess:
    def test_exit_codes(self) -> None:
        operator = make_operator(name="Anna")
        source = make_source({operator: 1})
        make_operator(name="Boris", max_load=1)
        arrive(source)
        arrive(source)

        who = [["Anna", "--to", "Boris"], ["Boris"], ["Nobody"]]
        codes = [run("reassign", "--from", *rest).returncode for rest in who]

        assert codes == [3, 0, 1]

    def test_ctrl_c_in_the_middle_leaves_a_true_state(self) -> None:
        operator, receiver = make_operator(name="Anna", max_load=200), make_operator(max_load=200)
        source = make_source({operator: 1})
        for _ in range(200):
            arrive(source)

        with started("reassign", "--from", "Anna", "--to", str(receiver.pk)) as process:
            wait_until(lambda: number_of(receiver) >= 3)
            process.send_signal(signal.SIGINT)
            summary = line(process.stdout)
            assert process.wait() == 130

        moved = number_of(receiver)
        assert 3 <= moved < 200
        assert summary.startswith(f"Interrupted, the rest stays where it is. Moved: {moved} of 200")
        assert run("check_load").returncode == 0

    def test_a_terminal_sees_the_progress_and_the_output_is_one_line(self) -> None:
        operator, receiver = make_operator(name="Anna"), make_operator()
        arrive(make_source({operator: 1}))
        terminal, its_end = pty.openpty()

        with started("reassign", "--from", "Anna", "--to", str(receiver.pk), stderr=its_end) as process:
            output, _errors = process.communicate()
        shown = os.read(terminal, 10_000).decode()
        os.close(terminal)
        os.close(its_end)

        assert "Moving" in shown
        assert output.count("\n") == 1
