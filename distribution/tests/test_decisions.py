"""Every attempt to assign leaves a decision that says why."""

import json
from typing import Any
from unittest.mock import patch

import pytest
from pytest_django import DjangoAssertNumQueries

from crm_project.access.acting import Actor, acting, because
from crm_project.testing.rows import arrive, make_operator, make_source
from distribution import handling, roster
from distribution.assignment import Unconfirmed
from distribution.availability import roster_of
from distribution.counts import count_draw, given_so_far
from distribution.decisions import account_of
from distribution.errors import NobodyAvailable, OperatorUnavailable
from distribution.models import Decision, DrawCount, LoadChange, RosterVersion
from distribution.queue import drain, give_waiting
from distribution.records import Account
from distribution.rounds import Outcome, drawn_by
from distribution.standing import Obstacle, Standing
from distribution.strategy import STRATEGIES
from leads.models import Contact, Source
from operators.models import Operator

pytestmark = pytest.mark.django_db


def last_decision(contact: Contact) -> Decision:
    return Decision.objects.filter(contact=contact).latest("id")


def last_account(contact: Contact) -> Account:
    return account_of(last_decision(contact))


def test_an_arrival_records_who_stood_how_and_whom_the_ticket_named() -> None:
    busy, free = make_operator(max_load=0), make_operator(max_load=10)
    contact = arrive(make_source({busy: 10, free: 30}))

    decision = last_decision(contact)
    [round_] = account_of(decision).rounds

    assert (decision.trigger, decision.kind, decision.strategy) == ("arrival", "draw", "weighted_random")
    assert (decision.operator, decision.ledger_number, decision.source) == (free, 1, contact.source)
    assert round_.roster == [Standing(busy.pk, 10, 0, 0, True), Standing(free.pk, 30, 0, 10, True)]
    assert round_.obstacles() == {busy.pk: Obstacle.AT_LIMIT, free.pk: None}
    assert (round_.drawn, round_.outcome) == (free.pk, Outcome.TAKEN)
    assert round_.ticket is not None
    assert drawn_by(STRATEGIES[decision.strategy], round_.candidates, round_.given, round_.ticket) == free.pk


def test_a_contact_that_joins_the_queue_has_one_decision_with_the_reasons() -> None:
    asleep = make_operator(is_active=False)
    contact = arrive(make_source({asleep: 10}))

    decision = Decision.objects.get(contact=contact)
    [round_] = account_of(decision).rounds

    assert (decision.operator, round_.outcome) == (None, Outcome.NOBODY)
    assert round_.obstacles() == {asleep.pk: Obstacle.INACTIVE}


def test_looking_again_with_the_same_reasons_writes_nothing() -> None:
    operator = make_operator(max_load=0)
    contact = arrive(make_source({operator: 10}))

    assert give_waiting(contact.pk) is False

    assert Decision.objects.count() == 1


def test_looking_again_with_another_reason_writes_it() -> None:
    operator = make_operator(max_load=0)
    contact = arrive(make_source({operator: 10}))
    roster.change_operator(operator.pk, is_active=False)

    assert give_waiting(contact.pk) is False

    assert last_account(contact).rounds[0].obstacles() == {operator.pk: Obstacle.INACTIVE}


def test_looking_again_writes_every_ticket_that_was_drawn() -> None:
    operator = make_operator(max_load=0)
    contact = arrive(make_source({operator: 10}))
    Operator.objects.update(max_load=1)

    def refuse(_source_id: int, operator_id: int) -> None:
        raise Unconfirmed(operator_id)

    with patch("distribution.queue.confirm_available", side_effect=refuse):
        assert [give_waiting(contact.pk), give_waiting(contact.pk)] == [False, False]

    drawn = [[round_.drawn for round_ in account_of(decision).rounds] for decision in Decision.objects.order_by("id")]
    assert drawn == [[None], [operator.pk, None], [operator.pk, None]]


