"""What is read of a recorded period, and what a simulation of it says."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from random import Random
from typing import Any
from unittest.mock import patch

import pytest
from django.core.management import call_command
from django.db.models import F
from django.utils import timezone

from crm_project.testing.rows import arrive, make_operator, make_source
from distribution import handling, roster
from distribution.errors import EmptyPeriod, OperatorUnavailable
from distribution.history import WEIGHT
from distribution.ledger import set_load
from distribution.models import Checkpoint, Decision, LoadChange, SettingChange
from distribution.period import Period
from distribution.simulation.errors import OperatorNotInvolved, PeriodNotRecorded, TooManyContacts
from distribution.simulation.events import Key, SettingsChange
from distribution.simulation.history import History, bound_together, read_history
from distribution.simulation.house import House
from distribution.simulation.question import Question, answer, command_line
from distribution.simulation.report import Report, clock
from leads.models import Contact, Source
from operators.models import Operator

pytestmark = pytest.mark.django_db

LONG_AGO = timedelta(days=30)


@pytest.fixture(autouse=True)
def _draws_repeat() -> Iterator[None]:
    with patch("distribution.assignment.secrets.randbelow", Random(5).randrange):
        yield


def hire(limit: int = 10, **fields: Any) -> Operator:
    return roster.create_operator(**{"name": "Anna", "max_load": limit, **fields})


def open_source(weights: dict[Operator, int], code: str = "bot", **fields: Any) -> Source:
    source = roster.create_source(name=code, code=code, **fields)
    roster.set_weights(source.pk, {operator.pk: weight for operator, weight in weights.items()})
    return source


def until_now(begins: datetime | None = None) -> Period:
    return Period.in_the_past(begins or timezone.now() - LONG_AGO, timezone.now())


def replayed(history: History, changes: dict[Key, Any] | None = None) -> House:
    house = House(history.opening, changes or {}, seed=1)
    for _step in house.run(history.events, history.period):
        pass
    return house


def asked(source: Source, changes: dict[Key, Any] | None = None, begins: datetime | None = None) -> Report:
    return answer(Question(source, until_now(begins), changes or {}))


def assert_comes_out_the_same(source: Source, begins: datetime) -> None:
    history = read_history(source.pk, until_now(begins))
    house = replayed(history)
    assert house.steps == history.steps
    assert (house.impossible, house.drawn_anew) == (0, 0)


class TestUnchanged:
    """A few stories that the random ones of test_simulation_rules seldom tell."""

    def test_a_strategy_in_turn_goes_on_where_the_period_begins(self) -> None:
        source = open_source({hire(100): 5, hire(100): 3, hire(100): 7}, strategy="smooth_weighted")
        for _ in range(17):
            arrive(source)
        begins = timezone.now()
        for _ in range(20):
            arrive(source)

        assert_comes_out_the_same(source, begins)

    def test_a_lead_goes_back_to_the_operator_of_its_last_contact(self) -> None:
        first, second = hire(), hire(0)
        source = open_source({first: 1, second: 1}, prefer_same_operator=True)
        arrive(source, "lead")
        roster.change_operator(second.pk, max_load=10)
        handling.reassign_to_operator(arrive(source, "lead").pk, second.pk)
        begins = timezone.now()
        assert arrive(source, "lead").operator == second

        assert_comes_out_the_same(source, begins)
        assert_comes_out_the_same(source, begins - LONG_AGO)

    def test_weights_of_one_call_count_before_anybody_draws(self) -> None:
        operators = [hire(1) for _ in range(3)]
        source = open_source(dict.fromkeys(operators, 0))
        for _ in range(3):
            arrive(source)
        roster.set_weights(source.pk, {operator.pk: 1 for operator in operators})

        assert_comes_out_the_same(source, timezone.now() - LONG_AGO)

    def test_a_drain_between_two_calls_parts_them(self) -> None:
        first, second = hire(1), hire(1)
        source = open_source({first: 0, second: 0})
        oldest, _younger = arrive(source), arrive(source)
        roster.set_weights(source.pk, {second.pk: 1})
        roster.set_weights(source.pk, {first.pk: 1})
        oldest.refresh_from_db()
        assert oldest.operator == second

        assert_comes_out_the_same(source, timezone.now() - LONG_AGO)

    def test_an_attempt_that_failed_is_not_repeated(self) -> None:
        source = open_source({hire(): 1})
        full = hire(0)
        with pytest.raises(OperatorUnavailable):
            handling.reassign_to_operator(arrive(source).pk, full.pk)

        assert_comes_out_the_same(source, timezone.now() - LONG_AGO)

    def test_a_contact_that_waited_closed_and_was_reopened_was_not_given_meanwhile(self) -> None:
        operator = hire(0)
        source = open_source({operator: 1})
        contact = arrive(source)
        handling.close_contact(contact.pk)
        roster.change_operator(operator.pk, max_load=1)
        handling.reopen_contact(contact.pk)

        assert_comes_out_the_same(source, timezone.now() - LONG_AGO)

    def test_what_came_before_the_record_is_read_from_the_contacts(self) -> None:
        operator = hire(1)
        source = open_source({operator: 1})
        active, waiting = arrive(source), arrive(source)
        forget_decisions()
        begins = timezone.now()
        handling.close_contact(active.pk)
        handling.close_contact(waiting.pk)

        assert_comes_out_the_same(source, begins)

    @pytest.mark.parametrize(
        "details",
        [
            ["rounds"],
            {"rounds": [{"roster": "none"}]},
            {"rounds": [{"roster": [[1, 1, 0, 9, 1]], "ticket": 0, "given": 5, "outcome": "taken"}]},
            {"rounds": [{"roster": [[1, 1, 0, 9, 1]], "ticket": "x", "outcome": "taken"}]},
        ],
        ids=str,
    )
    def test_a_decision_that_was_tampered_with_is_drawn_anew(self, details: Any) -> None:
        source = open_source({hire(): 1}, strategy="smooth_weighted")
        arrive(source)
        Decision.objects.update(details=details)

        house = replayed(read_history(source.pk, until_now()))

        assert house.drawn_anew == 1


def forget_decisions() -> None:
    decisions = Decision.objects.all()
    decisions._raw_delete(decisions.db)


def test_the_week_of_the_demo_comes_out_the_same_although_its_times_were_set_back() -> None:
    call_command("demo", contacts="150")

    for source in Source.objects.all():
        assert_comes_out_the_same(source, timezone.now() - LONG_AGO)
        assert_comes_out_the_same(source, timezone.now() - timedelta(days=3))


class TestOtherwise:
    def test_another_weight_shifts_the_shares(self) -> None:
        anna, boris = hire(1000), hire(1000)
        source = open_source({anna: 1, boris: 1})
        for _ in range(200):
            arrive(source)

        report = asked(source, {Key(WEIGHT, boris.pk, source.pk): 0})

        assert [row.share.after for row in report.operators] == [1.0, 0.0]
        assert [row.weight for row in report.operators] == [(1, 1), (1, 0)]
        assert 0.4 < report.operators[0].share.before < 0.6
        assert report.largest_shift == pytest.approx(report.operators[1].share.before)

    def test_a_lower_limit_lets_contacts_wait(self) -> None:
        anna = hire(10)
        source = open_source({anna: 1})
        for _ in range(5):
            arrive(source)

        report = asked(source, {Key("max_load", anna.pk): 2})

        assert report.source.unassigned == (0, 3)
        assert report.operators[0].peak == (5, 2)
        assert report.source.differs

    def test_unchanged_nothing_differs(self) -> None:
        anna = hire(2)
        source = open_source({anna: 1})
        contacts = [arrive(source) for _ in range(4)]
        handling.close_contact(contacts[0].pk)

        report = asked(source)

        assert not report.source.differs
        assert report.largest_shift == 0
        assert report.source.contacts == 4

    def test_a_source_that_shares_operators_feels_it(self) -> None:
        anna = hire(3)
        source, other = open_source({anna: 1}), open_source({anna: 1}, code="other")
        unrelated = open_source({hire(): 1}, code="unrelated")
        for one in (source, other, unrelated):
            arrive(one)

        report = asked(source, {Key("max_load", anna.pk): 1})

        assert [row.source_id for row in report.sources] == [source.pk, other.pk]
        assert report.sources[1].unassigned == (0, 1)

    def test_when_leads_go_back_to_their_operator_every_source_is_replayed(self) -> None:
        source = open_source({hire(): 1}, prefer_same_operator=True)
        unrelated = open_source({hire(): 1}, code="unrelated")

        assert read_history(source.pk, until_now()).sources == {source.pk, unrelated.pk}

    def test_an_operator_who_is_given_a_weight_brings_their_sources_along(self) -> None:
        newcomer = hire()
        source, theirs = open_source({hire(): 1}), open_source({newcomer: 1}, code="theirs")
        arrive(source)
        arrive(theirs)

        report = asked(source, {Key(WEIGHT, newcomer.pk, source.pk): 1_000_000})

        assert [row.source_id for row in report.sources] == [source.pk, theirs.pk]
        assert newcomer.pk in {row.operator_id for row in report.operators}

    def test_an_operator_who_shares_no_source_is_refused(self) -> None:
        source, stranger = open_source({hire(): 1}), hire()

        with pytest.raises(OperatorNotInvolved):
            asked(source, {Key("max_load", stranger.pk): 1})


class TestWhatIsRefused:
    def test_a_period_before_the_settings_were_recorded(self) -> None:
        operator = hire()
        source = open_source({operator: 1})
        Operator.objects.update(created_at=F("created_at") - LONG_AGO)

        with pytest.raises(PeriodNotRecorded, match="Anna"):
            read_history(source.pk, until_now(timezone.now() - LONG_AGO / 2))

    def test_rows_that_no_service_made(self) -> None:
        source = make_source({make_operator(name="Unknown"): 1}, name="Unknown")

        with pytest.raises(PeriodNotRecorded, match="Unknown"):
            read_history(source.pk, until_now(timezone.now()))

    def test_a_weight_that_no_service_set(self) -> None:
        operator = hire()
        source = open_source({})
        operator.weights.create(source=source, weight=3)

        with pytest.raises(PeriodNotRecorded):
            read_history(source.pk, until_now())

    def test_a_ledger_that_begins_later(self) -> None:
        operator = hire()
        source = open_source({operator: 1})
        Checkpoint.objects.create(operator=operator, number=0, load=0, max_load=10)

        with pytest.raises(PeriodNotRecorded, match="Anna"):
            read_history(source.pk, until_now(timezone.now() - timedelta(minutes=1)))

    def test_a_load_that_no_known_contact_makes_up(self) -> None:
        operator = hire()
        source = open_source({operator: 1})
        set_load(operator.pk, 1)

        with pytest.raises(PeriodNotRecorded, match="Anna"):
            read_history(source.pk, until_now(timezone.now()))

    def test_a_checkpoint_before_the_beginning_is_where_the_load_is_read(self) -> None:
        operator = hire()
        source = open_source({operator: 1})
        arrive(source)
        ledger = LoadChange.objects.all()
        ledger._raw_delete(ledger.db)
        Checkpoint.objects.create(operator=operator, number=1, load=1, max_load=10)

        assert_comes_out_the_same(source, timezone.now())

    def test_more_contacts_than_asked_for(self) -> None:
        source = open_source({hire(): 1})
        arrive(source)
        arrive(source)

        with pytest.raises(TooManyContacts):
            read_history(source.pk, until_now(), most=1)

    @pytest.mark.parametrize(("begins", "ends"), [(0, 0), (0, -1), (1, 2)])
    def test_a_period_that_is_empty_or_yet_to_come(self, begins: int, ends: int) -> None:
        now = timezone.now()

        with pytest.raises(EmptyPeriod):
            Period.in_the_past(now + timedelta(days=begins), now + timedelta(days=ends))


def test_a_setting_changed_after_the_period_has_no_part_in_it() -> None:
    operator = hire()
    source = open_source({operator: 1})
    ends = timezone.now()
    roster.set_weights(source.pk, {operator.pk: 9})

    history = read_history(source.pk, Period(ends - LONG_AGO, ends))

    later = [event.values for event in history.events if isinstance(event, SettingsChange)]
    weights = {
        value for values in [history.opening.values, *later] for key, value in values.items() if key.setting == WEIGHT
    }
    assert weights == {1}


def test_many_contacts_take_as_many_queries_as_few(django_assert_max_num_queries: Any) -> None:
    source = open_source({hire(1000): 1})
    for _ in range(40):
        arrive(source)

    with django_assert_max_num_queries(20):
        asked(source)


def test_nothing_is_written() -> None:
    source = open_source({hire(): 1})
    handling.close_contact(arrive(source).pk)
    before = everything()

    asked(source, {Key("strategy", None, source.pk): "least_loaded"})

    assert everything() == before


def everything() -> list[Any]:
    models: list[Any] = [Contact, Operator, Source, Decision, LoadChange, SettingChange]
    return [list(model.objects.order_by("pk").values()) for model in models]


def test_chains_are_followed_to_their_end() -> None:
    pairs = [(1, 10), (1, 20), (2, 20), (2, 30), (3, 40)]

    assert bound_together(10, pairs) == ({10, 20, 30}, {1, 2})


def test_the_command_line_asks_the_same() -> None:
    source = open_source({}, code="a bot")
    period = until_now()
    changes = {Key(WEIGHT, 3, source.pk): 5, Key("max_load", 3): 7, Key("is_active", 3): False}

    line = command_line(Question(source, period, {**changes, Key("strategy", None, source.pk): "least_loaded"}, seed=4))

    assert line.startswith("manage.py simulate --source 'a bot' --from ")
    assert line.endswith("--weight 3=5 --limit 3=7 --deactivate 3 --strategy least_loaded --seed 4")


def test_a_clock_has_no_days() -> None:
    assert clock(timedelta(days=1, hours=6, seconds=5)) == "30:00:05"
