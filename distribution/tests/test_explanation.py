"""A decision is told in sentences and in numbers."""

from collections.abc import Iterable
from fractions import Fraction
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm_project.access.acting import Actor, acting, because
from crm_project.testing.rows import arrive, make_operator, make_source
from distribution import handling, roster
from distribution.bulk import BulkMove, carry_out, chosen_contacts
from distribution.errors import OperatorUnavailable
from distribution.explanation import Explanation, explained
from distribution.models import Decision, Kind, Trigger
from distribution.phrases import MOST_NAMED, nobody_available, percent
from distribution.records import Account
from distribution.rounds import Outcome, Round
from distribution.selectors import newest_decisions
from distribution.sentences import WINNING, sentences_of
from distribution.standing import Obstacle, Standing
from distribution.strategy import STRATEGIES
from leads.models import Contact

ANNA, BORIS, VERA = 1, 2, 3
NAMES = {ANNA: "Anna", BORIS: "Boris", VERA: "Vera"}
FULL = Standing(ANNA, 10, 10, 10, True)
FREE = Standing(BORIS, 30, 3, 10, True)
ALSO_FREE = Standing(VERA, 20, 6, 20, True)


def drawn(*standings: Standing, winner: int | None = BORIS, **more: Any) -> Round:
    return Round(**{"roster": standings, "outcome": Outcome.TAKEN, "ticket": 0, "drawn": winner, **more})


def nobody(*standings: Standing, **more: Any) -> Round:
    return Round(roster=standings, outcome=Outcome.NOBODY, **more)


def told(*rounds: Round, preferred: Any = None, **fields: Any) -> str:
    """Return the sentences of a draw with these rounds."""
    last = rounds[-1]
    won = last.drawn if last.outcome is Outcome.TAKEN else None
    values = {"trigger": Trigger.ARRIVAL, "kind": Kind.DRAW, "strategy": "weighted_random", "operator_id": won}
    return sentences_of(Decision(**{**values, **fields}), Account(rounds=rounds, preferred=preferred), NAMES)


def by_hand(account: Account, **fields: Any) -> str:
    """Return the sentences of a choice by hand."""
    won = account.by_hand.operator_id if account.by_hand else None
    values = {"trigger": Trigger.REASSIGNMENT, "kind": Kind.BY_HAND, "operator_id": won}
    return sentences_of(Decision(**{**values, **fields}), account, NAMES)


class TestADraw:
    def test_names_who_was_drawn_with_the_share_and_who_was_passed_over_with_the_reason(self) -> None:
        assert told(drawn(FULL, FREE, ALSO_FREE)) == (
            "Boris was drawn: weight 30 of 50 (60%). Anna was passed over: 10 of 10."
        )

    def test_names_several_who_were_passed_over_together(self) -> None:
        asleep, idle = FULL._replace(operator_id=VERA, is_active=False), Standing(4, 0, 0, 10, True)

        assert told(drawn(FULL, FREE, asleep, idle)) == (
            "Boris was drawn: weight 30 of 30 (100%). "
            "Passed over: Anna (10 of 10), Vera (inactive), Operator #4 (weight 0)."
        )

    def test_names_whom_the_contact_leaves(self) -> None:
        round_ = drawn(FREE, ALSO_FREE, excluded={VERA: Obstacle.EXCLUDED})

        assert told(round_, trigger=Trigger.REASSIGNMENT, actor_name="maria", reason="too slow") == (
            "Reassignment by draw (maria). Boris was drawn: weight 30 of 30 (100%). "
            "Vera was passed over: the contact leaves them. Reason: too slow"
        )

    def test_tells_of_an_operator_who_is_gone_by_number(self) -> None:
        assert told(drawn(Standing(77, 1, 0, 5, True), winner=77)) == "Operator #77 was drawn: weight 1 of 1 (100%)."

    def test_tells_of_one_who_was_no_longer_available_first(self) -> None:
        refused = drawn(FREE, ALSO_FREE, winner=VERA, outcome=Outcome.UNAVAILABLE)
        after = drawn(FREE, ALSO_FREE, excluded={VERA: Obstacle.REFUSED})

        assert told(refused, after) == (
            "Vera was drawn first but was no longer available. Boris was drawn: weight 30 of 30 (100%)."
        )

    def test_tells_of_several_who_were_no_longer_available(self) -> None:
        first = drawn(FREE, ALSO_FREE, FULL, winner=VERA, outcome=Outcome.UNAVAILABLE)
        second = drawn(FREE, ALSO_FREE, FULL, excluded={VERA: Obstacle.REFUSED}, outcome=Outcome.UNAVAILABLE)
        last = nobody(FREE, ALSO_FREE, excluded={VERA: Obstacle.REFUSED, BORIS: Obstacle.REFUSED})

        assert told(first, second, last) == (
            "Vera, Boris were drawn first but were no longer available. Nobody else was available. "
            "The contact joined the queue."
        )

    def test_tells_that_the_one_drawn_was_left_to_the_queue(self) -> None:
        assert told(drawn(FULL, FREE, outcome=Outcome.LEFT_TO_QUEUE)) == (
            "Boris was chosen but left to somebody who waits longer. Anna was passed over: 10 of 10. "
            "The contact joined the queue."
        )

    def test_by_drain_names_nobody_who_asked_for_it(self) -> None:
        sentence = told(drawn(FREE), trigger=Trigger.DRAIN, actor_name="maria")

        assert sentence == "From the queue. Boris was drawn: weight 30 of 30 (100%)."

    def test_of_a_bulk_run_says_so(self) -> None:
        sentence = told(drawn(FREE), trigger=Trigger.BULK, actor_name="reassign")

        assert sentence == "Bulk run by draw (reassign). Boris was drawn: weight 30 of 30 (100%)."

    def test_that_failed_changed_nothing(self) -> None:
        round_ = nobody(FULL, FREE, excluded={BORIS: Obstacle.EXCLUDED})

        assert told(round_, trigger=Trigger.REASSIGNMENT) == (
            "Reassignment by draw. Nobody available – at the limit: Anna (10 of 10); the contact leaves them: Boris. "
            "Nothing changed."
        )

    def test_that_was_not_made_for_the_queue_s_sake_says_so(self) -> None:
        round_ = Round(roster=[FREE], outcome=Outcome.LEFT_TO_QUEUE)

        assert told(round_, trigger=Trigger.REASSIGNMENT) == (
            "Reassignment by draw. Another contact of this source waits longer. Nothing changed."
        )