def test_looking_again_after_a_decision_that_was_tampered_with_writes_the_reasons_anew() -> None:
    operator = make_operator(max_load=0)
    contact = arrive(make_source({operator: 10}))
    Decision.objects.update(details={"rounds": [{"roster": [[]], "outcome": "nobody"}]})

    assert give_waiting(contact.pk) is False

    assert last_account(contact).rounds[0].obstacles() == {operator.pk: Obstacle.AT_LIMIT}


def test_a_drain_is_its_own_decision_signed_by_whoever_made_the_room() -> None:
    operator = make_operator(max_load=0)
    contact = arrive(make_source({operator: 10}))
    with acting(Actor("user:1", "anna")), because("more people"):
        roster.change_operator(operator.pk, max_load=1)

    decision = last_decision(contact)

    assert (decision.trigger, decision.operator) == ("drain", operator)
    assert (decision.actor, decision.actor_name, decision.reason) == ("user:1", "anna", "")


def test_a_refused_round_stays_in_the_decision_of_the_next() -> None:
    first, second = make_operator(), make_operator()
    source = make_source({first: 1, second: 1})
    confirm: Any = patch("distribution.intake.queue_before", side_effect=[None, False])
    with confirm:
        contact = arrive(source)

    refused, taken = last_account(contact).rounds

    assert (refused.outcome, taken.outcome) == (Outcome.UNAVAILABLE, Outcome.TAKEN)
    assert {refused.drawn, taken.drawn} == {first.pk, second.pk}
    assert taken.excluded == {refused.drawn: Obstacle.REFUSED}


def test_a_choice_by_hand_is_told_apart_with_its_reason_and_whether_it_passed_the_queue() -> None:
    full, free = make_operator(max_load=0), make_operator()
    source = make_source({full: 1})
    arrive(source)
    contact = arrive(source)
    roster.set_weights(make_source().pk, {free.pk: 5})
    with because("knows the customer"):
        handling.reassign_to_operator(contact.pk, free.pk)

    decision = last_decision(contact)

    assert (decision.kind, decision.trigger, decision.strategy) == ("by_hand", "reassignment", "")
    assert decision.reason == "knows the customer"
    assert account_of(decision).by_hand == Standing(free.pk, 0, 0, 10, True)
    assert account_of(decision).passed_queue is False  # the older one could not have been given to them


def test_passing_somebody_who_could_have_had_the_operator_is_recorded() -> None:
    operator = make_operator(max_load=1)
    source = make_source({operator: 1}, is_active=True)
    first = arrive(source)
    arrive(source)
    youngest = arrive(source)
    with patch.object(handling, "drain_after_commit"):
        handling.close_contact(first.pk)
    handling.reassign_to_operator(youngest.pk, operator.pk)

    assert last_account(youngest).passed_queue is True


@pytest.mark.parametrize(
    ("service", "refusal", "kind"),
    [
        (lambda contact, other: handling.reassign_by_draw(contact), NobodyAvailable, "draw"),
        (handling.reassign_to_operator, OperatorUnavailable, "by_hand"),
    ],
)
def test_a_failed_attempt_is_recorded_and_changes_nothing(service: Any, refusal: Any, kind: str) -> None:
    operator, full = make_operator(), make_operator(max_load=0)
    contact = arrive(make_source({operator: 1, full: 1}))
    with pytest.raises(refusal):
        service(contact.pk, full.pk)

    decision = last_decision(contact)

    assert (decision.operator, decision.kind, decision.trigger) == (None, kind, "reassignment")
    contact.refresh_from_db()
    assert contact.operator == operator


def test_a_draw_that_leaves_an_operator_excludes_them() -> None:
    first, second = make_operator(), make_operator(max_load=0)
    contact = arrive(make_source({first: 1, second: 1}))
    roster.change_operator(second.pk, max_load=1)
    handling.reassign_by_draw(contact.pk)

    [round_] = last_account(contact).rounds

    assert round_.excluded == {first.pk: Obstacle.EXCLUDED}
    assert round_.drawn == second.pk


