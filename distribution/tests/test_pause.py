"""An operator on a break: nothing new comes to them, by any path, and what waits comes when they go on."""

import json
from typing import Any

import pytest
from django.db.models import Q

from crm_project.testing.rows import arrive, assert_rules_hold, make_operator, make_source
from distribution import handling, roster
from distribution.audit import audit
from distribution.availability import can_take, can_take_as_read, is_available
from distribution.bulk import BulkMove, Moved, Stayed, carry_out, check, chosen_contacts
from distribution.decisions import account_of
from distribution.errors import NobodyAvailable, OperatorUnavailable
from distribution.explanation import explained
from distribution.history import record_new
from distribution.models import Decision, SettingChange
from distribution.proof.findings import WrongSetting
from distribution.queue import drain
from distribution.records import read, rows, standings
from distribution.rehearsal import Rehearsal
from distribution.shares import Nobody, preview
from distribution.standing import Obstacle, Standing
from distribution.tests.test_verification import found, sql
from distribution.waiting import why_waiting
from leads.models import Contact, Source
from operators.models import Operator, Weight

pytestmark = pytest.mark.django_db


@pytest.fixture
def paused() -> Operator:
    return make_operator(name="Anna", is_paused=True)


def fresh(contact: Contact) -> Contact:
    return Contact.objects.get(pk=contact.pk)


class TestNothingNewComes:
    def test_from_an_arrival(self, paused: Operator) -> None:
        other = make_operator()
        source = make_source({paused: 1_000_000, other: 1})

        assert {arrive(source).operator for _ in range(5)} == {other}

    def test_when_nobody_else_is_there_it_waits(self, paused: Operator) -> None:
        assert arrive(make_source({paused: 1})).is_waiting

    def test_from_the_queue(self, paused: Operator) -> None:
        contact = arrive(make_source({paused: 1}))

        assert drain(Source.objects.all()) == 0
        assert fresh(contact).is_waiting

    def test_by_name(self, paused: Operator) -> None:
        contact = arrive(make_source({make_operator(): 1}))

        with pytest.raises(OperatorUnavailable, match="paused"):
            handling.reassign_to_operator(contact.pk, paused.pk)

        assert fresh(contact).operator == contact.operator

    def test_by_drawing_anew(self, paused: Operator) -> None:
        contact = arrive(make_source({make_operator(): 1, paused: 1}))

        with pytest.raises(NobodyAvailable):
            handling.reassign_by_draw(contact.pk)

    def test_by_reopening(self) -> None:
        operator = make_operator()
        contact = arrive(make_source({operator: 1}))
        handling.close_contact(contact.pk)
        roster.change_operator(operator.pk, is_paused=True)

        assert handling.reopen_contact(contact.pk).is_waiting

    def test_with_a_returning_lead(self) -> None:
        operator, other = make_operator(max_load=1), make_operator()
        source = make_source({operator: 1_000_000}, prefer_same_operator=True)
        first = arrive(source, "lead")
        handling.close_contact(first.pk)
        roster.set_weights(source.pk, {other.pk: 1})
        roster.change_operator(operator.pk, is_paused=True)

        assert arrive(source, "lead").operator == other

    @pytest.mark.parametrize("change", [{"max_load": 50}, {"is_active": True}, {"name": "Anna Maria"}])
    def test_by_a_change_of_another_setting(self, paused: Operator, change: dict[str, Any]) -> None:
        contact = arrive(make_source({paused: 1}))
        roster.change_operator(paused.pk, **change)

        assert fresh(contact).is_waiting

    def test_by_a_bulk_move_or_its_rehearsal(self, paused: Operator) -> None:
        leaving = make_operator()
        contact = arrive(make_source({leaving: 1}))
        move = BulkMove(from_operator=leaving, to_operator=paused)

        for results in (Rehearsal(move).run([contact]), carry_out(move, chosen_contacts(move))):
            [result] = results
            assert isinstance(result, Stayed)
            assert "paused" in str(result.refusal)


class TestWhatTheyHave:
    def test_stays_and_they_stay_active(self) -> None:
        operator = make_operator()
        contact = arrive(make_source({operator: 1}))

        changed = roster.change_operator(operator.pk, is_paused=True)

        assert (changed.is_active, changed.load) == (True, 1)
        assert fresh(contact).operator == operator

    def test_can_be_put_back_in_the_queue_since_it_does_not_come_right_back(self) -> None:
        operator = make_operator()
        contact = arrive(make_source({operator: 1}))
        roster.change_operator(operator.pk, is_paused=True)
        move = BulkMove(from_operator=Operator.objects.get(), to_queue=True)

        check(move)
        assert list(carry_out(move, chosen_contacts(move))) == [Moved(None)]
        assert fresh(contact).is_waiting