class TestAStrategy:
    def test_each_has_its_sentence(self) -> None:
        assert WINNING.keys() == STRATEGIES.keys()

    def test_in_turn_tells_the_share_and_how_many_they_have_had(self) -> None:
        assert told(drawn(FULL, FREE, ALSO_FREE, given=[5, 4]), strategy="smooth_weighted") == (
            "Boris was next in turn: weight 30 of 50 (60%), and so far 5 of 9 contacts. Anna was passed over: 10 of 10."
        )

    def test_in_turn_counts_a_single_contact(self) -> None:
        assert "so far 0 of 1 contact." in told(drawn(FREE, ALSO_FREE, given=[0, 1]), strategy="smooth_weighted")

    def test_in_turn_the_first_after_a_change_is_drawn_by_weight(self) -> None:
        sentence = told(drawn(FREE, ALSO_FREE), strategy="smooth_weighted")

        assert sentence == "Boris was drawn: weight 30 of 50 (60%)."

    def test_the_least_loaded_tells_the_load(self) -> None:
        sentence = told(drawn(FREE._replace(load=2), ALSO_FREE), strategy="least_loaded")

        assert sentence == "Boris was the least loaded: 2 of 10."

    def test_the_least_loaded_tells_how_many_tied(self) -> None:
        sentence = told(drawn(FREE, ALSO_FREE), strategy="least_loaded")

        assert sentence == "Boris was drawn among 2 equally loaded: 3 of 10."


class TestTheSameOperator:
    def test_a_hit_is_without_a_draw(self) -> None:
        round_ = drawn(FREE, ALSO_FREE, ticket=None)

        assert told(round_, preferred=(BORIS, None)) == (
            "Boris got the contact without a draw, as the lead's last operator."
        )

    @pytest.mark.parametrize(
        ("operator_id", "obstacle", "reason"),
        [
            (ANNA, Obstacle.AT_LIMIT, "10 of 10"),
            (VERA, Obstacle.NOT_LISTED, "not on the list of the source"),
            (BORIS, Obstacle.REFUSED, "no longer available"),
        ],
    )
    def test_a_miss_tells_why(self, operator_id: int, obstacle: Obstacle, reason: str) -> None:
        sentence = told(drawn(FULL, FREE), preferred=(operator_id, obstacle))

        assert sentence.startswith(
            f"The lead's last operator, {NAMES[operator_id]}, was not available: {reason}. Boris was drawn"
        )

    def test_a_miss_is_told_once(self) -> None:
        assert told(drawn(FULL, FREE), preferred=(ANNA, Obstacle.AT_LIMIT)).count("Anna") == 1

    def test_one_refused_under_the_lock_was_not_drawn(self) -> None:
        refused = drawn(FREE, ALSO_FREE, winner=VERA, ticket=None, outcome=Outcome.UNAVAILABLE)
        after = drawn(FREE, ALSO_FREE, excluded={VERA: Obstacle.REFUSED})

        assert told(refused, after, preferred=(VERA, Obstacle.REFUSED)) == (
            "The lead's last operator, Vera, was not available: no longer available. "
            "Boris was drawn: weight 30 of 30 (100%)."
        )