def test_a_reopened_contact_is_given_back_by_hand() -> None:
    operator = make_operator()
    contact = arrive(make_source({operator: 1}))
    handling.close_contact(contact.pk)
    handling.reopen_contact(contact.pk)

    decision = last_decision(contact)

    assert (decision.trigger, decision.kind, decision.operator) == ("reopening", "by_hand", operator)


def test_the_ledger_counts_each_change_of_load_and_limit() -> None:
    operator = make_operator(max_load=10)
    contact = arrive(make_source({operator: 1}))
    roster.change_operator(operator.pk, max_load=3, name="renamed")
    handling.close_contact(contact.pk)

    rows = LoadChange.objects.values_list("number", "cause", "load", "max_load", "contact")

    assert list(rows) == [(1, "given", 1, 10, contact.pk), (2, "limit", 1, 3, None), (3, "closed", 0, 3, contact.pk)]


def test_a_record_cannot_be_changed_or_deleted() -> None:
    arrive(make_source({make_operator(): 1}))
    decision = Decision.objects.get()

    with pytest.raises(TypeError, match="stays as it is"):
        decision.save()
    with pytest.raises(TypeError, match="until it is pruned"):
        decision.delete()


def test_ten_operators_take_about_a_kilobyte() -> None:
    arrive(make_source({make_operator(): 100 for _ in range(10)}))

    assert len(json.dumps(Decision.objects.get().details)) < 1024


class TestLongRosters:
    @pytest.fixture
    def source(self) -> Source:
        return make_source({make_operator(): 1 for _ in range(60)})

    def test_decisions_share_a_stored_version(self, source: Source) -> None:
        contacts = [arrive(source) for _ in range(5)]

        assert RosterVersion.objects.count() == 1
        assert [len(last_account(contact).rounds[0].roster) for contact in contacts] == [60] * 5
        assert len(last_decision(contacts[4]).details["rounds"][0]["changes"]) <= 4

    def test_what_is_read_is_what_stood(self, source: Source) -> None:
        arrive(source)
        before = Decision.objects.get()
        contact = arrive(source)

        [round_] = last_account(contact).rounds

        loads = {standing.operator_id: standing.load for standing in round_.roster}
        assert [operator for operator, load in loads.items() if load] == [before.operator_id]

    def test_a_version_too_far_away_is_followed_by_another(self, source: Source) -> None:
        first = arrive(source)
        roster.set_weights(source.pk, dict.fromkeys(roster.weights_of(source.pk), 2))
        second = arrive(source)

        assert RosterVersion.objects.count() == 2
        assert {s.weight for s in last_account(first).rounds[0].roster} == {1}
        assert {s.weight for s in last_account(second).rounds[0].roster} == {2}


class TestTheSameOperator:
    def test_a_returning_lead_goes_back_without_a_draw(self) -> None:
        first, second = make_operator(), make_operator(max_load=0)
        source = make_source({first: 1, second: 1_000_000}, prefer_same_operator=True)
        arrive(source, "lead")
        roster.change_operator(second.pk, max_load=10)
        contact = arrive(source, "lead")

        account = last_account(contact)

        assert contact.operator == first
        assert account.preferred == (first.pk, None)
        assert (account.rounds[0].ticket, account.rounds[0].drawn) == (None, first.pk)

    def test_a_miss_is_a_reason_and_the_draw_follows(self) -> None:
        first, second = make_operator(max_load=1), make_operator(max_load=0)
        source = make_source({first: 1, second: 1}, prefer_same_operator=True)
        arrive(source, "lead")
        roster.change_operator(second.pk, max_load=10)
        contact = arrive(source, "lead")

        account = last_account(contact)

        assert contact.operator == second
        assert account.preferred == (first.pk, Obstacle.AT_LIMIT)
        assert account.rounds[0].is_draw

    def test_one_refused_under_the_lock_is_a_miss_too(self) -> None:
        first, second = make_operator(), make_operator(max_load=0)
        source = make_source({first: 1, second: 1}, prefer_same_operator=True)
        arrive(source, "lead")
        roster.change_operator(second.pk, max_load=10)
        with patch("distribution.intake.queue_before", side_effect=[None, False]):
            contact = arrive(source, "lead")

        account = last_account(contact)

        assert contact.operator == second
        assert account.preferred == (first.pk, Obstacle.REFUSED)

    def test_it_is_off_by_default(self) -> None:
        source = make_source({make_operator(): 1})
        arrive(source, "lead")

        assert last_account(arrive(source, "lead")).preferred is None

    def test_a_waiting_contact_goes_back_too(self) -> None:
        operator = make_operator(max_load=1)
        source = make_source({operator: 1}, prefer_same_operator=True)
        arrive(source, "lead")
        waiting = arrive(source, "lead")
        roster.change_operator(operator.pk, max_load=2)
        drain(Source.objects.all())

        assert last_account(waiting).preferred == (operator.pk, None)


