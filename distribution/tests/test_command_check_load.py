from collections.abc import Callable
from unittest.mock import patch

import pytest
from django.core.management import call_command

from crm_project.testing.concurrency import run_concurrently
from crm_project.testing.rows import arrive, make_operator, make_source
from distribution.audit import Finding, audit, mend_load
from distribution.handling import close_contact
from distribution.roster import change_operator
from distribution.tests.commands import run
from leads.models import Contact
from operators.models import Operator

pytestmark = pytest.mark.django_db

type Check = Callable[..., tuple[int, list[str]]]


@pytest.fixture
def check_load(capsys: pytest.CaptureFixture[str]) -> Check:
    """Run the command; return its exit code and its lines."""

    def check(*arguments: str) -> tuple[int, list[str]]:
        code = 0
        try:
            call_command("check_load", *arguments)
        except SystemExit as ending:
            code = int(ending.code or 0)
        return code, capsys.readouterr().out.splitlines()

    return check


def operator_with_three_contacts() -> Operator:
    operator = make_operator(name="Anna", max_load=3)
    source = make_source({operator: 1})
    for _ in range(3):
        arrive(source)
    return operator


def test_all_is_well(check_load: Check) -> None:
    operator_with_three_contacts()

    assert check_load() == (0, ["All is well."])


def test_a_corrupted_counter_is_listed_and_left(check_load: Check) -> None:
    operator = operator_with_three_contacts()
    Operator.objects.update(load=1)

    listed = [f"Load of Anna (id {operator.pk}): stored 1, counted 3.", "Wrong: 1."]
    assert check_load() == (1, listed)
    assert Operator.objects.get().load == 1


def test_fix_mends_a_corrupted_counter(check_load: Check) -> None:
    operator = operator_with_three_contacts()
    Operator.objects.update(load=1)

    listed = [f"Load of Anna (id {operator.pk}): stored 1, counted 3.", "Loads corrected: 1.", "All is well."]
    assert check_load("--fix") == (0, listed)
    assert Operator.objects.get().load == 3


def test_fix_mends_a_counter_where_the_limit_is_below_the_true_load(check_load: Check) -> None:
    operator = operator_with_three_contacts()
    change_operator(operator.pk, max_load=1)
    Operator.objects.update(load=0)

    code, _lines = check_load("--fix")

    assert code == 0
    assert Operator.objects.get().load == 3


def test_fix_cannot_mend_a_broken_limit(check_load: Check) -> None:
    operator = operator_with_three_contacts()
    Operator.objects.update(load=0)
    arrive(make_source({operator: 1}))

    code, lines = check_load("--fix")

    assert (code, lines[-1]) == (1, "Wrong: 1.")
    assert Operator.objects.get().load == 4


def test_a_contact_left_waiting_counts_as_wrong_only_if_it_stays(check_load: Check) -> None:
    operator = make_operator(max_load=0)
    arrive(make_source({operator: 1}))
    Operator.objects.update(max_load=1)

    with patch("distribution.audit.drain"):
        assert check_load()[0] == 1
    assert check_load() == (0, ["All is well."])
    assert Contact.objects.get().operator == operator


@pytest.mark.django_db(transaction=True)
def test_the_exit_code_is_that_of_the_process() -> None:
    operator_with_three_contacts()
    Operator.objects.update(load=1)

    assert [run("check_load", *fix).returncode for fix in ([], ["--fix"], [])] == [1, 0, 0]


@pytest.mark.django_db(transaction=True)
def test_mending_beside_arrivals_and_closings_leaves_true_loads(check_load: Check) -> None:
    operators = [make_operator(max_load=30) for _ in range(2)]
    source = make_source(dict.fromkeys(operators, 1))
    Operator.objects.update(load=7)

    def come_and_go() -> None:
        for step in range(10):
            contact = arrive(source)
            if step % 2:
                close_contact(contact.pk)

    def mend() -> None:
        for _ in range(5):
            for operator in operators:
                mend_load(operator.pk)

    run_concurrently(*[come_and_go] * 4, mend)

    assert check_load() == (0, ["All is well."])


@pytest.mark.django_db(transaction=True)
def test_nothing_is_wrong_while_contacts_come_and_go(check_load: Check) -> None:
    operators = [make_operator(max_load=3) for _ in range(3)]
    source = make_source(dict.fromkeys(operators, 1))
    found: list[Finding] = []

    def come_and_go() -> None:
        for step in range(20):
            contact = arrive(source)
            if step % 2:
                close_contact(contact.pk)

    def look() -> None:
        for _ in range(10):
            found.extend(audit())

    run_concurrently(*[come_and_go] * 4, look)

    assert found == []