class TestByHand:
    def test_names_who_asked_and_why_and_whether_the_queue_was_passed(self) -> None:
        sentence = by_hand(Account(by_hand=FREE, passed_queue=True), actor_name="maria", reason="knows them")

        assert sentence == (
            "By hand (maria). Boris was named and got the contact: load 3 of 10. "
            "The queue was passed: somebody who waits longer could have had Boris. Reason: knows them"
        )

    def test_says_that_nobody_was_passed(self) -> None:
        assert by_hand(Account(by_hand=FREE, passed_queue=False)) == (
            "By hand. Boris was named and got the contact: load 3 of 10. Nobody in the queue was passed."
        )

    @pytest.mark.parametrize(
        ("standing", "reason"),
        [(FULL._replace(weight=0), "10 of 10"), (FREE._replace(is_active=False), "inactive")],
    )
    def test_a_failure_tells_why_whatever_the_weight(self, standing: Standing, reason: str) -> None:
        assert by_hand(Account(by_hand=standing, passed_queue=False), operator_id=None) == (
            f"By hand. {NAMES[standing.operator_id]} was named but could not take the contact: {reason}. "
            "Nothing changed."
        )

    def test_of_a_bulk_run_says_so(self) -> None:
        sentence = by_hand(Account(by_hand=FREE, passed_queue=False), trigger=Trigger.BULK)

        assert sentence.startswith("Bulk run. Boris was named")

    def test_back_in_the_queue(self) -> None:
        sentence = by_hand(Account(), trigger=Trigger.BULK, actor_name="reassign")

        assert sentence == "Bulk run (reassign). The contact was put back in the queue."

    def test_reopening_back_to_the_operator(self) -> None:
        sentence = by_hand(Account(by_hand=FREE, passed_queue=False), trigger=Trigger.REOPENING, actor_name="maria")

        assert (
            sentence == "Reopening (maria). Boris has the contact again: load 3 of 10. Nobody in the queue was passed."
        )

    def test_reopening_into_the_queue(self) -> None:
        sentence = by_hand(Account(), trigger=Trigger.REOPENING)

        assert sentence == ("Reopening. The contact joined the queue: it has no former operator who could take it.")


class TestNobody:
    def test_all_at_their_limit(self) -> None:
        others = [
            FULL._replace(operator_id=BORIS, load=5, max_load=5),
            FULL._replace(operator_id=VERA, load=7, max_load=7),
        ]

        assert told(nobody(FULL, *others)) == (
            "All at the limit (3 operators): Anna (10 of 10), Boris (5 of 5), Vera (7 of 7). "
            "The contact joined the queue."
        )

    def test_else_by_reason(self) -> None:
        asleep, idle = FREE._replace(is_active=False), ALSO_FREE._replace(weight=0)

        assert told(nobody(FULL, asleep, idle), trigger=Trigger.DRAIN) == (
            "From the queue. Nobody available – inactive: Boris; weight 0: Vera; at the limit: Anna (10 of 10). "
            "The contact goes on waiting."
        )

    def test_one_alone_is_not_all(self) -> None:
        assert told(nobody(FULL)).startswith("Nobody available – at the limit: Anna (10 of 10).")

    def test_nobody_on_the_list(self) -> None:
        assert told(nobody()) == "The source has no operators on its list. The contact joined the queue."


class TestLongLists:
    ROSTER = [Standing(number, 1, 5, 5, True) for number in range(1, 201)]

    def test_name_ten_and_count_the_rest(self) -> None:
        sentence = told(drawn(*self.ROSTER, Standing(999, 1, 0, 5, True), winner=999))

        assert sentence.endswith("Operator #10 (5 of 5) and 190 more.")
        assert "Operator #11 " not in sentence

    def test_all_at_the_limit_are_counted(self) -> None:
        sentence = told(nobody(*self.ROSTER))

        assert sentence.startswith("All at the limit (200 operators): Anna (5 of 5), ")
        assert "and 190 more." in sentence

    def test_just_ten_are_all_named(self) -> None:
        assert "more" not in told(nobody(*self.ROSTER[:MOST_NAMED]))


