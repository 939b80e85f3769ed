"""One row altered by hand is found; what the services wrote, never."""

import json
from collections.abc import Callable, Iterator
from threading import Event
from typing import Any
from unittest.mock import patch

import pytest
from django.db import DatabaseError, connection, transaction
from hypothesis import given
from hypothesis import strategies as st

from crm_project.testing.concurrency import run_concurrently
from crm_project.testing.rows import arrive, make_operator, make_source
from distribution import handling, records, roster
from distribution.audit import mend_load
from distribution.models import Checkpoint, Decision, DrawCount, LoadChange, SettingChange
from distribution.proof import contacts
from distribution.proof.balance import LedgerFlaw
from distribution.proof.decisions import Recorded, Replay
from distribution.proof.findings import (
    Finding,
    WrongContact,
    WrongCount,
    WrongDecision,
    WrongEnd,
    WrongEntry,
    WrongLimits,
    WrongSetting,
)
from distribution.proof.replay import Flaw
from distribution.proof.snapshot import snapshot
from distribution.records import read
from distribution.strategy import STRATEGIES
from distribution.verification import verify
from leads.models import Contact, Source
from operators.models import Operator

pytestmark = pytest.mark.django_db


def found() -> list[Finding]:
    return list(verify())


def sql(statement: str, *values: Any) -> None:
    """Alter the database past the product."""
    with connection.cursor() as cursor:
        cursor.execute(statement, values)


def set_details(decision: Decision, text: str) -> None:
    sql("UPDATE distribution_decision SET details = %s WHERE id = %s", text, decision.pk)


def alter(decision: Decision, change: Callable[[Any], object]) -> None:
    """Change the stored details of a decision by hand."""
    change(decision.details)
    set_details(decision, json.dumps(decision.details))


def first_round(**changes: Any) -> Callable[[Any], object]:
    return lambda details: details["rounds"][0].update(changes)


def first_roster(change: Callable[[Any], object]) -> Callable[[Any], object]:
    return lambda details: change(details["rounds"][0]["roster"])


ALTERED: dict[str, tuple[Callable[[Any], object], Flaw]] = {
    "somebody else's ticket": (first_round(ticket=0), Flaw.TICKET),
    "a ticket that nobody holds": (first_round(ticket=4), Flaw.TICKET),
    "a ticket that is no whole number": (first_round(ticket=1.0), Flaw.UNREADABLE),
    "no ticket": (first_round(ticket=None), Flaw.PREFERRED),
    "somebody else drawn": (first_round(drawn=-1), Flaw.UNREADABLE),
    "nobody drawn": (first_round(drawn=None), Flaw.OUTCOME),
    "left to the queue": (first_round(outcome="left_to_queue"), Flaw.WINNER),
    "refused, and no round after it": (first_round(outcome="unavailable"), Flaw.ORDER),
    "nobody available": (first_round(outcome="nobody"), Flaw.OUTCOME),
    "an unknown outcome": (first_round(outcome="mine"), Flaw.UNREADABLE),
    "counts of a strategy that counts nothing": (first_round(given=[1, 2]), Flaw.GIVEN),
    "a refused operator whom nobody refused": (first_round(excluded={"0": "refused"}), Flaw.ORDER),
    "left out for another reason": (first_round(excluded={"0": "at_limit"}), Flaw.ORDER),
    "a roster in another order": (first_roster(lambda rows: rows.reverse()), Flaw.UNREADABLE),
    "another weight": (first_roster(lambda rows: rows[0].__setitem__(1, 2)), Flaw.TICKET),
    "a winner who was inactive": (first_roster(lambda rows: rows[1].__setitem__(4, 0)), Flaw.OUTCOME),
    "a winner at the limit": (first_roster(lambda rows: rows[1].__setitem__(2, 10)), Flaw.OUTCOME),
    "a roster without the winner": (first_roster(lambda rows: rows.pop()), Flaw.OUTCOME),
    "somebody to return to": (lambda details: details.update(preferred=[0, "inactive"]), Flaw.PREFERRED),
    "somebody named by hand": (lambda details: details.update(by_hand=[1, 1, 0, 1, 1]), Flaw.KIND),
    "nothing": (lambda details: details.clear(), Flaw.KIND),
}
TEXTS = {
    "deep": "[" * 900 + "]" * 900,
    "long number": "9" * 5_000,
    "null": "null",
    "list": "[]",
    "list of lists": "[[]]",
    "text": '"x"',
    "other keys": '{"a": 1}',
    "a round that is none": '{"rounds": [[]]}',
}
any_text = pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)


