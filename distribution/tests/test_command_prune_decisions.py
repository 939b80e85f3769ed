import ast
import os
import signal
from collections.abc import Callable, Iterator
from datetime import timedelta
from itertools import islice
from typing import Any
from unittest.mock import patch

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from crm_project.testing.concurrency import run_concurrently
from crm_project.testing.one_writer import BASE_DIR
from crm_project.testing.rows import arrive, assert_rules_hold, make_operator, make_source
from distribution import handling, roster
from distribution.errors import HasContacts
from distribution.management.interruption import INTERRUPTED
from distribution.models import Checkpoint, Decision, LoadChange, RosterVersion, SettingChange
from distribution.proof.findings import WrongDecision, WrongEntry
from distribution.proof.snapshot import snapshot
from distribution.pruning import LARGEST_BATCH, Pruning, Step, prune
from distribution.strategy import STRATEGIES
from distribution.tests.commands import run, started
from distribution.verification import verify
from leads.models import Contact, Source
from operators.models import Operator

pytestmark = pytest.mark.django_db

COMMAND = "distribution.management.commands.prune_decisions"

type Prune = Callable[..., tuple[int, list[str]]]


@pytest.fixture
def prune_decisions(capsys: pytest.CaptureFixture[str]) -> Prune:
    """Run the command; return its exit code and its lines."""

    def run_command(*arguments: str) -> tuple[int, list[str]]:
        code = 0
        try:
            call_command("prune_decisions", *arguments)
        except SystemExit as ending:
            code = int(ending.code or 0)
        return code, capsys.readouterr().out.splitlines()

    return run_command


def come_and_go(source: Source, contacts: int) -> None:
    for number in range(contacts):
        contact = arrive(source, f"lead_{number}")
        if number % 2:
            handling.close_contact(contact.pk)


def grow_old(days: int = 100) -> None:
    """Let whatever was recorded so far be that many days old."""
    for model in (Decision, LoadChange):
        for row in model.objects.values("pk", "at"):
            model.objects.filter(pk=row["pk"]).update(at=row["at"] - timedelta(days=days))


@pytest.fixture
def house() -> list[Source]:
    """Return a source for each strategy, all with the same operators; of each 6 decisions are old and 4 are not."""
    operators = [roster.create_operator(name=name, max_load=limit) for name, limit in (("Anna", 30), ("Boris", 3))]
    sources = [roster.create_source(name=code, code=code, strategy=code) for code in STRATEGIES]
    for source in sources:
        roster.set_weights(source.pk, {operator.pk: 1 for operator in operators})
        come_and_go(source, 6)
    roster.change_operator(operators[1].pk, max_load=4)
    grow_old()
    for source in sources:
        come_and_go(source, 4)
    assert list(verify()) == []
    return sources


def stored() -> list[Any]:
    models: list[Any] = [Decision, LoadChange, Checkpoint, RosterVersion, SettingChange, Operator, Contact]
    return [list(model.objects.order_by("pk").values()) for model in models]


def pruning(batch: int = 3, **options: Any) -> Pruning:
    return Pruning(before=timezone.now() - timedelta(days=90), batch=batch, **options)


def test_what_is_old_goes_and_what_is_left_holds(prune_decisions: Prune, house: list[Source]) -> None:
    old = Decision.objects.filter(at__lt=timezone.now() - timedelta(days=90))
    settings = SettingChange.objects.count()
    assert old.count() == 18

    code, [line] = prune_decisions("--older-than", "90d")

    assert (code, line) == (0, "Removed: decisions 18, rows of ledgers 28, lists of operators 0.")
    assert (Decision.objects.count(), old.count()) == (12, 0)
    assert not LoadChange.objects.filter(at__lt=timezone.now() - timedelta(days=90)).exists()
    assert SettingChange.objects.count() == settings
    assert list(verify()) == []
    assert_rules_hold()


