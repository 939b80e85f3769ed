from typing import Any
from unittest.mock import patch

import pytest

from crm_project.testing.rows import arrive, assert_rules_hold, make_operator, make_source
from distribution import handling
from distribution.errors import (
    ContactClosed,
    ContactNotFound,
    NobodyAvailable,
    NoLongerTheirs,
    OperatorNotFound,
    OperatorStillActive,
    OperatorUnavailable,
)
from distribution.roster import change_operator
from leads.models import Contact, Source
from operators.models import Operator

pytestmark = pytest.mark.django_db


def fresh(contact: Contact) -> Contact:
    return Contact.objects.get(pk=contact.pk)


def load_of(operator: Operator) -> int:
    return Operator.objects.get(pk=operator.pk).load


class TestClosing:
    def test_frees_the_place_and_keeps_the_operator_named(self) -> None:
        operator = make_operator()
        contact = arrive(make_source({operator: 1}))

        closed = handling.close_contact(contact.pk)

        assert (closed.status, closed.operator) == ("closed", operator)
        assert closed.closed_at is not None
        assert load_of(operator) == 0

    def test_twice_changes_nothing(self) -> None:
        operator = make_operator()
        contact = arrive(make_source({operator: 1}))
        first = handling.close_contact(contact.pk)

        second = handling.close_contact(contact.pk)

        assert second.closed_at == first.closed_at
        assert load_of(operator) == 0

    def test_a_waiting_contact_leaves_the_queue(self) -> None:
        contact = arrive(make_source())

        assert handling.close_contact(contact.pk).status == "closed"

    def test_gives_the_place_to_the_oldest_who_waits(self) -> None:
        operator = make_operator(max_load=1)
        source = make_source({operator: 1})
        active, oldest, youngest = (arrive(source) for _ in range(3))

        handling.close_contact(active.pk)

        assert fresh(oldest).operator == operator
        assert fresh(youngest).is_waiting

    def test_gives_the_place_to_whoever_waits_on_another_source(self) -> None:
        operator = make_operator(max_load=1)
        active = arrive(make_source({operator: 1}))
        waiting = arrive(make_source({operator: 1}))

        handling.close_contact(active.pk)

        assert fresh(waiting).operator == operator

    def test_works_on_an_inactive_source(self) -> None:
        operator = make_operator()
        contact = arrive(make_source({operator: 1}))
        Source.objects.update(is_active=False)

        assert handling.close_contact(contact.pk).is_closed

    def test_an_unknown_contact_is_an_error(self) -> None:
        with pytest.raises(ContactNotFound):
            handling.close_contact(404)

    def test_from_somebody_who_does_not_have_it_is_refused_and_changes_nothing(self) -> None:
        operator = make_operator()
        contact = arrive(make_source({operator: 1}))

        with pytest.raises(NoLongerTheirs):
            handling.close_contact(contact.pk, from_operator_id=make_operator().pk)

        assert fresh(contact).status == "active"
        assert handling.close_contact(contact.pk, from_operator_id=operator.pk).is_closed


class TestReopening:
    def test_goes_back_to_the_same_operator(self) -> None:
        operator = make_operator()
        contact = arrive(make_source({operator: 1, make_operator(): 1_000}))
        handling.reassign_to_operator(contact.pk, operator.pk)
        handling.close_contact(contact.pk)

        reopened = handling.reopen_contact(contact.pk)

        assert (reopened.status, reopened.operator, reopened.closed_at) == ("active", operator, None)
        assert load_of(operator) == 1

    @pytest.mark.parametrize("changes", [{"is_active": False}, {"max_load": 0}], ids=["inactive", "at the limit"])
    def test_joins_the_queue_with_its_first_age_when_the_operator_cannot_take_it(self, changes: dict[str, Any]) -> None:
        operator = make_operator()
        source = make_source({operator: 1})
        contact = arrive(source)
        handling.close_contact(contact.pk)
        change_operator(operator.pk, **changes)
        younger = arrive(source)

        reopened = handling.reopen_contact(contact.pk)

        assert (reopened.status, reopened.operator, reopened.created_at) == ("waiting", None, contact.created_at)
        assert list(Contact.objects.waiting().oldest_first()) == [contact, younger]

    def test_from_the_queue_it_is_given_to_another_who_has_room(self) -> None:
        first, second = make_operator(), make_operator(max_load=0)
        contact = arrive(make_source({first: 1, second: 1}))
        handling.close_contact(contact.pk)
        change_operator(first.pk, is_active=False)
        change_operator(second.pk, max_load=1)

        handling.reopen_contact(contact.pk)

        assert fresh(contact).operator == second

    def test_a_contact_closed_while_waiting_waits_again(self) -> None:
        contact = arrive(make_source())
        handling.close_contact(contact.pk)

        assert handling.reopen_contact(contact.pk).is_waiting

    def test_an_open_contact_stays_as_it_is(self) -> None:
        operator = make_operator()
        contact = arrive(make_source({operator: 1}))

        reopened = handling.reopen_contact(contact.pk)

        assert reopened.assigned_at == contact.assigned_at
        assert load_of(operator) == 1