@pytest.fixture
def anna() -> Operator:
    return roster.create_operator(name="Anna", external_id="1", max_load=10)


@pytest.fixture
def boris() -> Operator:
    return roster.create_operator(name="Boris", max_load=10)


@pytest.fixture
def source(anna: Operator, boris: Operator) -> Source:
    source = roster.create_source(name="Bot", code="bot")
    roster.set_weights(source.pk, {anna.pk: 1, boris.pk: 3})
    return source


@pytest.fixture
def draw(source: Source) -> Decision:
    """Return a decision whose ticket 1 named Boris."""
    with patch("distribution.assignment.secrets.randbelow", return_value=1):
        arrive(source)
    return Decision.objects.get()


def test_whatever_the_services_do_holds(source: Source, anna: Operator, boris: Operator) -> None:
    for number, strategy in enumerate(STRATEGIES):
        roster.change_source(source.pk, strategy=strategy, prefer_same_operator=strategy == "least_loaded")
        contacts = [arrive(source, f"lead_{which % 3}") for which in range(8)]
        handling.close_contact(contacts[0].pk)
        handling.close_contact(contacts[1].pk)
        handling.reopen_contact(contacts[0].pk)
        roster.change_operator(anna.pk, max_load=30 + number)
        roster.change_operator(boris.pk, max_load=30 + number)
        handling.reassign_by_draw(contacts[2].pk)
        roster.change_operator(anna.pk, max_load=number)
    mend_load(anna.pk)
    roster.delete_operator(roster.create_operator(name="Gone").pk)
    roster.remove_weight(source.pk, anna.pk)

    assert found() == []


def test_rows_that_no_service_stored_hold_too() -> None:
    arrive(make_source({make_operator(): 1}))

    assert found() == []


class TestDecisions:
    @pytest.mark.parametrize(("change", "flaw"), ALTERED.values(), ids=ALTERED)
    def test_one_value_altered_is_found(self, change: Callable[[Any], object], flaw: Flaw, draw: Decision) -> None:
        assert found() == []

        alter(draw, change)

        assert found() == [WrongDecision(draw.pk, flaw)]

    def test_another_winner_is_found_there_and_in_the_ledger(
        self, draw: Decision, anna: Operator, boris: Operator
    ) -> None:
        sql("UPDATE distribution_decision SET operator_id = %s WHERE id = %s", anna.pk, draw.pk)

        assert found() == [WrongEntry(boris.pk, 1, LedgerFlaw.DECISION), WrongDecision(draw.pk, Flaw.WINNER)]

    def test_another_number_in_the_ledger_is_found(self, draw: Decision, boris: Operator) -> None:
        sql("UPDATE distribution_decision SET ledger_number = 2 WHERE id = %s", draw.pk)

        assert found() == [WrongEntry(boris.pk, 1, LedgerFlaw.DECISION), WrongDecision(draw.pk, Flaw.LEDGER)]

    def test_another_contact_is_found(self, draw: Decision, boris: Operator) -> None:
        other = arrive(make_source())
        sql("UPDATE distribution_decision SET contact_id = %s WHERE id = %s", other.pk, draw.pk)

        assert found() == [WrongEntry(boris.pk, 1, LedgerFlaw.DECISION), WrongDecision(draw.pk, Flaw.LEDGER)]

    def test_a_decision_that_is_gone_is_found(self, draw: Decision, boris: Operator) -> None:
        sql("DELETE FROM distribution_decision")

        assert found() == [WrongEntry(boris.pk, 1, LedgerFlaw.DECISION)]

    @pytest.mark.parametrize("strategy", ["least_loaded", "of_my_own"])
    def test_another_strategy_is_found(self, strategy: str, draw: Decision, anna: Operator) -> None:
        sql("UPDATE distribution_decision SET strategy = %s", strategy)
        alter(draw, first_round(ticket=2))

        [finding] = found()

        assert finding in {WrongDecision(draw.pk, Flaw.TICKET), WrongDecision(draw.pk, Flaw.KIND)}

    def test_a_round_that_was_refused_is_replayed_too(self, source: Source) -> None:
        with (
            patch("distribution.intake.queue_before", side_effect=[None, False]),
            patch("distribution.assignment.secrets.randbelow", side_effect=[0, 0]),
        ):
            arrive(source)
        decision = Decision.objects.get()
        assert found() == []

        alter(decision, lambda details: details["rounds"][0].update(ticket=2))
        assert found() == [WrongDecision(decision.pk, Flaw.TICKET)]

        alter(decision, lambda details: details["rounds"][0].update(ticket=0))
        alter(decision, lambda details: details["rounds"][1].pop("excluded"))
        assert WrongDecision(decision.pk, Flaw.ORDER) in found() or WrongDecision(decision.pk, Flaw.TICKET) in found()

    def test_an_operator_to_return_to_who_was_not_available_is_found(
        self, source: Source, anna: Operator, boris: Operator
    ) -> None:
        roster.change_source(source.pk, prefer_same_operator=True)
        first = arrive(source, "lead")
        again = Decision.objects.get(contact=arrive(source, "lead"))
        assert (again.operator_id, found()) == (first.operator_id, [])

        alter(again, lambda details: details.update(preferred=[first.operator_id, "at_limit"]))
        assert found() == [WrongDecision(again.pk, Flaw.PREFERRED)]

        alter(again, lambda details: details.update(preferred=[(anna.pk + boris.pk) - (first.operator_id or 0), None]))
        assert found() == [WrongDecision(again.pk, Flaw.PREFERRED)]

    def test_an_operator_named_by_hand_without_room_is_found(self, source: Source, anna: Operator) -> None:
        roster.change_operator(anna.pk, is_active=False)
        contact = arrive(source)
        roster.change_operator(anna.pk, is_active=True)
        handling.reassign_to_operator(contact.pk, anna.pk)
        decision = Decision.objects.latest("id")
        assert found() == []

        alter(decision, lambda details: details["by_hand"].__setitem__(2, 10))

        assert found() == [WrongDecision(decision.pk, Flaw.BY_HAND)]


