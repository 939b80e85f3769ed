import signal
from collections.abc import Callable
from typing import Any
from unittest.mock import patch

import pytest
from django.apps import apps
from django.core.management import CommandError, call_command
from django.db import OperationalError

from crm_project.testing.rows import arrive
from distribution import roster
from distribution.simulation import question
from leads.models import Source
from operators.models import Operator

pytestmark = pytest.mark.django_db

PERIOD = ("--from", "2020-01-01", "--to", "2999-01-01T00:00")

type Simulate = Callable[..., tuple[int, str]]


@pytest.fixture
def simulate(capsys: pytest.CaptureFixture[str]) -> Simulate:
    """Run the command on the source «bot»; return its exit code and what it printed."""

    def run_command(*arguments: object, period: tuple[str, ...] = PERIOD) -> tuple[int, str]:
        code = 0
        try:
            call_command("simulate", "--source", "bot", *period, *map(str, arguments))
        except SystemExit as ending:
            code = int(ending.code or 0)
        return code, capsys.readouterr().out

    return run_command


@pytest.fixture
def anna() -> Operator:
    """Return an operator with three contacts of the source «bot»."""
    operator = roster.create_operator(name="Anna", max_load=10)
    source = roster.create_source(name="Bot", code="bot")
    roster.set_weights(source.pk, {operator.pk: 3})
    for _ in range(3):
        arrive(source)
    return operator


def boris() -> Operator:
    operator = roster.create_operator(name="Boris", max_load=10)
    roster.set_weights(Source.objects.get().pk, {operator.pk: 0})
    return operator


def rows() -> dict[str, list[Any]]:
    return {model._meta.label: list(model._default_manager.order_by("pk").values()) for model in apps.get_models()}


def test_unchanged_it_shows_what_happened_and_sums_up_in_one_line(simulate: Simulate, anna: Operator) -> None:
    code, printed = simulate()

    assert code == 0
    assert printed.splitlines()[-1] == (
        "Contacts: 3. Largest shift of a share: 0.0 points. 95 in a hundred waited up to 0:00:00, and would have waited"
        " up to 0:00:00. Waiting at the end: 0, would be 0. Nothing was written."
    )
    assert "→" not in printed


def test_before_and_after_stand_side_by_side(simulate: Simulate, anna: Operator) -> None:
    _code, printed = simulate("--limit", "Anna=1")

    assert "0 → 2" in printed
    assert "3 → 1" in printed
    assert "Waiting at the end: 0, would be 2." in printed


def test_a_name_is_printed_to_the_letter(simulate: Simulate, anna: Operator) -> None:
    roster.change_operator(anna.pk, name="[bold]Anna[/]")

    assert "[bold]Anna[/]" in simulate()[1]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("--weight", "Anna=0"), "3 → 0"),
        (("--deactivate", "Anna"), "3 → 0"),
        (("--activate", "Anna", "--strategy", "least_loaded"), "100%"),
    ],
)
def test_each_option_changes_what_it_names(
    simulate: Simulate, anna: Operator, arguments: tuple[str, ...], expected: str
) -> None:
    code, printed = simulate(*arguments)

    assert code == 0
    assert expected in printed


def test_an_operator_is_named_by_id_too_and_an_option_may_be_repeated(simulate: Simulate, anna: Operator) -> None:
    other = boris()

    _code, printed = simulate("--weight", f"{anna.pk}=0", "--weight", f"{other.pk}=5", "--limit", "Boris=10")

    assert "3 → 0" in printed
    assert "0 → 3" in printed


def test_actions_by_hand_that_could_not_be_repeated_are_counted(simulate: Simulate, anna: Operator) -> None:
    other = boris()
    from distribution.handling import reassign_to_operator

    reassign_to_operator(anna.contacts.all()[0].pk, other.pk)

    _code, printed = simulate("--limit", "Boris=0")

    assert "Actions by hand that could not be repeated: 1." in printed


def test_no_table_is_written(simulate: Simulate, anna: Operator) -> None:
    before = rows()

    simulate("--weight", "Anna=1", "--limit", "Anna=1")

    assert rows() == before
    assert sum(map(len, before.values())) > 10


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--weight", "Anna"), "OPERATOR=N"),
        (("--weight", "Anna=1000001"), "OPERATOR=N"),
        (("--weight", "=1"), "OPERATOR=N"),
        (("--limit", "Anna=10001"), "OPERATOR=N"),
        (("--weight", "Nobody=1"), "Nobody"),
        (("--deactivate", "Nobody"), "Nobody"),
        (("--activate", "Anna", "--deactivate", "Anna"), "same operator"),
        (("--strategy", "by_mood"), "strategy"),
        (("--source", "none"), "none"),
        (("--from", "yesterday"), "yesterday"),
        (("--from", "2026-02-31"), "2026-02-31"),
        (("--from", "2998-01-01"), "Nothing lies in this period"),
        (("--to", "2019-01-01"), "Nothing lies in this period"),
    ],
)
def test_what_makes_no_sense_is_told(simulate: Simulate, anna: Operator, arguments: tuple[str, ...], told: str) -> None:
    with pytest.raises(CommandError, match=told):
        simulate(*arguments)


def test_a_period_that_was_not_recorded_is_refused(simulate: Simulate, anna: Operator) -> None:
    Operator.objects.update(created_at="2019-01-01T00:00Z")

    with pytest.raises(CommandError, match="not recorded"):
        simulate()


def test_a_database_that_is_away_ends_in_one_line(simulate: Simulate, anna: Operator) -> None:
    with (
        patch.object(question, "read_history", side_effect=OperationalError("away")),
        pytest.raises(CommandError, match="The database failed"),
    ):
        simulate()


def test_an_interrupted_simulation_ends_at_once_with_130(simulate: Simulate, anna: Operator) -> None:
    def interrupt(*_arguments: Any, **_options: Any) -> None:
        signal.raise_signal(signal.SIGINT)

    with patch.object(question, "report_on", interrupt):
        code, printed = simulate()

    assert code == 130
    assert printed == ""
