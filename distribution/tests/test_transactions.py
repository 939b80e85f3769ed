from collections.abc import Callable
from unittest.mock import patch

import pytest
from django.db import DatabaseError, IntegrityError, OperationalError, transaction

from crm_project.testing.rows import make_operator
from distribution import transactions
from distribution.locks import lock_operator_with_room
from distribution.transactions import in_transaction
from operators.models import Operator

pytestmark = pytest.mark.django_db


class ServerError(Exception):
    def __init__(self, sqlstate: str) -> None:
        self.sqlstate = sqlstate


def failing(error: type[DatabaseError], sqlstate: str, times: int) -> Callable[[], int]:
    """Return work that stores an operator and fails so many times, then returns how often it was called."""
    calls = 0

    @in_transaction
    def work() -> int:
        nonlocal calls
        calls += 1
        make_operator()
        if calls <= times:
            raise error from ServerError(sqlstate)
        return calls

    return work


@pytest.mark.parametrize(
    ("error", "sqlstate"),
    [(OperationalError, "40001"), (OperationalError, "40P01"), (IntegrityError, "23503")],
    ids=["serialization", "deadlock", "a row deleted meanwhile"],
)
def test_the_whole_transaction_is_repeated(error: type[DatabaseError], sqlstate: str) -> None:
    assert failing(error, sqlstate, times=2)() == 3
    assert Operator.objects.count() == 1


def test_it_is_not_repeated_for_ever() -> None:
    work = failing(OperationalError, "40P01", times=transactions.ATTEMPTS)

    with patch.object(transactions.time, "sleep"), pytest.raises(OperationalError):
        work()

    assert not Operator.objects.exists()


@pytest.mark.parametrize("sqlstate", ["55P03", "57014", "08006"], ids=["lock timeout", "cancelled", "connection lost"])
def test_what_would_fail_again_is_raised_at_once(sqlstate: str) -> None:
    with pytest.raises(OperationalError):
        failing(OperationalError, sqlstate, times=1)()


@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
def test_a_lock_outside_a_transaction_is_refused_however_often_its_statement_ran() -> None:
    operator = make_operator()
    with transaction.atomic():
        assert lock_operator_with_room(operator.pk) == operator

    with pytest.raises(transaction.TransactionManagementError):
        lock_operator_with_room(operator.pk)


@pytest.mark.django_db(transaction=True)
def test_inside_another_transaction_it_refuses_to_start() -> None:
    with pytest.raises(RuntimeError, match="durable"), transaction.atomic():
        failing(OperationalError, "40P01", times=0)()