class TestCounts:
    @pytest.fixture
    def draws(self, source: Source) -> list[Decision]:
        """Return nine decisions by a strategy that counts."""
        roster.change_source(source.pk, strategy="smooth_weighted")
        for _ in range(9):
            arrive(source)
        assert found() == []
        return list(Decision.objects.order_by("pk"))

    @pytest.mark.parametrize("place", [1, 4, 8])
    @pytest.mark.parametrize("more", [1, -1])
    def test_one_number_of_what_was_given_is_found(self, place: int, more: int, draws: list[Decision]) -> None:
        given = draws[place].details["rounds"][0]["given"]
        largest = given.index(max(given))

        alter(draws[place], lambda details: given.__setitem__(largest, given[largest] + more))

        assert found() != []

    def test_a_count_that_does_not_follow_is_found(self, source: Source, draws: list[Decision]) -> None:
        DrawCount.objects.update(given=[0, 1])

        assert found() == [WrongCount(source.pk)]


leaves = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5)
anything = st.recursive(leaves, lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=8), inner))


def paths(value: Any) -> Iterator[list[Any]]:
    yield []
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in inside:
        yield from ([key, *path] for path in paths(inner))


def replaced(value: Any, path: list[Any], by: Any) -> Any:
    if not path:
        return by
    copy = value.copy()
    copy[path[0]] = replaced(value[path[0]], path[1:], by)
    return copy


DRAW = {
    "rounds": [
        {"roster": [[1, 1, 0, 9, 1], [2, 3, 0, 9, 1]], "ticket": 2, "drawn": 2, "outcome": "unavailable"},
        {
            "changes": [[2, 3, 9, 9, 1]],
            "excluded": {"2": "refused"},
            "given": [4],
            "ticket": 0,
            "drawn": 1,
            "outcome": "taken",
        },
    ],
    "preferred": [2, "refused"],
}
BY_HAND = {"by_hand": [1, 0, 3, 9, 1], "passed_queue": False}


def recorded(details: str, kind: str = "draw", strategy: str = "smooth_weighted") -> Recorded:
    return Recorded(1, 1, "arrival", kind, strategy if kind == "draw" else "", 1, 1, None, details, is_counted=True)


