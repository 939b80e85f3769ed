"""The house at a glance: each figure of the start page."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from django.test import override_settings
from django.utils import timezone

from crm_project.testing.rows import arrive, make_operator, make_source
from distribution.handling import close_contact, reassign_to_operator
from distribution.overview import arrivals, fullest_operators, places_now, queue_now, setup
from distribution.roster import change_operator, set_weights
from leads.models import Contact, Source
from operators.models import Operator

pytestmark = pytest.mark.django_db

TEN_MINUTES = timedelta(minutes=10)
NOON = datetime(2026, 5, 4, 12, 30, tzinfo=UTC)


def arrive_at(source: Source, moment: datetime, count: int = 1) -> None:
    """Register contacts as if it had been at `moment`."""
    for _number in range(count):
        Contact.objects.filter(pk=arrive(source).pk).update(created_at=moment)


def busy_operator(load: int, **fields: Any) -> Operator:
    """Store an operator and give them so many contacts."""
    operator = make_operator(**{"max_load": 10, **fields, "is_active": True})
    source = make_source({operator: 1})
    for _number in range(load):
        arrive(source)
    if fields.get("is_active") is False:
        change_operator(operator.pk, is_active=False)
    return operator


class TestTheQueue:
    def test_is_empty_when_everybody_is_served(self) -> None:
        arrive(make_source({make_operator(): 1}))
        assert vars(queue_now(timezone.now(), TEN_MINUTES)) == {"waiting": 0, "oldest_at": None, "too_long": 0}

    def test_counts_who_waits_on_every_source_since_the_oldest(self) -> None:
        arrive_at(make_source(), NOON - timedelta(minutes=2))
        arrive_at(make_source(), NOON - timedelta(minutes=5))
        queue = queue_now(NOON, TEN_MINUTES)
        assert (queue.waiting, queue.oldest_at) == (2, NOON - timedelta(minutes=5))

    def test_counts_as_too_long_only_what_waits_longer(self) -> None:
        source = make_source()
        arrive_at(source, NOON - TEN_MINUTES)
        arrive_at(source, NOON - TEN_MINUTES - timedelta(seconds=1))
        assert queue_now(NOON, TEN_MINUTES).too_long == 1


class TestThePlaces:
    def test_are_none_without_operators(self) -> None:
        assert set(vars(places_now()).values()) == {0}

    def test_are_taken_by_active_contacts_only(self) -> None:
        source = make_source({make_operator(): 1})
        close_contact(arrive(source).pk)
        arrive(source)
        assert places_now().taken == Contact.objects.active().count() == 1

    def test_are_free_with_active_operators_below_their_limit(self) -> None:
        busy_operator(2, max_load=5)
        busy_operator(1, max_load=9, is_active=False)
        places = places_now()
        assert (places.free, places.operators_with_room) == (3, 1)

    def test_are_not_fewer_than_none_with_a_limit_that_was_lowered_below_the_load(self) -> None:
        change_operator(busy_operator(3).pk, max_load=1)
        places = places_now()
        assert (places.free, places.operators_at_limit) == (0, 1)

    def test_leave_out_inactive_operators_at_their_limit(self) -> None:
        busy_operator(2, max_load=2)
        busy_operator(2, max_load=2, is_active=False)
        assert places_now().operators_at_limit == 1


class TestTheFullestOperators:
    def test_come_first_by_load_of_limit(self) -> None:
        half, full, empty = busy_operator(5), busy_operator(2, max_load=2), busy_operator(0)
        assert fullest_operators(10) == ([full, half, empty], 3)

    def test_are_cut_while_all_are_counted(self) -> None:
        full = busy_operator(1, max_load=1)
        busy_operator(0)
        assert fullest_operators(1) == ([full], 2)

    def test_include_an_inactive_one_who_still_has_contacts(self) -> None:
        leaving = busy_operator(1, is_active=False)
        make_operator(is_active=False)
        assert fullest_operators(10) == ([leaving], 1)

    def test_end_with_a_limit_of_zero(self) -> None:
        nothing, some = make_operator(max_load=0), make_operator(max_load=1)
        assert fullest_operators(10) == ([some, nothing], 2)

    def test_are_none_in_an_empty_house(self) -> None:
        assert fullest_operators(10) == ([], 0)


class TestTheArrivals:
    def test_are_counted_by_the_hour_in_which_they_came(self) -> None:
        source = make_source()
        arrive_at(source, datetime(2026, 5, 4, 12, 0, tzinfo=UTC), 2)
        arrive_at(source, datetime(2026, 5, 4, 11, 59, 59, tzinfo=UTC))
        (_source, counts), *others = arrivals(NOON).of_sources
        assert (counts[23], counts[22], sum(counts), others) == (2, 1, 3, [])

    def test_go_back_to_the_beginning_of_the_hour_a_day_ago(self) -> None:
        source = make_source()
        arrive_at(source, datetime(2026, 5, 3, 13, 0, tzinfo=UTC))
        arrive_at(source, datetime(2026, 5, 3, 12, 59, 59, tzinfo=UTC))
        found = arrivals(NOON)
        assert found.hours[0] == datetime(2026, 5, 3, 13, 0, tzinfo=UTC)
        assert [(counts[0], sum(counts)) for _source, counts in found.of_sources] == [(1, 1)]

    def test_are_given_for_each_source_that_had_some_the_busiest_first(self) -> None:
        quiet, busy = make_source(), make_source()
        make_source()
        arrive_at(quiet, NOON)
        arrive_at(busy, NOON, 2)
        assert [source for source, _counts in arrivals(NOON).of_sources] == [busy, quiet]

    def test_count_those_of_a_source_that_was_switched_off(self) -> None:
        source = make_source()
        arrive_at(source, NOON)
        Source.objects.update(is_active=False)
        assert [source for source, _counts in arrivals(NOON).of_sources] == [source]

    def test_follow_the_clock_of_the_installation(self) -> None:
        with override_settings(TIME_ZONE="Asia/Kolkata"), timezone.override("Asia/Kolkata"):
            assert arrivals(NOON).hours[-1] == datetime(2026, 5, 4, 12, 30, tzinfo=UTC)

    def test_have_24_hours_when_the_clock_is_put_forward(self) -> None:
        with timezone.override("Europe/Berlin"):
            hours = arrivals(datetime(2026, 3, 29, 12, 0, tzinfo=UTC)).hours
        assert [later - earlier for earlier, later in pairwise(hours)] == [timedelta(hours=1)] * 23


class TestSettingUp:
    def test_begins_with_nothing_done(self) -> None:
        done = setup()
        assert (done.has_operators, done.has_sources, done.has_weights, done.is_done) == (False, False, False, False)

    def test_is_not_done_while_every_weight_is_zero(self) -> None:
        make_source({make_operator(): 0})
        done = setup()
        assert (done.has_operators, done.has_sources, done.has_weights, done.is_done) == (True, True, False, False)

    def test_is_done_with_a_weight(self) -> None:
        make_source({make_operator(): 1})
        assert setup().is_done

    def test_is_done_once_something_came_in_whatever_becomes_of_the_weights(self) -> None:
        operator = make_operator()
        source = make_source({operator: 1})
        contact = arrive(source)
        set_weights(source.pk, {operator.pk: 0})
        reassign_to_operator(contact.pk, make_operator().pk)
        assert setup().is_done
