import os
import signal
from collections.abc import Callable, Iterator
from typing import Any
from unittest.mock import patch

import pytest
from django.core.management import CommandError, call_command

from crm_project.testing.rows import arrive, make_operator, make_source
from distribution.management.interruption import INTERRUPTED
from distribution.models import Decision
from distribution.tests.commands import run
from leads.models import Source

# The snapshot wants a transaction of its own.
pytestmark = pytest.mark.django_db(transaction=True)

COMMAND = "distribution.management.commands.verify_decisions"

type Verify = Callable[..., tuple[int, list[str]]]


@pytest.fixture
def verify(capsys: pytest.CaptureFixture[str]) -> Verify:
    """Run the command; return its exit code and its lines."""

    def run_command(*arguments: str) -> tuple[int, list[str]]:
        code = 0
        try:
            call_command("verify_decisions", *arguments)
        except SystemExit as ending:
            code = int(ending.code or 0)
        return code, capsys.readouterr().out.splitlines()

    return run_command


@pytest.fixture
def source() -> Source:
    """Return a source with three decisions."""
    source = make_source({make_operator(): 1}, code="bot")
    for _ in range(3):
        arrive(source)
    return source


def break_a_ticket() -> int:
    """Alter the ticket of the last decision by hand; return its id."""
    decision = Decision.objects.latest("id")
    decision.details["rounds"][0]["ticket"] = 1
    Decision.objects.filter(pk=decision.pk).update(details=decision.details)
    return decision.pk


def test_all_is_well(verify: Verify, source: Source) -> None:
    assert verify() == (0, ["3 decisions looked at. All is well."])


def test_what_is_wrong_is_named_and_exits_with_1(verify: Verify, source: Source) -> None:
    number = break_a_ticket()

    lines = [f"Decision {number}: a ticket does not name the operator drawn.", "3 decisions looked at. Wrong: 1."]
    assert verify() == (1, lines)


def test_it_can_be_narrowed_to_a_source_and_a_time(verify: Verify, source: Source) -> None:
    break_a_ticket()
    make_source(code="other")

    assert verify("--source", "other") == (0, ["0 decisions looked at. All is well."])
    assert verify("--since", "0s") == (0, ["0 decisions looked at. All is well."])
    assert verify("--source", "bot", "--since", "1d")[0] == 1


@pytest.mark.parametrize("arguments", [("--source", "nowhere"), ("--since", "yesterday")])
def test_an_argument_that_means_nothing_is_refused(arguments: tuple[str, ...], verify: Verify) -> None:
    with pytest.raises(CommandError):
        verify(*arguments)


def test_ctrl_c_ends_it_with_130_and_the_database_goes_on(verify: Verify, source: Source) -> None:
    def interrupted(*_: Any) -> Iterator[None]:
        yield None
        os.kill(os.getpid(), signal.SIGINT)
        yield None

    with patch(f"{COMMAND}.examined", interrupted):
        assert verify() == (INTERRUPTED, ["Interrupted."])
    arrive(source)

    assert verify() == (0, ["4 decisions looked at. All is well."])


def test_the_exit_code_is_that_of_the_process(source: Source) -> None:
    assert run("verify_decisions").returncode == 0
    break_a_ticket()
    assert run("verify_decisions").returncode == 1