class TestAnyShape:
    @pytest.mark.parametrize(("details", "kind"), [(DRAW, "draw"), (BY_HAND, "by_hand")])
    def test_what_is_whole_holds(self, details: Any, kind: str) -> None:
        assert Replay().flaw_of(recorded(json.dumps(details), kind)) is None

    @pytest.mark.parametrize("place", range(4))
    @pytest.mark.parametrize("like", [float, bool])
    def test_what_is_whole_holds_after_something_equal_that_is_not(self, like: type[Any], place: int) -> None:
        whole = {"by_hand": [1, 1, 1, 1, 1], "passed_queue": False}
        altered = replaced(whole, ["by_hand", place], like(1))
        records._standing_as_written.cache_clear()

        Replay().flaw_of(recorded(json.dumps(altered), "by_hand"))

        standing = read(whole).by_hand
        assert standing is not None
        assert {type(value) for value in standing[:4]} == {int}

    @given(anything, st.sampled_from(["draw", "by_hand", "?"]))
    def test_any_json_is_a_flaw(self, value: Any, kind: str) -> None:
        assert Replay().flaw_of(recorded(json.dumps(value), kind)) is not None

    @given(st.data(), anything)
    def test_any_json_in_any_place_never_fails(self, data: st.DataObject, value: Any) -> None:
        for details, kind in ((DRAW, "draw"), (BY_HAND, "by_hand")):
            path = data.draw(st.sampled_from(list(paths(details))))
            altered = json.dumps(replaced(details, path, value))

            assert Replay().flaw_of(recorded(altered, kind)) in {None, *Flaw}

    @pytest.mark.parametrize(
        "text", ["", "{", "[" * 100_000, '{"rounds": 1e999}'], ids=["empty", "open", "deep", "inf"]
    )
    def test_a_text_that_is_no_account_is_unreadable(self, text: str) -> None:
        assert Replay().flaw_of(recorded(text)) == Flaw.UNREADABLE

    @any_text
    def test_the_stored_row_is_named(self, text: str, draw: Decision) -> None:
        set_details(draw, text)

        [finding] = found()

        assert finding in {WrongDecision(draw.pk, flaw) for flaw in (Flaw.UNREADABLE, Flaw.KIND)}

    @any_text
    def test_a_stored_list_of_operators_too(self, text: str) -> None:
        arrive(make_source({make_operator(): 1 for _ in range(60)}))
        assert found() == []

        sql("UPDATE distribution_rosterversion SET roster = %s", text)

        [finding] = found()
        number = Decision.objects.get().pk
        assert finding in {WrongDecision(number, flaw) for flaw in (Flaw.UNREADABLE, Flaw.OUTCOME)}

    @any_text
    def test_a_history_and_a_count_too(self, text: str, source: Source, anna: Operator) -> None:
        roster.change_source(source.pk, strategy="smooth_weighted")
        arrive(source)
        sql("UPDATE distribution_settingchange SET after = %s", text)
        sql("UPDATE distribution_drawcount SET given = %s", text)

        assert {WrongSetting("max_load", operator_id=anna.pk), WrongCount(source.pk)} <= set(found())