class TestGoingOn:
    def test_gives_them_what_waits_up_to_the_limit(self) -> None:
        operator = make_operator(is_paused=True, max_load=2)
        source = make_source({operator: 1})
        contacts = [arrive(source) for _ in range(3)]

        roster.change_operator(operator.pk, is_paused=False)

        assert [fresh(contact).operator for contact in contacts] == [operator, operator, None]
        assert_rules_hold()

    def test_of_somebody_inactive_gives_nothing(self) -> None:
        operator = make_operator(is_paused=True, is_active=False)
        contact = arrive(make_source({operator: 1}))

        roster.change_operator(operator.pk, is_paused=False)

        assert fresh(contact).is_waiting


class TestWhatIsToldOfIt:
    def test_every_list_of_conditions_says_the_same(self, paused: Operator) -> None:
        make_source({paused: 1})

        assert not can_take_as_read(paused)
        assert not Operator.objects.filter(can_take()).exists()
        assert not Weight.objects.filter(is_available()).exists()
        assert not Operator.objects.filter(~Q(pk=paused.pk)).exists()

    def test_the_preview_and_the_shares_name_the_reason(self, paused: Operator) -> None:
        shown = preview(make_source({paused: 1}).pk)

        assert shown.nobody is Nobody.NOBODY_AVAILABLE
        assert [(share.share, share.reason) for share in shown.operators] == [(0.0, Obstacle.PAUSED)]

    def test_an_inactive_one_is_told_as_inactive(self) -> None:
        assert Standing(1, 1, 0, 1, False, True).obstacle is Obstacle.INACTIVE

    def test_a_contact_that_waits_tells_why(self, paused: Operator) -> None:
        assert why_waiting(arrive(make_source({paused: 1}))) == "Nobody available – paused: Anna."

    def test_a_decision_tells_who_was_passed_over(self, paused: Operator) -> None:
        arrive(make_source({paused: 1, make_operator(name="Boris"): 1}))

        [explanation] = explained(Decision.objects.all())
        assert "Anna was passed over: paused." in explanation.sentence

    def test_a_decision_by_hand_tells_why_not(self, paused: Operator) -> None:
        contact = arrive(make_source({make_operator(): 1}))
        with pytest.raises(OperatorUnavailable):
            handling.reassign_to_operator(contact.pk, paused.pk)

        explanation = explained(Decision.objects.order_by("-pk")[:1])[0]
        assert "Anna was named but could not take the contact: paused." in explanation.sentence

    def test_the_history_keeps_it(self) -> None:
        operator = make_operator()
        roster.change_operator(operator.pk, is_paused=True)

        assert list(SettingChange.objects.values_list("setting", "before", "after")) == [("is_paused", False, True)]


class TestRecords:
    STANDINGS = (
        (Standing(1, 5, 2, 3, False), [1, 5, 2, 3, 0]),
        (Standing(1, 5, 2, 3, True), [1, 5, 2, 3, 1]),
        (Standing(1, 5, 2, 3, True, True), [1, 5, 2, 3, 2]),
        (Standing(1, 5, 2, 3, False, True), [1, 5, 2, 3, 3]),
    )

    @pytest.mark.parametrize(("standing", "row"), STANDINGS)
    def test_a_standing_is_written_small_and_read_again(self, standing: Standing, row: list[int]) -> None:
        assert json.dumps(rows([standing])) == json.dumps([row])
        assert standings([row]) == [standing]

    @pytest.mark.parametrize("state", [4, -1, "paused", None, []])
    def test_another_state_was_tampered_with(self, state: object) -> None:
        with pytest.raises((LookupError, TypeError)):
            standings([[1, 5, 2, 3, state]])

    def test_what_was_recorded_before_pauses_reads_and_replays_as_it_was(self) -> None:
        old = {"rounds": [{"roster": [[1, 5, 2, 3, 0], [2, 5, 2, 3, 1]], "ticket": 3, "drawn": 2, "outcome": "taken"}]}

        [round_] = read(old).rounds

        assert [standing.operator_id for standing in round_.candidates] == [2]
        assert not any(standing.is_paused for standing in round_.roster)

    def test_what_is_recorded_with_pauses_is_verified(self, paused: Operator) -> None:
        source = make_source({paused: 1, make_operator(): 1})
        contact = arrive(source)
        with pytest.raises(OperatorUnavailable):
            handling.reassign_to_operator(contact.pk, paused.pk)
        roster.change_operator(paused.pk, is_paused=False)
        handling.reassign_to_operator(contact.pk, paused.pk)

        assert account_of(Decision.objects.order_by("pk")[0]).rounds[0].obstacle_of(paused.pk) is Obstacle.PAUSED
        assert found() == []
        assert audit() == []

    def test_a_pause_that_no_service_set_is_found(self) -> None:
        operator = make_operator()
        record_new(operator)
        SettingChange.objects.filter(setting="is_paused")._raw_delete("default")  # as if it had been made long ago
        assert found() == []

        sql("UPDATE operators_operator SET is_paused = %s", True)

        assert found() == [WrongSetting("is_paused", operator.pk)]
