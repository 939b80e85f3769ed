from collections import Counter
from datetime import timedelta

import pytest
from django.utils import timezone

from crm_project.testing.concurrency import run_concurrently
from crm_project.testing.rows import arrive, assert_rules_hold, make_operator, make_source
from distribution.bulk import BulkMove, Moved, Result, Skipped, Stayed, carry_out, check, chosen_contacts, prepare
from distribution.errors import OperatorNotFound, OperatorStillActive
from distribution.handling import close_contact, reassign_to_operator
from distribution.rehearsal import Rehearsal
from distribution.roster import change_operator, change_source, delete_operator
from leads.models import Contact, Source
from operators.models import Operator

pytestmark = pytest.mark.django_db


def source_of(operator: Operator, contacts: int) -> Source:
    """Store a source whose contacts all went to the operator."""
    source = make_source({operator: 1})
    for _ in range(contacts):
        arrive(source)
    return source


def receivers(results: list[Result]) -> Counter[Operator | None]:
    return Counter(result.receiver for result in results if isinstance(result, Moved))


def reasons(results: list[Result]) -> list[str]:
    return [result.refusal.code for result in results if isinstance(result, Stayed)]


def done(move: BulkMove) -> list[Result]:
    prepare(move)
    return list(carry_out(move, chosen_contacts(move)))


def rehearsed(move: BulkMove) -> list[Result]:
    return list(Rehearsal(move).run(chosen_contacts(move)))


class TestChoosing:
    def test_the_oldest_come_first(self) -> None:
        operator = make_operator()
        source_of(operator, contacts=3)
        newest, middle, oldest = Contact.objects.order_by("pk")
        for hours, contact in enumerate([newest, middle, oldest]):
            Contact.objects.filter(pk=contact.pk).update(created_at=timezone.now() - timedelta(hours=hours))

        assert chosen_contacts(BulkMove(from_operator=operator)) == [oldest, middle, newest]
        assert chosen_contacts(BulkMove(from_operator=operator, limit=2)) == [oldest, middle]

    def test_only_active_contacts_of_the_operator_are_moved(self) -> None:
        operator, other = make_operator(), make_operator()
        source_of(other, contacts=1)
        source_of(operator, contacts=2)
        closed, active = Contact.objects.filter(operator=operator).order_by("pk")
        close_contact(closed.pk)

        assert chosen_contacts(BulkMove(from_operator=operator)) == [active]

    def test_only_contacts_of_the_source(self) -> None:
        operator = make_operator()
        source_of(operator, contacts=1)
        source = source_of(operator, contacts=1)

        (contact,) = chosen_contacts(BulkMove(from_operator=operator, source=source))

        assert contact.source == source

    def test_older_than_counts_from_the_assignment(self) -> None:
        operator = make_operator()
        source_of(operator, contacts=2)
        long_waiting, long_assigned = Contact.objects.order_by("pk")
        two_hours_ago = timezone.now() - timedelta(hours=2)
        Contact.objects.filter(pk=long_waiting.pk).update(created_at=two_hours_ago)
        Contact.objects.filter(pk=long_assigned.pk).update(assigned_at=two_hours_ago)

        assert chosen_contacts(BulkMove(from_operator=operator, older_than=timedelta(hours=1))) == [long_assigned]