class TestLedgers:
    @pytest.fixture
    def contacts(self, anna: Operator) -> list[Contact]:
        """Return three contacts of Anna, the first of them closed."""
        source = roster.create_source(name="Own", code="own")
        roster.set_weights(source.pk, {anna.pk: 1})
        contacts = [arrive(source) for _ in range(3)]
        handling.close_contact(contacts[0].pk)
        assert found() == []
        return contacts

    def test_a_row_that_is_missing_is_found(self, anna: Operator, contacts: list[Contact]) -> None:
        second = Decision.objects.get(contact=contacts[1])
        sql("DELETE FROM distribution_loadchange WHERE number = 2")

        assert found() == [
            WrongEntry(anna.pk, 3, LedgerFlaw.GAP),
            WrongContact(contacts[1].pk),
            WrongDecision(second.pk, Flaw.LEDGER),
        ]

    def test_the_last_row_that_is_missing_is_found(self, anna: Operator, contacts: list[Contact]) -> None:
        sql("DELETE FROM distribution_loadchange WHERE number = 4")

        assert found() == [WrongEnd(anna.pk), WrongContact(contacts[0].pk)]

    def test_another_load_is_found(self, anna: Operator, contacts: list[Contact]) -> None:
        sql("UPDATE distribution_loadchange SET load = 1 WHERE number = 2")

        assert found() == [WrongEntry(anna.pk, number, LedgerFlaw.LOAD) for number in (2, 3)]

    @pytest.mark.parametrize("cause", ["left", "limit", "stolen"])
    def test_another_cause_is_found(self, cause: str, anna: Operator, contacts: list[Contact]) -> None:
        sql("UPDATE distribution_loadchange SET cause = %s WHERE number = 2", cause)

        assert WrongEntry(anna.pk, 2, LedgerFlaw.LOAD) in found()

    def test_another_contact_is_found(self, anna: Operator, contacts: list[Contact]) -> None:
        sql("UPDATE distribution_loadchange SET contact_id = %s WHERE number = 2", contacts[0].pk)

        assert WrongEntry(anna.pk, 2, LedgerFlaw.DECISION) in found()

    @pytest.mark.parametrize("column", ["load", "max_load", "ledger_length"])
    def test_a_counter_moved_by_hand_is_found(self, column: str, anna: Operator, contacts: list[Contact]) -> None:
        sql(f"UPDATE operators_operator SET {column} = {column} + 1 WHERE id = %s", anna.pk)

        assert WrongEnd(anna.pk) in found()

    def test_a_load_lowered_for_one_contact_more_is_found_after_it_was_put_right(
        self, anna: Operator, contacts: list[Contact]
    ) -> None:
        sql("UPDATE operators_operator SET load = 0 WHERE id = %s", anna.pk)
        arrive(contacts[0].source)
        sql("UPDATE operators_operator SET load = 3 WHERE id = %s", anna.pk)

        assert found() == [WrongEntry(anna.pk, 5, LedgerFlaw.LOAD), WrongEnd(anna.pk)]

    def test_a_limit_raised_for_one_contact_more_is_found_after_it_was_lowered_again(
        self, anna: Operator, contacts: list[Contact]
    ) -> None:
        roster.change_operator(anna.pk, max_load=2)
        sql("UPDATE operators_operator SET max_load = 3 WHERE id = %s", anna.pk)
        arrive(contacts[0].source)
        sql("UPDATE operators_operator SET max_load = 2 WHERE id = %s", anna.pk)

        assert found() == [WrongEntry(anna.pk, 6, LedgerFlaw.LIMIT), WrongEnd(anna.pk)]

    def test_a_limit_raised_before_the_first_contact_is_found_after_it_was_lowered_again(
        self, boris: Operator, contacts: list[Contact]
    ) -> None:
        sql("UPDATE operators_operator SET max_load = 11 WHERE id = %s", boris.pk)
        handling.reassign_to_operator(contacts[1].pk, boris.pk)
        sql("UPDATE operators_operator SET max_load = 10 WHERE id = %s", boris.pk)

        assert found() == [WrongEntry(boris.pk, 1, LedgerFlaw.LIMIT), WrongEnd(boris.pk)]

    def test_a_contact_given_beyond_the_limit_is_found(self, anna: Operator, contacts: list[Contact]) -> None:
        roster.change_operator(anna.pk, max_load=1)
        with patch("distribution.handling.obstacle_by_hand", return_value=None):
            waiting = arrive(contacts[0].source)
            handling.reassign_to_operator(waiting.pk, anna.pk)

        assert WrongEntry(anna.pk, 6, LedgerFlaw.BEYOND) in found()

    def test_a_contact_moved_by_hand_with_its_load_is_found(
        self, anna: Operator, boris: Operator, contacts: list[Contact]
    ) -> None:
        sql("UPDATE leads_contact SET operator_id = %s WHERE id = %s", boris.pk, contacts[1].pk)
        sql("UPDATE operators_operator SET load = load - 1 WHERE id = %s", anna.pk)
        sql("UPDATE operators_operator SET load = load + 1 WHERE id = %s", boris.pk)

        wrong = WrongContact(contacts[1].pk)
        assert found() == [WrongEnd(anna.pk), WrongEnd(boris.pk), wrong, wrong]

    def test_a_contact_closed_by_hand_is_found(self, contacts: list[Contact]) -> None:
        sql("UPDATE leads_contact SET status = 'closed', closed_at = assigned_at WHERE id = %s", contacts[1].pk)

        assert found() == [WrongContact(contacts[1].pk)]

    def test_a_ledger_goes_on_from_its_checkpoint(self, anna: Operator, contacts: list[Contact]) -> None:
        sql("DELETE FROM distribution_loadchange WHERE number <= 2")
        checkpoint = Checkpoint(operator=anna, number=2, load=2, max_load=10)
        checkpoint.save()
        assert found() == []

        sql("UPDATE distribution_checkpoint SET load = 3")
        assert found() == [WrongEntry(anna.pk, 3, LedgerFlaw.LOAD)]

    @pytest.mark.sqlite
    def test_a_text_in_a_column_of_numbers_is_found(self, anna: Operator, contacts: list[Contact]) -> None:
        sql("UPDATE distribution_loadchange SET load = 'many' WHERE number = 2")

        assert WrongEntry(anna.pk, 2, LedgerFlaw.LOAD) in found()