class TestSmoothWeighted:
    def test_each_has_their_share_to_within_one_after_any_number(self) -> None:
        weights = (10, 30, 7)
        operators = [make_operator(max_load=10_000) for _ in weights]
        source = make_source(dict(zip(operators, weights, strict=True)), strategy="smooth_weighted")
        had = dict.fromkeys([operator.pk for operator in operators], 0)
        for number in range(1, 120):
            winner = arrive(source).operator
            assert winner is not None
            had[winner.pk] += 1
            for operator, weight in zip(operators, weights, strict=True):
                assert abs(had[operator.pk] - number * weight / sum(weights)) < 1

    def test_the_count_is_kept_with_the_decision_so_that_it_replays(self) -> None:
        source = make_source({make_operator(): 1, make_operator(): 3}, strategy="smooth_weighted")
        for _ in range(9):
            contact = arrive(source)
            [round_] = last_account(contact).rounds
            assert round_.ticket is not None
            drawn = drawn_by(STRATEGIES["smooth_weighted"], round_.candidates, round_.given, round_.ticket)
            assert contact.operator is not None
            assert drawn == contact.operator.pk
        assert sum(round_.given or []) == 8

    def test_a_draw_is_counted_in_one_statement(self, django_assert_num_queries: DjangoAssertNumQueries) -> None:
        source = make_source({make_operator(): 1, make_operator(): 3}, strategy="smooth_weighted")
        arrive(source)
        first, _second = candidates = roster_of(source.pk)

        with django_assert_num_queries(1):
            count_draw(source.pk, candidates, [0, 1], first.operator_id)

        assert given_so_far(source.pk, candidates) == [1, 1]

    def test_another_weight_starts_it_anew(self) -> None:
        first, second = make_operator(), make_operator()
        source = make_source({first: 1, second: 3}, strategy="smooth_weighted")
        arrive(source)
        roster.set_weights(source.pk, {first.pk: 2})
        contact = arrive(source)

        assert last_account(contact).rounds[0].given is None

    def test_another_strategy_forgets_what_was_given(self) -> None:
        source = make_source({make_operator(): 1}, strategy="smooth_weighted")
        arrive(source)
        roster.change_source(source.pk, strategy="least_loaded")

        assert not DrawCount.objects.exists()


class TestLeastLoaded:
    def test_the_lowest_part_of_the_limit_goes_first(self) -> None:
        small, large = make_operator(max_load=2), make_operator(max_load=10)
        source = make_source({small: 1, large: 1_000_000}, strategy="least_loaded")
        for _ in range(12):
            arrive(source)
            small.refresh_from_db()
            large.refresh_from_db()
            assert abs(small.load / 2 - large.load / 10) <= 1 / 2

    def test_ties_are_broken_by_chance(self) -> None:
        operators = [make_operator(max_load=10) for _ in range(2)]
        source = make_source(dict.fromkeys(operators, 1), strategy="least_loaded")
        first = arrive(source)

        [round_] = last_account(first).rounds

        assert STRATEGIES["least_loaded"].tickets(round_.candidates, None) == [1, 1]