@pytest.mark.parametrize(
    ("weight", "total", "expected"),
    [(1, 2, "50%"), (1, 3, "33.3%"), (2, 3, "66.7%"), (1, 1_000_000, "less than 0.1%"), (1, 1, "100%"), (0, 5, "0%")],
)
def test_a_share_is_told_in_per_cent(weight: int, total: int, expected: str) -> None:
    assert percent(Fraction(weight, total)) == expected


STANDINGS = st.lists(
    st.builds(Standing, st.integers(1, 400), st.integers(0, 9), st.integers(0, 3), st.integers(0, 3), st.booleans()),
    unique_by=lambda standing: standing.operator_id,
    max_size=40,
)


@given(roster=STANDINGS)
def test_why_nobody_is_available_has_a_sentence_for_every_roster(roster: list[Standing]) -> None:
    obstacles = {standing.operator_id: standing.obstacle or Obstacle.EXCLUDED for standing in roster}

    sentence = nobody_available(roster, obstacles, {})

    assert sentence.endswith(".")
    assert len(sentence) < 2_000


@pytest.mark.django_db
class TestExplained:
    def explain(self, contact: Contact, among: Iterable[int] | None = None) -> list[Explanation]:
        return explained(newest_decisions(contact.pk), among=None if among is None else set(among))

    def test_the_whole_life_of_a_contact_in_order(self) -> None:
        first, second = make_operator(name="Anna", max_load=0), make_operator(name="Boris", max_load=0)
        source = make_source({first: 1, second: 1})
        contact = arrive(source)
        roster.change_operator(first.pk, max_load=1)
        with acting(Actor("user:1", "maria")), because("urgent"), pytest.raises(OperatorUnavailable):
            handling.reassign_to_operator(contact.pk, second.pk)
        handling.close_contact(contact.pk)
        handling.reopen_contact(contact.pk)

        assert [explanation.sentence for explanation in self.explain(contact)] == [
            "All at the limit (2 operators): Anna (0 of 0), Boris (0 of 0). The contact joined the queue.",
            "From the queue. Anna was drawn: weight 1 of 1 (100%). Boris was passed over: 0 of 0.",
            "By hand (maria). Boris was named but could not take the contact: 0 of 0. Nothing changed. Reason: urgent",
            "Reopening. Anna has the contact again: load 0 of 1. Nobody in the queue was passed.",
        ]

    def test_a_bulk_run_back_into_the_queue(self) -> None:
        operator = make_operator()
        contact = arrive(make_source({operator: 1}))
        roster.change_operator(operator.pk, is_active=False)
        move = BulkMove(from_operator=operator, to_queue=True)
        list(carry_out(move, chosen_contacts(move)))

        assert self.explain(contact)[-1].sentence == "Bulk run. The contact was put back in the queue."

    def test_one_who_was_deleted_is_told_by_number(self) -> None:
        gone, stays = make_operator(max_load=0), make_operator()
        source = make_source({gone: 1, stays: 1})
        contact = arrive(source)
        gone_id = gone.pk
        roster.delete_operator(gone_id)

        [explanation] = self.explain(contact)

        assert f"Operator #{gone_id} was passed over: 0 of 0." in explanation.sentence
        assert [chance.name for chance in explanation.rounds[0].operators] == [None, stays.name]

    def test_one_on_another_source_does_not_exist_for_its_reader(self) -> None:
        theirs, ours = make_operator(name="Secret"), make_operator(name="Ours")
        arrive(make_source({theirs: 1}), "lead")
        source = make_source({ours: 1}, prefer_same_operator=True)
        contact = arrive(source, "lead")

        [limited], [unlimited] = self.explain(contact, among=[source.pk]), self.explain(contact)

        assert f"Operator #{theirs.pk}, was not available: not on the list" in limited.sentence
        assert "Secret, was not available" in unlimited.sentence
        assert limited.preferred
        assert limited.preferred.name is None

    def test_who_made_room_for_the_queue_is_hidden_from_a_reader_of_some_sources(self) -> None:
        operator = make_operator(max_load=0)
        source = make_source({operator: 1})
        contact = arrive(source)
        with acting(Actor("user:1", "maria")):
            roster.change_operator(operator.pk, max_load=1)

        assert self.explain(contact)[-1].actor == "maria"
        assert self.explain(contact, among=[source.pk])[-1].actor == ""

    def test_the_chances_of_a_draw_are_probabilities(self) -> None:
        full, one, three = make_operator(max_load=0), make_operator(), make_operator()
        contact = arrive(make_source({full: 1, one: 10, three: 30}))

        [round_] = self.explain(contact)[0].rounds

        assert round_.tickets == 40
        assert [(chance.probability, chance.obstacle) for chance in round_.operators] == [
            (None, Obstacle.AT_LIMIT),
            (0.25, None),
            (0.75, None),
        ]

    def test_a_round_without_a_draw_has_no_probabilities(self) -> None:
        source = make_source({make_operator(): 1}, prefer_same_operator=True)
        arrive(source, "lead")

        [round_] = self.explain(arrive(source, "lead"))[0].rounds

        assert (round_.tickets, [chance.probability for chance in round_.operators]) == (None, [None])

    def test_of_a_long_roster_the_one_drawn_and_the_candidates_are_shown_first(self) -> None:
        full = [make_operator(max_load=0) for _ in range(55)]
        free = [make_operator() for _ in range(3)]
        contact = arrive(make_source(dict.fromkeys([*full, *free], 1)))

        [round_] = self.explain(contact)[0].rounds

        shown = [chance.standing.operator_id for chance in round_.operators]
        assert len(shown) == 50
        assert shown == sorted(shown)
        assert {operator.pk for operator in free} <= set(shown)

    @pytest.mark.parametrize(
        "details",
        [
            {},
            {"rounds": [{}]},
            {"rounds": "x"},
            {"rounds": [{"changes": [], "outcome": "taken"}]},
            {"rounds": [{"roster": [], "ticket": 3, "drawn": 5, "outcome": "taken"}]},
            {"rounds": [{"roster": [[1, 1, 0, 1]], "outcome": "taken"}]},
            {"rounds": [{"roster": [], "outcome": "lost"}]},
            {"rounds": [{"roster": [], "outcome": "nobody"}], "preferred": [1, "lazy"]},
            {"rounds": None},
            {"rounds": [{"roster": [["x", 1, 0, 1, 1]], "outcome": "nobody"}]},
            {"rounds": [{"roster": [[1, 1, "x", 1, 1]], "outcome": "nobody"}]},
            {"rounds": [{"roster": [], "ticket": "x", "outcome": "nobody"}]},
            [],
        ],
    )
    def test_a_row_that_was_tampered_with_is_told_as_such(self, details: Any) -> None:
        contact = arrive(make_source())
        Decision.objects.update(details=details)

        [explanation] = self.explain(contact)

        assert explanation.sentence == "The record of this decision cannot be read."
        assert len(explanation.rounds) <= 1

    def test_so_is_a_choice_by_hand(self) -> None:
        operator = make_operator()
        contact = arrive(make_source())
        handling.reassign_to_operator(contact.pk, operator.pk)
        Decision.objects.update(details={"by_hand": [1]})

        explanation = self.explain(contact)[-1]

        assert (explanation.sentence, explanation.by_hand) == ("The record of this decision cannot be read.", None)

    def test_a_strategy_that_is_gone_is_told_as_such(self) -> None:
        contact = arrive(make_source({make_operator(): 1}))
        Decision.objects.update(strategy="gone")

        [explanation] = self.explain(contact)

        assert (explanation.sentence, explanation.rounds) == ("The record of this decision cannot be read.", [])

    def test_a_hundred_are_told_in_three_statements(self, django_assert_num_queries: Any) -> None:
        operators = [make_operator(max_load=1) for _ in range(60)]
        contact = arrive(make_source(dict.fromkeys(operators, 1)))
        for _ in range(120):
            handling.reassign_by_draw(contact.pk)

        with django_assert_num_queries(3):
            explanations = self.explain(contact)

        assert len(explanations) == 100
        newest = Decision.objects.latest("pk")
        assert explanations[-1].decision == newest
        assert newest.roster is not None

    def test_a_refused_round_is_told(self) -> None:
        source = make_source({make_operator(): 1, make_operator(): 1})
        with patch("distribution.intake.queue_before", side_effect=[None, False]):
            contact = arrive(source)

        [explanation] = self.explain(contact)

        assert "was drawn first but was no longer available." in explanation.sentence
        assert [round_.round.outcome for round_ in explanation.rounds] == [Outcome.UNAVAILABLE, Outcome.TAKEN]