def test_pruning_again_moves_the_checkpoint(prune_decisions: Prune, house: list[Source]) -> None:
    prune_decisions("--older-than", "90d")
    before = dict(Checkpoint.objects.values_list("operator", "number"))
    grow_old()

    assert prune_decisions("--older-than", "90d")[0] == 0

    after = dict(Checkpoint.objects.values_list("operator", "number"))
    assert before.keys() == after.keys()
    assert all(before[operator] < after[operator] for operator in before)
    assert not Decision.objects.exists()
    come_and_go(house[0], 3)
    assert list(verify()) == []


def test_a_dry_run_writes_nothing_and_says_what_would_go(prune_decisions: Prune, house: list[Source]) -> None:
    before = stored()
    with CaptureQueriesContext(connection) as queries:
        code, [line] = prune_decisions("--older-than", "90d", "--dry-run", "--batch", "4")

    counts = "decisions 18, rows of ledgers 28, lists of operators 0."
    assert (code, line) == (0, f"Nothing was written; this would go: {counts}")
    assert stored() == before
    assert not [query for query in queries if not query["sql"].startswith("SELECT")]
    assert prune_decisions("--older-than", "90d") == (0, [f"Removed: {counts}"])


def test_what_is_left_holds_after_every_step(house: list[Source]) -> None:
    steps = 0
    for step in prune(pruning()):
        assert step.kept == ()
        assert list(verify()) == []
        steps += 1

    assert steps > 10


def test_no_transaction_removes_more_than_a_batch(house: list[Source]) -> None:
    assert max(step.decisions + step.ledger_rows for step in prune(pruning(batch=2))) == 2


def test_what_was_interrupted_is_finished_by_the_next_run(prune_decisions: Prune, house: list[Source]) -> None:
    for count in range(1, 4):
        assert len(list(islice(prune(pruning()), count))) == count
        assert list(verify()) == []

    code, _lines = prune_decisions("--older-than", "90d")

    assert code == 0
    assert Decision.objects.count() == 12


def test_a_signal_ends_it_between_two_steps_with_130(prune_decisions: Prune) -> None:
    def steps(_pruning: Pruning) -> Iterator[Step]:
        yield Step(decisions=2)
        os.kill(os.getpid(), signal.SIGINT)
        yield Step(decisions=3)
        raise AssertionError("a step after the signal")

    with patch(f"{COMMAND}.prune", steps):
        code, [line] = prune_decisions("--older-than", "90d")

    counts = "decisions 5, rows of ledgers 0, lists of operators 0."
    assert (code, line) == (INTERRUPTED, f"Interrupted, the rest stays. Removed: {counts}")


def test_a_decision_that_does_not_replay_is_kept_and_listed(prune_decisions: Prune, house: list[Source]) -> None:
    decision = Decision.objects.earliest("id")
    decision.details["rounds"][0]["ticket"] = 99
    Decision.objects.filter(pk=decision.pk).update(details=decision.details)

    code, lines = prune_decisions("--older-than", "90d")

    assert code == 1
    assert lines == [
        f"Decision {decision.pk}: a ticket does not name the operator drawn.",
        "Removed: decisions 17, rows of ledgers 28, lists of operators 0. Kept, because it does not hold: 1.",
    ]
    assert [finding for finding in verify() if not isinstance(finding, WrongDecision)] == []
    assert prune_decisions("--older-than", "90d")[0] == 1
    assert Decision.objects.filter(pk=decision.pk).exists()


def test_a_ledger_is_kept_from_the_row_that_does_not_follow(prune_decisions: Prune, house: list[Source]) -> None:
    anna = Operator.objects.earliest("id")
    LoadChange.objects.filter(operator=anna, number=4).update(load=29)
    wrong = [finding for finding in verify() if isinstance(finding, WrongEntry)]

    code, lines = prune_decisions("--older-than", "90d", "--batch", "3")

    assert code == 1
    assert lines[0] == f"Ledger of operator {anna.pk}, row 4: the load does not follow from the row before."
    assert Checkpoint.objects.get(operator=anna).number == 3
    assert Decision.objects.filter(operator=anna, ledger_number__gt=3).exists()
    assert list(verify()) == wrong