class TestReassigningToAnOperator:
    def test_moves_the_contact_and_the_load(self) -> None:
        first, second = make_operator(), make_operator()
        contact = arrive(make_source({first: 1}))

        moved = handling.reassign_to_operator(contact.pk, second.pk)

        assert moved.operator == second
        assert (load_of(first), load_of(second)) == (0, 1)

    def test_gives_the_freed_place_to_whoever_waits(self) -> None:
        first, second = make_operator(max_load=1), make_operator()
        source = make_source({first: 1})
        contact, waiting = arrive(source), arrive(source)

        handling.reassign_to_operator(contact.pk, second.pk)

        assert fresh(waiting).operator == first

    def test_a_waiting_contact_may_pass_the_queue(self) -> None:
        source, operator = make_source(), make_operator()
        older, younger = arrive(source), arrive(source)

        handling.reassign_to_operator(younger.pk, operator.pk)

        assert (fresh(older).operator, fresh(younger).operator) == (None, operator)

    def test_to_the_same_operator_changes_nothing_even_when_they_are_inactive(self) -> None:
        operator = make_operator()
        contact = arrive(make_source({operator: 1}))
        change_operator(operator.pk, is_active=False)

        assert handling.reassign_to_operator(contact.pk, operator.pk).assigned_at == contact.assigned_at
        assert load_of(operator) == 1

    @pytest.mark.parametrize("fields", [{"is_active": False}, {"max_load": 0}], ids=["inactive", "at the limit"])
    def test_to_somebody_who_cannot_take_it_is_refused_and_changes_nothing(self, fields: dict[str, int]) -> None:
        operator = make_operator()
        contact = arrive(make_source({operator: 1}))

        with pytest.raises(OperatorUnavailable):
            handling.reassign_to_operator(contact.pk, make_operator(**fields).pk)

        assert fresh(contact).operator == operator
        assert load_of(operator) == 1

    def test_to_an_unknown_operator_is_refused(self) -> None:
        contact = arrive(make_source({make_operator(): 1}))

        with pytest.raises(OperatorNotFound):
            handling.reassign_to_operator(contact.pk, 404)

    def test_a_closed_contact_is_refused(self) -> None:
        contact = arrive(make_source())
        handling.close_contact(contact.pk)

        with pytest.raises(ContactClosed):
            handling.reassign_to_operator(contact.pk, make_operator().pk)


class TestReassigningByDraw:
    def test_never_draws_the_same_operator(self) -> None:
        first, second = make_operator(), make_operator()
        contact = arrive(make_source({first: 1_000_000, second: 1}))
        holder = contact.operator

        assert handling.reassign_by_draw(contact.pk).operator != holder

    def test_with_nobody_else_is_refused_and_changes_nothing(self) -> None:
        operator = make_operator()
        contact = arrive(make_source({operator: 1, make_operator(max_load=0): 1, make_operator(): 0}))

        with pytest.raises(NobodyAvailable):
            handling.reassign_by_draw(contact.pk)

        assert fresh(contact).operator == operator
        assert load_of(operator) == 1

    def test_works_on_an_inactive_source(self) -> None:
        first, second = make_operator(), make_operator(max_load=0)
        contact = arrive(make_source({first: 1, second: 1}))
        Source.objects.update(is_active=False)
        change_operator(second.pk, max_load=1)

        assert handling.reassign_by_draw(contact.pk).operator == second

    def test_a_waiting_contact_takes_nobody_from_an_older_one_of_its_source(self) -> None:
        operator = make_operator(max_load=0)
        source = make_source({operator: 1})
        older, younger = arrive(source), arrive(source)
        Operator.objects.filter(pk=operator.pk).update(max_load=1)

        with pytest.raises(NobodyAvailable):
            handling.reassign_by_draw(younger.pk)

        assert handling.reassign_by_draw(older.pk).operator == operator

    def test_somebody_who_filled_up_meanwhile_is_drawn_over(self) -> None:
        holder, full, free = make_operator(), make_operator(max_load=0), make_operator(max_load=0)
        contact = arrive(make_source({holder: 1, full: 1_000_000, free: 1}))
        change_operator(free.pk, max_load=1)
        change_operator(full.pk, max_load=1)

        def fill(*args: object) -> int:
            Operator.objects.filter(pk=full.pk).update(max_load=0)
            return 0

        with patch("distribution.assignment.secrets.randbelow", side_effect=fill):
            moved = handling.reassign_by_draw(contact.pk)

        assert moved.operator == free
        assert_rules_hold()

    def test_a_closed_contact_is_refused(self) -> None:
        contact = arrive(make_source())
        handling.close_contact(contact.pk)

        with pytest.raises(ContactClosed):
            handling.reassign_by_draw(contact.pk)


class TestReturningToTheQueue:
    def test_keeps_the_age_and_frees_the_place(self) -> None:
        operator = make_operator()
        contact = arrive(make_source({operator: 1}))
        change_operator(operator.pk, is_active=False)

        returned = handling.return_to_queue(contact.pk, from_operator_id=operator.pk)

        assert (returned.status, returned.created_at) == ("waiting", contact.created_at)
        assert load_of(operator) == 0

    def test_from_an_active_operator_is_refused(self) -> None:
        operator = make_operator()
        contact = arrive(make_source({operator: 1}))

        with pytest.raises(OperatorStillActive):
            handling.return_to_queue(contact.pk, from_operator_id=operator.pk)

        assert fresh(contact).operator == operator