class TestCarryingOut:
    def test_to_an_operator_without_asking_for_a_weight(self) -> None:
        operator, receiver = make_operator(), make_operator()
        source_of(operator, contacts=3)

        assert receivers(done(BulkMove(from_operator=operator, to_operator=receiver))) == {receiver: 3}
        assert_rules_hold()

    def test_by_draw_never_to_the_same_operator(self) -> None:
        operator, others = make_operator(max_load=20), [make_operator(max_load=10) for _ in range(2)]
        source = source_of(operator, contacts=20)
        for other in others:
            other.weights.create(source=source, weight=1)

        assert receivers(done(BulkMove(from_operator=operator))) == dict.fromkeys(others, 10)
        assert_rules_hold()

    def test_what_finds_no_place_stays(self) -> None:
        operator, receiver = make_operator(), make_operator(max_load=2)
        source_of(operator, contacts=3)

        results = done(BulkMove(from_operator=operator, to_operator=receiver))

        assert (receivers(results), reasons(results)) == ({receiver: 2}, ["operator_unavailable"])
        assert Contact.objects.filter(operator=operator).count() == 1
        assert_rules_hold()

    def test_by_draw_with_nobody_else_everything_stays(self) -> None:
        operator = make_operator()
        source_of(operator, contacts=2)

        assert reasons(done(BulkMove(from_operator=operator))) == ["nobody_available"] * 2

    def test_a_receiver_deleted_meanwhile_leaves_everything_where_it_is(self) -> None:
        operator, receiver = make_operator(), make_operator()
        source_of(operator, contacts=1)
        delete_operator(receiver.pk)

        assert reasons(done(BulkMove(from_operator=operator, to_operator=receiver))) == [OperatorNotFound.code]

    @pytest.mark.parametrize("way", [{}, {"to_queue": True, "deactivate": True}, {"to_operator": True}])
    def test_what_others_closed_or_moved_meanwhile_is_skipped(self, way: dict[str, object]) -> None:
        operator, other = make_operator(), make_operator()
        source = source_of(operator, contacts=3)
        other.weights.create(source=source, weight=1)
        fields = {**way, "to_operator": other} if "to_operator" in way else way
        move = BulkMove(from_operator=operator, **fields)  # type: ignore[arg-type]
        prepare(move)
        contacts = chosen_contacts(move)
        close_contact(contacts[0].pk)
        third = make_operator()
        reassign_to_operator(contacts[1].pk, third.pk)

        results = list(carry_out(move, contacts))

        assert results == [Skipped(), Skipped(), Moved(other)]
        assert Contact.objects.get(pk=contacts[1].pk).operator == third
        assert_rules_hold()

    def test_the_place_that_becomes_free_goes_to_who_waits(self) -> None:
        operator, receiver = make_operator(max_load=2), make_operator()
        source = source_of(operator, contacts=2)
        waiting = arrive(source)

        done(BulkMove(from_operator=operator, to_operator=receiver, limit=1))

        assert Contact.objects.get(pk=waiting.pk).operator == operator
        assert_rules_hold()


class TestToTheQueue:
    def test_from_an_active_operator_is_refused_and_nothing_moves(self) -> None:
        operator = make_operator()
        source_of(operator, contacts=1)

        with pytest.raises(OperatorStillActive):
            done(BulkMove(from_operator=operator, to_queue=True))

        assert Contact.objects.get().operator == operator

    def test_ages_are_kept_and_others_get_what_they_have_room_for_oldest_first(self) -> None:
        operator, other = make_operator(), make_operator(max_load=2)
        source = source_of(operator, contacts=3)
        other.weights.create(source=source, weight=1)
        ages = list(Contact.objects.order_by("pk").values_list("created_at", flat=True))

        results = done(BulkMove(from_operator=operator, to_queue=True, deactivate=True))

        assert receivers(results) == {other: 2, None: 1}
        contacts = Contact.objects.order_by("pk")
        assert [contact.operator for contact in contacts] == [other, other, None]
        assert [contact.created_at for contact in contacts] == ages
        assert not Operator.objects.get(pk=operator.pk).is_active
        assert_rules_hold()

    def test_an_operator_activated_meanwhile_keeps_what_is_left(self) -> None:
        operator = make_operator()
        source_of(operator, contacts=2)
        move = BulkMove(from_operator=operator, to_queue=True, deactivate=True)
        prepare(move)
        contacts = chosen_contacts(move)
        change_operator(operator.pk, is_active=True)

        assert reasons(list(carry_out(move, contacts))) == ["operator_still_active"] * 2
        assert_rules_hold()


