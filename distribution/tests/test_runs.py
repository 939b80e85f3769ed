"""Bulk runs: many rows, one after another, in steps that may be interrupted, repeated and asked for twice."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from unittest.mock import patch

import pytest
from django.db import OperationalError
from django.utils import timezone

from crm_project.access.acting import Actor, acting, because
from crm_project.testing.concurrency import run_concurrently
from crm_project.testing.rows import arrive, assert_loads_are_true, assert_rules_hold, make_operator, make_source
from distribution import runs
from distribution.errors import TooManyRows
from distribution.handling import close_contact, reassign_to_operator
from distribution.models import BulkRow, BulkRun, Decision, SettingChange, Trigger
from distribution.roster import change_operator
from distribution.runs import begin, begin_with_contacts_of, progress, step
from leads.models import Contact, Source
from operators.models import Operator

pytestmark = pytest.mark.django_db

SUPERVISOR = Actor("user:7", "anna")


@pytest.fixture(autouse=True)
def _acting() -> Iterator[None]:
    with acting(SUPERVISOR):
        yield


def steps_to_the_end(run: BulkRun) -> None:
    while not progress(run).is_complete:
        assert list(step(run, str))


def outcomes(run: BulkRun) -> dict[str, int]:
    return dict(progress(run).outcomes)


def source_of(operator: Operator, contacts: int) -> Source:
    """Store a source whose contacts all went to the operator."""
    source = make_source({operator: 1})
    for _number in range(contacts):
        arrive(source)
    return source


class TestChoosing:
    def test_a_run_remembers_who_began_it_and_why(self) -> None:
        with because("spam"):
            run = begin("close", Contact.objects.all())

        assert (run.identity, run.reason) == ("user:7", "spam")

    def test_what_comes_later_is_not_part_of_it(self) -> None:
        source = source_of(make_operator(), contacts=2)
        run = begin("close", Contact.objects.all())
        later = arrive(source)

        steps_to_the_end(run)

        assert list(Contact.objects.exclude(status="closed")) == [later]

    def test_too_many_rows_are_refused_and_nothing_is_stored(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(runs, "MOST_ROWS", 1)
        source_of(make_operator(), contacts=2)

        with pytest.raises(TooManyRows):
            begin("close", Contact.objects.all())

        assert not BulkRun.objects.exists()

    def test_old_runs_go_when_a_new_one_begins(self) -> None:
        source_of(make_operator(), contacts=1)
        old, recent = (begin("close", Contact.objects.all()) for _number in range(2))
        BulkRun.objects.filter(pk=old.pk).update(began_at=timezone.now() - timedelta(days=8))

        new = begin("close", Contact.objects.all())

        assert set(BulkRun.objects.all()) == {recent, new}
        assert set(BulkRow.objects.values_list("run", flat=True)) == {recent.pk, new.pk}


class TestSteps:
    def test_each_row_has_its_outcome(self) -> None:
        source = source_of(make_operator(), contacts=3)
        close_contact(Contact.objects.order_by("pk")[0].pk)
        run = begin("close", source.contacts.all())

        steps_to_the_end(run)

        assert outcomes(run) == {"unchanged": 1, "changed": 2}
        assert list(run.rows.order_by("pk").values_list("outcome", flat=True)) == ["unchanged", "changed", "changed"]
        assert_rules_hold()

    def test_what_is_reopened_into_the_queue_and_given_away_at_once_names_who_got_it(self) -> None:
        operator = make_operator()
        contact = close_contact(arrive(make_source({operator: 1})).pk)
        run = begin("reopen", Contact.objects.filter(pk=contact.pk))

        steps_to_the_end(run)

        assert progress(run).receivers == {operator.pk: 1}
        assert_rules_hold()

    def test_a_step_ends_after_a_while_and_the_next_goes_on(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(runs, "SECONDS_A_STEP", -1)
        source_of(make_operator(), contacts=3)
        run = begin("close", Contact.objects.all())

        assert len(list(step(run, str))) == 1
        assert (progress(run).done, progress(run).is_complete) == (1, False)
        steps_to_the_end(run)
        assert outcomes(run) == {"changed": 3}

    def test_the_reason_is_kept_with_every_decision(self) -> None:
        operator, receiver = make_operator(), make_operator()
        source_of(operator, contacts=2)
        with because("illness"):
            run = begin("reassign_to", Contact.objects.all(), receiver_id=receiver.pk)

        steps_to_the_end(run)

        told = Decision.objects.filter(trigger=Trigger.BULK).values_list("operator", "reason", "actor")
        assert set(told) == {(receiver.pk, "illness", "user:7")}
        assert progress(run).receivers == {receiver.pk: 2}

    def test_a_limit_that_is_reached_refuses_the_rest(self) -> None:
        operator, receiver = make_operator(), make_operator(max_load=1)
        source_of(operator, contacts=3)
        run = begin("reassign_to", Contact.objects.all(), receiver_id=receiver.pk)

        steps_to_the_end(run)

        assert outcomes(run) == {"changed": 1, "refused": 2}
        assert sum(progress(run).reasons.values()) == 2
        assert_rules_hold()

    def test_by_draw_each_goes_to_another_operator(self) -> None:
        operator, other = make_operator(), make_operator()
        source = source_of(operator, contacts=2)
        other.weights.create(source=source, weight=1)
        run = begin("reassign_by_draw", source.contacts.all())

        steps_to_the_end(run)

        assert progress(run).receivers == {other.pk: 2}

    @pytest.mark.parametrize("work", ["reassign_by_draw", "reassign_to"])
    def test_what_somebody_else_moved_meanwhile_is_left_alone(self, work: str) -> None:
        operator, other, third = make_operator(), make_operator(), make_operator()
        source = source_of(operator, contacts=1)
        waiting = arrive(make_source())
        third.weights.create(source=source, weight=1)
        run = begin(work, Contact.objects.all(), receiver_id=third.pk)
        for contact in Contact.objects.all():
            reassign_to_operator(contact.pk, other.pk)

        steps_to_the_end(run)

        assert outcomes(run) == {"skipped": 2}
        assert set(other.contacts.all()) == {source.contacts.get(), waiting}

    def test_a_row_that_was_deleted_meanwhile_is_skipped(self) -> None:
        operator = make_operator()
        run = begin("deactivate_operators", Operator.objects.all())
        operator.delete()

        steps_to_the_end(run)

        assert outcomes(run) == {"skipped": 1}

    def test_a_database_that_does_not_answer_leaves_the_row_to_the_next_step(self) -> None:
        source_of(make_operator(), contacts=1)
        run = begin("close", Contact.objects.all())

        with patch("distribution.runs._outcome", side_effect=OperationalError), pytest.raises(OperationalError):
            list(step(run, str))

        steps_to_the_end(run)
        assert outcomes(run) == {"changed": 1}

    def test_a_step_that_died_is_repeated_after_a_while(self) -> None:
        source_of(make_operator(), contacts=1)
        run = begin("close", Contact.objects.all())
        BulkRow.objects.update(taken_up_at=timezone.now())
        assert list(step(run, str)) == []

        BulkRow.objects.update(taken_up_at=timezone.now() - timedelta(minutes=3))

        assert len(list(step(run, str))) == 1
        assert outcomes(run) == {"changed": 1}

    def test_a_repeated_row_moves_nothing_twice(self) -> None:
        operators = [make_operator() for _number in range(3)]
        source = make_source(dict.fromkeys(operators, 1))
        contact = arrive(source)
        run = begin("reassign_by_draw", Contact.objects.all())
        with patch("distribution.runs.BulkRow.save", side_effect=KeyboardInterrupt), pytest.raises(KeyboardInterrupt):
            list(step(run, str))
        contact.refresh_from_db()
        receiver = contact.operator
        BulkRow.objects.update(taken_up_at=timezone.now() - timedelta(minutes=3))

        steps_to_the_end(run)

        contact.refresh_from_db()
        assert contact.operator == receiver
        assert outcomes(run) == {"skipped": 1}

    @pytest.mark.parametrize("rows", [10, 100])
    def test_the_progress_takes_three_statements_however_many_rows(
        self, rows: int, django_assert_num_queries: Any
    ) -> None:
        run = begin("close", Contact.objects.all())
        BulkRow.objects.bulk_create(BulkRow(run=run, work="close", target_id=number) for number in range(rows))

        with django_assert_num_queries(3):
            assert progress(run).total == rows


class TestLeaving:
    def test_contacts_go_once_the_operator_is_inactive_the_late_ones_too(self) -> None:
        operator, receiver = make_operator(), make_operator()
        source = source_of(operator, contacts=2)
        run = begin("deactivate_operators", Operator.objects.filter(pk=operator.pk), contacts="leave_by_draw")
        arrive(source)
        receiver.weights.create(source=source, weight=1)

        steps_to_the_end(run)

        assert outcomes(run) == {"changed": 4}
        assert progress(run).receivers == {receiver.pk: 3}
        assert_rules_hold()

    def test_those_who_leave_together_get_nothing_of_each_other(self) -> None:
        leaving = [make_operator(), make_operator()]
        receiver = make_operator()
        source = make_source(dict.fromkeys(leaving, 1))
        for _number in range(4):
            arrive(source)
        receiver.weights.create(source=source, weight=1)
        with because("closing"):
            run = begin("deactivate_operators", Operator.objects.exclude(pk=receiver.pk), contacts="leave_by_draw")

        steps_to_the_end(run)

        assert progress(run).receivers == {receiver.pk: 4}
        assert set(SettingChange.objects.filter(setting="is_active").values_list("reason", flat=True)) == {"closing"}

    def test_what_finds_no_place_stays_or_waits_with_its_age(self) -> None:
        operator = make_operator()
        contact_ages = dict(source_of(operator, contacts=2).contacts.values_list("pk", "created_at"))
        change_operator(operator.pk, is_active=False)

        stayed = begin_with_contacts_of(operator, "leave_by_draw")
        steps_to_the_end(stayed)
        assert outcomes(stayed) == {"refused": 2}
        assert Contact.objects.active().count() == 2

        queued = begin_with_contacts_of(operator, "leave_to_queue")
        steps_to_the_end(queued)
        assert outcomes(queued) == {"changed": 2}
        assert progress(queued).receivers == {None: 2}
        assert dict(Contact.objects.waiting().values_list("pk", "created_at")) == contact_ages
        assert_loads_are_true()

    def test_an_operator_who_came_back_keeps_theirs(self) -> None:
        operator = make_operator()
        source_of(operator, contacts=1)
        change_operator(operator.pk, is_active=False)
        run = begin_with_contacts_of(operator, "leave_to_queue")
        change_operator(operator.pk, is_active=True)

        steps_to_the_end(run)

        assert outcomes(run) == {"refused": 1}
        assert Contact.objects.get().operator == operator

    def test_the_waiting_contacts_of_a_source_are_closed_and_the_active_stay(self) -> None:
        source = make_source({make_operator(max_load=1): 1})
        active, waiting = arrive(source), arrive(source)
        run = begin("deactivate_sources", Source.objects.all(), contacts="close_waiting")

        steps_to_the_end(run)

        assert list(Contact.objects.filter(status="closed")) == [waiting]
        assert list(Contact.objects.active()) == [active]
        assert not Source.objects.get().is_active

    def test_a_contact_given_by_hand_meanwhile_is_not_closed(self) -> None:
        source = make_source(is_active=True)
        contact = arrive(source)
        run = begin_with_contacts_of(source, "close_waiting")
        reassign_to_operator(contact.pk, make_operator().pk)

        steps_to_the_end(run)

        assert outcomes(run) == {"unchanged": 1}
        assert Contact.objects.active().get() == contact


@pytest.mark.django_db(transaction=True)
def test_two_pages_that_drive_one_run_do_every_row_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runs, "SECONDS_A_STEP", 60)
    receiver = make_operator(max_load=100)
    source_of(make_operator(max_load=100), contacts=30)
    run = begin("reassign_to", Contact.objects.all(), receiver_id=receiver.pk)

    done = run_concurrently(lambda: list(step(run, str)), times=3)

    assert sorted(row.pk for rows in done for row in rows) == sorted(run.rows.values_list("pk", flat=True))
    assert outcomes(run) == {"changed": 30}
    assert Decision.objects.filter(trigger=Trigger.BULK).count() == 30
    assert_rules_hold()