def test_a_dry_run_lists_what_would_be_kept(prune_decisions: Prune, house: list[Source]) -> None:
    LoadChange.objects.filter(number=4).update(load=29)
    before = stored()

    assert prune_decisions("--older-than", "90d", "--dry-run")[0] == 1
    assert stored() == before


def test_lists_of_operators_go_when_no_decision_names_them_but_for_the_last(prune_decisions: Prune) -> None:
    source = make_source({make_operator(): 1 for _ in range(60)})
    for weight in (1, 2, 3):
        roster.set_weights(source.pk, dict.fromkeys(roster.weights_of(source.pk), weight))
        arrive(source)
    grow_old()
    newest = RosterVersion.objects.latest("id")

    assert prune_decisions("--older-than", "90d", "--dry-run")[1][0].endswith("lists of operators 2.")
    assert prune_decisions("--older-than", "90d")[1][0].endswith("lists of operators 2.")

    assert list(RosterVersion.objects.all()) == [newest]
    arrive(source)
    assert list(verify()) == []


def test_an_operator_whom_no_decision_names_any_more_can_be_deleted(prune_decisions: Prune) -> None:
    anna, boris = make_operator(), make_operator()
    contact = arrive(make_source({anna: 1}))
    handling.reassign_to_operator(contact.pk, boris.pk)
    with pytest.raises(HasContacts):
        roster.delete_operator(anna.pk)
    grow_old()

    prune_decisions("--older-than", "90d")
    roster.delete_operator(anna.pk)

    assert list(Operator.objects.all()) == [boris]
    assert list(verify()) == []


@pytest.mark.parametrize(
    "arguments",
    [(), ("--older-than", "soon"), ("--older-than", "90d", "--batch", "0"), ("--older-than", "1d", "--batch", "10001")],
    ids=" ".join,
)
def test_arguments_that_mean_nothing_are_refused(arguments: tuple[str, ...], prune_decisions: Prune) -> None:
    assert LARGEST_BATCH == 10_000
    with pytest.raises(CommandError):
        prune_decisions(*arguments)


def test_rows_are_removed_past_their_models_by_pruning_only() -> None:
    places = [
        path.relative_to(BASE_DIR).as_posix()
        for package in ("crm_project", "leads", "operators", "distribution")
        for path in (BASE_DIR / package).rglob("*.py")
        if not {"tests", "testing"} & set(path.parts)
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute) and node.attr == "_raw_delete"
    ]

    assert set(places) == {
        "crm_project/webhooks/endpoints.py",  # an endpoint goes with its log
        "distribution/event_pruning.py",
        "distribution/pruning.py",
    }


@pytest.mark.django_db(transaction=True)
class TestBesideOthers:
    def test_a_process_that_is_killed_leaves_what_holds(self) -> None:
        source = make_source({make_operator(max_load=1_000): 1})
        come_and_go(source, 60)

        for _ in range(3):
            with started("prune_decisions", "--older-than", "0s", "--batch", "1") as process:
                whole = LoadChange.objects.count()
                while LoadChange.objects.count() > max(whole - 5, 0):
                    assert process.poll() is None
                process.kill()
            assert list(verify()) == []

        assert run("prune_decisions", "--older-than", "0s").returncode == 0
        assert (Decision.objects.count(), LoadChange.objects.count()) == (0, 0)
        assert list(verify()) == []

    def test_pruning_while_contacts_come_and_go(self) -> None:
        operators = [make_operator(max_load=3) for _ in range(3)]
        sources = [make_source(dict.fromkeys(operators, 1), strategy=strategy) for strategy in STRATEGIES]
        kept: list[Any] = []

        def prune_and_verify() -> None:
            for _ in range(6):
                for step in prune(Pruning(before=timezone.now(), batch=5)):
                    kept.extend(step.kept)
                with snapshot():
                    kept.extend(verify())

        run_concurrently(*(lambda source=source: come_and_go(source, 20) for source in sources), prune_and_verify)

        assert kept == []
        assert list(verify()) == []