class TestRehearsing:
    def test_operators_fill_up_as_they_would(self) -> None:
        operator, others = make_operator(), [make_operator(max_load=2), make_operator(max_load=3)]
        source = source_of(operator, contacts=7)
        for other in others:
            other.weights.create(source=source, weight=1)

        results = rehearsed(BulkMove(from_operator=operator))

        assert receivers(results) == dict(zip(others, [2, 3], strict=True))
        assert reasons(results) == ["nobody_available"] * 2

    def test_only_available_operators_are_drawn(self) -> None:
        operator, receiver = make_operator(), make_operator()
        source = source_of(operator, contacts=5)
        for other, weight in [(receiver, 1), (make_operator(), 0), (make_operator(is_active=False), 9)]:
            other.weights.create(source=source, weight=weight)
        move = BulkMove(from_operator=operator)

        assert receivers(rehearsed(move)) == {receiver: 5}
        assert Rehearsal(move).room(chosen_contacts(move)) == {receiver: 10}

    def test_to_an_operator_it_counts_the_free_places_of_that_one(self) -> None:
        operator, receiver = make_operator(), make_operator(max_load=3)
        source_of(receiver, contacts=1)
        source_of(operator, contacts=3)
        move = BulkMove(from_operator=operator, to_operator=receiver)

        assert Rehearsal(move).room(chosen_contacts(move)) == {receiver: 2}
        results = rehearsed(move)
        assert (receivers(results), reasons(results)) == ({receiver: 2}, ["operator_unavailable"])

    def test_of_the_queue_it_says_who_would_be_given_what_and_what_waits(self) -> None:
        operator, other = make_operator(), make_operator(max_load=2)
        source = source_of(operator, contacts=3)
        other.weights.create(source=source, weight=1)

        results = rehearsed(BulkMove(from_operator=operator, to_queue=True, deactivate=True))

        assert receivers(results) == {other: 2, None: 1}

    def test_the_queue_of_a_source_that_is_off_gives_nothing(self) -> None:
        operator, other = make_operator(), make_operator()
        source = source_of(operator, contacts=1)
        other.weights.create(source=source, weight=1)
        change_source(source.pk, is_active=False)

        results = rehearsed(BulkMove(from_operator=operator, to_queue=True, deactivate=True))

        assert receivers(results) == {None: 1}

    def test_it_refuses_what_would_be_refused(self) -> None:
        with pytest.raises(OperatorStillActive):
            check(BulkMove(from_operator=make_operator(), to_queue=True))


@pytest.mark.django_db(transaction=True)
class TestBesideOthers:
    def test_limits_hold_while_two_bulk_moves_and_arrivals_meet(self) -> None:
        operators = [make_operator(max_load=8) for _ in range(4)]
        source = make_source(dict.fromkeys(operators, 1))
        for _ in range(24):
            arrive(source)

        def move(operator: Operator) -> None:
            done(BulkMove(from_operator=operator))

        def arrivals() -> None:
            for _ in range(10):
                arrive(source)

        run_concurrently(*(lambda operator=operator: move(operator) for operator in operators), arrivals, arrivals)

        assert_rules_hold()

    def test_two_moves_to_the_queue_beside_closings(self) -> None:
        leaving, others = [make_operator() for _ in range(2)], [make_operator(max_load=7) for _ in range(2)]
        source = make_source({**dict.fromkeys(leaving, 100), **dict.fromkeys(others, 1)})
        contacts = [arrive(source) for _ in range(20)]

        def send_to_queue(operator: Operator) -> None:
            done(BulkMove(from_operator=operator, to_queue=True, deactivate=True))

        def close_some() -> None:
            for contact in contacts[::3]:
                close_contact(contact.pk)

        run_concurrently(*(lambda operator=operator: send_to_queue(operator) for operator in leaving), close_some)

        assert not Contact.objects.active().filter(operator__in=leaving).exists()
        assert_rules_hold()