class TestSettings:
    @pytest.mark.parametrize(
        ("table", "setting", "value"),
        [
            ("operators_operator", "name", "Eve"),
            ("operators_operator", "external_id", "7"),
            ("operators_operator", "is_active", False),
            ("leads_source", "name", "Eve"),
            ("leads_source", "code", "eve"),
            ("leads_source", "is_active", False),
            ("leads_source", "reuse_open_contact", True),
            ("leads_source", "strategy", "least_loaded"),
            ("leads_source", "prefer_same_operator", True),
        ],
    )
    def test_one_that_was_changed_past_the_services_is_found(
        self, table: str, setting: str, value: Any, source: Source, anna: Operator
    ) -> None:
        assert found() == []
        of = {"source_id": source.pk} if table == "leads_source" else {"operator_id": anna.pk}
        sql(f"UPDATE {table} SET {setting} = %s WHERE id = %s", value, *of.values())

        assert found() == [WrongSetting(setting, **of)]

    @pytest.mark.parametrize("statement", ["UPDATE operators_weight SET weight = 7", "DELETE FROM operators_weight"])
    def test_a_weight_that_was_changed_past_the_services_is_found(
        self, statement: str, source: Source, anna: Operator
    ) -> None:
        sql(f"{statement} WHERE operator_id = %s", anna.pk)

        assert found() == [WrongSetting("weight", anna.pk, source.pk)]

    def test_limits_that_differ_from_their_history_are_found(self, anna: Operator) -> None:
        for limit in (5, 6, 7):
            roster.change_operator(anna.pk, max_load=limit)
        assert found() == []

        changed = SettingChange.objects.filter(setting="max_load", after=6)
        sql("UPDATE distribution_settingchange SET after = '8' WHERE id = %s", changed.get().pk)

        assert found() == [WrongLimits(anna.pk)]

    @pytest.mark.parametrize("order", ["pk", "-pk"])
    def test_a_history_that_lacks_a_limit_is_found(self, order: str, anna: Operator) -> None:
        for limit in (5, 6):
            roster.change_operator(anna.pk, max_load=limit)
        lost = SettingChange.objects.filter(setting="max_load", before__isnull=False).order_by(order)[0]
        sql("DELETE FROM distribution_settingchange WHERE id = %s", lost.pk)

        assert WrongLimits(anna.pk) in found()


class TestSnapshot:
    pytestmark = pytest.mark.django_db(transaction=True)

    def test_what_is_committed_meanwhile_is_not_seen_and_not_kept_waiting(self) -> None:
        source = make_source({make_operator(): 1})
        arrive(source)

        with snapshot():
            before = Decision.objects.count()
            run_concurrently(lambda: arrive(source))
            after = Decision.objects.count()

        assert (before, after, Decision.objects.count()) == (1, 1, 2)

    def test_it_does_not_begin_inside_a_transaction(self) -> None:
        with transaction.atomic(), pytest.raises((DatabaseError, RuntimeError)), snapshot():
            Decision.objects.count()

    def test_while_contacts_come_and_go_nothing_is_found(self) -> None:
        operators = [make_operator(max_load=3) for _ in range(3)]
        source = make_source(dict.fromkeys(operators, 1))
        wrong: list[Finding] = []
        done = Event()

        def come_and_go() -> None:
            for step in range(25):
                contact = arrive(source)
                if step % 2:
                    handling.close_contact(contact.pk)

        def look() -> None:
            while not done.is_set():
                with snapshot():
                    wrong.extend(verify())

        def all_come_and_go() -> None:
            try:
                for _ in range(2):
                    come_and_go()
            finally:
                done.set()

        run_concurrently(all_come_and_go, *[come_and_go] * 2, look)

        assert wrong == []
        assert LoadChange.objects.count() > 0


@pytest.mark.sqlite
def test_the_ledger_of_an_operator_is_not_walked_for_each_contact() -> None:
    for rows in (contacts._not_counted(), contacts._gone()):
        plan = rows.explain()

        assert "SEARCH U0 USING INDEX ledger_numbered_once" not in plan
        assert "SEARCH U0 USING INDEX distribution_loadchange_contact" in plan
