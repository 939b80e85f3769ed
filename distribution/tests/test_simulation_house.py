"""The house in memory: what becomes of events that no database has seen."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from distribution.counting import Count
from distribution.history import EXISTS, WEIGHT
from distribution.period import Period
from distribution.simulation.events import (
    Appeal,
    Arrival,
    Closing,
    Event,
    Key,
    MoveByDraw,
    MoveByHand,
    Opening,
    Present,
    Reopening,
    Return,
    SettingsChange,
)
from distribution.simulation.figures import Waits, figures_of
from distribution.simulation.house import House
from leads.models import ContactStatus

SOURCE, OTHER = 1, 2
ANNA, BORIS = 10, 20
DAY = Period(datetime(2026, 5, 4, tzinfo=UTC), datetime(2026, 5, 5, tzinfo=UTC))


def at(minute: float) -> datetime:
    return DAY.start + timedelta(minutes=minute)


def minutes(number: float) -> timedelta:
    return timedelta(minutes=number)


def appeal(number: int, *draws: float, source: int = SOURCE, lead: int | None = None) -> Appeal:
    return Appeal(number, source, number if lead is None else lead, at(number), draws)


def arrives(number: int, *draws: float, handling: float | None = None, **more: Any) -> Arrival:
    return Arrival(at(number), appeal(number, *draws, **more), None if handling is None else minutes(handling))


def settings(limits: Mapping[int, int], weights: Mapping[tuple[int, int], int], **of_source: Any) -> dict[Key, Any]:
    values: dict[Key, Any] = {Key("max_load", operator): limit for operator, limit in limits.items()}
    values |= {Key("is_active", operator): True for operator in limits}
    values |= {Key(WEIGHT, operator, source): weight for (operator, source), weight in weights.items()}
    values |= {Key("is_active", None, source): True for _operator, source in weights}
    return values | {Key(name, None, SOURCE): value for name, value in of_source.items()}


BOTH = settings({ANNA: 10, BORIS: 10}, {(ANNA, SOURCE): 1, (BORIS, SOURCE): 1})
ONE_PLACE = settings({ANNA: 1}, {(ANNA, SOURCE): 1})


def run(values: Mapping[Key, Any], *events: Event, changes: Mapping[Key, Any] | None = None, **opening: Any) -> House:
    start: dict[str, Any] = {"values": values, "present": [], "earlier": {}, "counts": {}, **opening}
    house = House(Opening(**start), changes or {}, seed=1)
    for _step in house.run(events, DAY):
        pass
    return house


def course(house: House, contact_id: int) -> list[tuple[float, str, int | None]]:
    return [
        ((step.at - DAY.start) / minutes(1), step.status.value, step.operator_id)
        for step in house.steps
        if step.contact_id == contact_id
    ]


def test_a_recorded_ticket_names_the_same_operator_again() -> None:
    house = run(BOTH, arrives(1, 0.25), arrives(2, 0.75))

    assert [step.operator_id for step in house.steps] == [ANNA, BORIS]
    assert house.drawn_anew == 0


def test_under_other_weights_a_ticket_is_the_same_part_of_all() -> None:
    house = run(BOTH, arrives(1, 0.25), arrives(2, 0.75), changes={Key(WEIGHT, ANNA, SOURCE): 9})

    assert [step.operator_id for step in house.steps] == [ANNA, ANNA]


def test_a_contact_is_closed_as_long_after_its_operator_took_it_as_it_was_in_truth() -> None:
    house = run(ONE_PLACE, arrives(1, 0.5, handling=30), arrives(2, 0.5, handling=10))

    assert course(house, 1) == [(1, "active", ANNA), (31, "closed", ANNA)]
    assert course(house, 2) == [(2, "waiting", None), (31, "active", ANNA), (41, "closed", ANNA)]


def test_the_oldest_of_all_sources_is_given_first() -> None:
    values = settings({ANNA: 1}, {(ANNA, SOURCE): 1, (ANNA, OTHER): 1})
    house = run(values, arrives(1, handling=60), arrives(2, source=OTHER), arrives(3))

    assert course(house, 2)[-1] == (61, "active", ANNA)
    assert course(house, 3)[-1] == (3, "waiting", None)


def test_the_queue_of_a_source_that_is_off_rests() -> None:
    values = settings({ANNA: 1}, {(ANNA, SOURCE): 1, (ANNA, OTHER): 1})
    off = SettingsChange(at(4), {Key("is_active", None, OTHER): False})
    house = run(values, arrives(1, handling=60), arrives(2, source=OTHER), arrives(3), off)

    assert course(house, 2) == [(2, "waiting", None)]
    assert course(house, 3)[-1] == (61, "active", ANNA)


def test_a_contact_closed_while_it_waited_is_closed_then_whoever_has_it() -> None:
    events: list[Event] = [arrives(1), arrives(2, 0.5), Closing(at(9), 2)]

    assert course(run(ONE_PLACE, *events), 2) == [(2, "waiting", None), (9, "closed", None)]
    roomy = run(ONE_PLACE, *events, changes={Key("max_load", ANNA): 2})
    assert course(roomy, 2) == [(2, "active", ANNA), (9, "closed", ANNA)]


def test_what_was_there_is_closed_when_it_was_in_truth() -> None:
    there = Present(appeal(-5), ContactStatus.ACTIVE, ANNA, at(-5), minutes(12), at(7))
    house = run(ONE_PLACE, arrives(1, 0.5), present=[there])

    assert course(house, -5) == [(7, "closed", ANNA)]
    assert course(house, 1) == [(1, "waiting", None), (7, "active", ANNA)]


def test_a_change_that_makes_room_is_drained_from_the_first_moment() -> None:
    there = Present(appeal(-5), ContactStatus.WAITING, None, at(-5), None, None)
    full = {**ONE_PLACE, Key("max_load", ANNA): 0}

    assert course(run(full, present=[there]), -5) == []
    roomy = run(full, present=[there], changes={Key("max_load", ANNA): 1})
    assert course(roomy, -5) == [(0, "active", ANNA)]


def test_a_setting_that_is_asked_about_stays_whatever_was_recorded() -> None:
    later = SettingsChange(at(1), {Key(WEIGHT, ANNA, SOURCE): 5, Key("is_active", BORIS): True})
    changes = {Key(WEIGHT, ANNA, SOURCE): 0, Key("is_active", BORIS): False}
    house = run(BOTH, later, arrives(2), changes=changes)

    assert course(house, 2) == [(2, "waiting", None)]


def test_settings_of_one_call_are_set_before_anybody_draws() -> None:
    nobody = {**BOTH, Key(WEIGHT, ANNA, SOURCE): 0, Key(WEIGHT, BORIS, SOURCE): 0}
    call = SettingsChange(at(2), {Key(WEIGHT, ANNA, SOURCE): 1, Key(WEIGHT, BORIS, SOURCE): 1})

    assert course(run(nobody, arrives(1, 0.75), call), 1)[-1] == (2, "active", BORIS)


def test_whoever_is_gone_gets_nothing() -> None:
    gone = SettingsChange(at(1), {Key(EXISTS, BORIS): None})

    assert course(run(BOTH, gone, arrives(2, 0.75)), 2) == [(2, "active", ANNA)]


def test_whoever_comes_later_is_there_from_the_first_moment_once_a_limit_is_given() -> None:
    values = settings({ANNA: 0}, {(ANNA, SOURCE): 1})
    weight = {Key(WEIGHT, BORIS, SOURCE): 1}

    assert course(run(values, arrives(1), changes=weight), 1) == [(1, "waiting", None)]
    hired = run(values, arrives(1), changes={**weight, Key("max_load", BORIS): 1})
    assert course(hired, 1) == [(1, "active", BORIS)]


def test_a_returning_lead_goes_to_the_operator_of_its_last_contact() -> None:
    values = {**BOTH, Key("prefer_same_operator", None, SOURCE): True}
    events = [arrives(1, 0.25, lead=7), arrives(3, 0.25, lead=7)]

    assert course(run(values, *events, earlier={7: {-1: BORIS}}), 1) == [(1, "active", BORIS)]
    after = run(values, MoveByHand(at(2), 1, ANNA), events[1], present=[taken_by_boris()], earlier={7: {-1: BORIS}})
    assert course(after, 3) == [(3, "active", ANNA)]


def taken_by_boris() -> Present:
    return Present(appeal(1, lead=7), ContactStatus.ACTIVE, BORIS, at(-1), None, None)


def test_in_turn_goes_on_from_what_was_given_before() -> None:
    values = {**BOTH, Key("strategy", None, SOURCE): "smooth_weighted"}
    counts = {SOURCE: Count([[ANNA, 1], [BORIS, 1]], [1, 0])}

    assert course(run(values, arrives(1, 0.1), counts=counts), 1) == [(1, "active", BORIS)]
    assert course(run(values, arrives(1, 0.1)), 1) == [(1, "active", ANNA)]


class TestWhatIsDoneByHand:
    def test_a_reopened_contact_goes_back_to_its_operator_who_has_room(self) -> None:
        house = run(BOTH, arrives(1, 0.75, handling=5), Reopening(at(10), 1, minutes(3)))

        assert course(house, 1)[2:] == [(10, "active", BORIS), (13, "closed", BORIS)]

    def test_it_waits_when_they_have_none(self) -> None:
        house = run(ONE_PLACE, arrives(1, handling=5), arrives(7), Reopening(at(10), 1, None))

        assert course(house, 1)[-1] == (10, "waiting", None)

    def test_what_is_still_open_cannot_be_reopened(self) -> None:
        house = run(ONE_PLACE, arrives(1), arrives(2, handling=5), Reopening(at(10), 2, None))

        assert course(house, 2) == [(2, "waiting", None)]
        assert house.impossible == 1

    def test_a_contact_is_given_to_the_one_named_unless_they_are_full(self) -> None:
        events: list[Event] = [arrives(1, 0.25), MoveByHand(at(2), 1, BORIS)]

        assert course(run(BOTH, *events), 1)[-1] == (2, "active", BORIS)
        full = run(BOTH, *events, changes={Key("max_load", BORIS): 0})
        assert course(full, 1) == [(1, "active", ANNA)]
        assert full.impossible == 1

    def test_a_move_by_draw_leaves_its_operator(self) -> None:
        house = run(BOTH, arrives(1, 0.25), MoveByDraw(at(2), 1, 0.1))

        assert course(house, 1)[-1] == (2, "active", BORIS)

    def test_a_contact_goes_back_to_the_queue_only_from_one_who_is_inactive(self) -> None:
        off = SettingsChange(at(2), {Key("is_active", ANNA): False})
        events: list[Event] = [arrives(1, 0.25), off, Return(at(3), 1, minutes(5))]

        assert course(run(BOTH, *events), 1)[1:3] == [(3, "waiting", None), (3, "active", BORIS)]
        still_active = run(BOTH, *events, changes={Key("is_active", ANNA): True})
        assert course(still_active, 1) == [(1, "active", ANNA), (8, "closed", ANNA)]
        assert still_active.impossible == 1


class TestDrawsWithoutARecordedTicket:
    events = [arrives(number) for number in range(40)]

    def winners(self, seed: int) -> list[int | None]:
        house = House(Opening(values=self.values, present=[], earlier={}, counts={}), {}, seed)
        for _step in house.run(self.events, DAY):
            pass
        assert house.drawn_anew == len(self.events)
        return [step.operator_id for step in house.steps]

    values = settings({ANNA: 100, BORIS: 100}, {(ANNA, SOURCE): 1, (BORIS, SOURCE): 1})

    def test_they_repeat_with_the_seed_and_with_no_other(self) -> None:
        assert self.winners(1) == self.winners(1) != self.winners(2)


class TestFigures:
    def test_shares_peaks_waits_and_who_is_left_waiting(self) -> None:
        events = [arrives(1, handling=30), arrives(2, handling=10), arrives(3), arrives(1000)]
        house = run(ONE_PLACE, *events)
        appeals = {event.appeal.contact_id: event.appeal for event in events}
        figures = figures_of(house.steps, appeals, [], DAY)

        assert figures.shares(SOURCE) == {ANNA: 1.0}
        assert figures.peaks == {ANNA: 1}
        assert figures.unassigned == {SOURCE: 1}
        assert sorted(figures.waits[SOURCE]) == [minutes(0), minutes(29), minutes(38), minutes(440)]
        assert figures.waited(SOURCE) == Waits(minutes(29), minutes(440), minutes(440))

    def test_who_waited_before_has_waited_since_then(self) -> None:
        there = Present(appeal(-5), ContactStatus.WAITING, None, at(-5), None, None)
        figures = figures_of([], {-5: there.appeal}, [there], DAY)

        assert figures.waited(SOURCE).longest == minutes(24 * 60 + 5)

    def test_nobody_came(self) -> None:
        figures = figures_of([], {}, [], DAY)

        assert figures.shares(SOURCE) == {}
        assert figures.waited(SOURCE) == Waits(minutes(0), minutes(0), minutes(0))
