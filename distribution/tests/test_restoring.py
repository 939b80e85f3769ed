"""Going back to what a setting was before a change, and the history in words."""

from typing import Any

import pytest

from crm_project.access.acting import Actor, acting, because
from crm_project.testing.concurrency import run_concurrently
from crm_project.testing.rows import arrive, assert_rules_hold, make_operator, make_source
from distribution import roster
from distribution.errors import CannotGoBack, OperatorNotFound, SettingChanged, ValueTaken, WeightsChanged
from distribution.history import changes_of, newest_ids
from distribution.history_words import setting_told, value_told
from distribution.models import SettingChange
from distribution.restoring import can_go_back, go_back
from distribution.selectors import weights_of
from operators.models import Weight


def newest() -> SettingChange:
    return SettingChange.objects.latest("pk")


@pytest.mark.django_db
class TestGoingBack:
    @pytest.mark.parametrize(
        ("setting", "before", "after"),
        [
            ("name", "Anna", "Anya"),
            ("external_id", None, "amo_1"),
            ("external_id", "amo_1", None),
            ("is_active", True, False),
            ("max_load", 0, 5),
        ],
    )
    def test_a_setting_of_an_operator_is_set_back(self, setting: str, before: Any, after: Any) -> None:
        operator = make_operator(**{setting: before})
        roster.change_operator(operator.pk, **{setting: after})
        go_back(newest())
        operator.refresh_from_db()
        assert getattr(operator, setting) == before

    @pytest.mark.parametrize(
        ("setting", "before", "after"),
        [
            ("code", "bot", "tob"),
            ("strategy", "smooth_weighted", "least_loaded"),
            ("reuse_open_contact", False, True),
        ],
    )
    def test_a_setting_of_a_source_is_set_back(self, setting: str, before: Any, after: Any) -> None:
        source = make_source(**{setting: before})
        roster.change_source(source.pk, **{setting: after})
        go_back(newest())
        source.refresh_from_db()
        assert getattr(source, setting) == before

    @pytest.mark.parametrize(("before", "after"), [(1, 5), (0, 5), (1, None), (None, 5)])
    def test_a_weight_is_set_back_and_the_others_stay(self, before: int | None, after: int | None) -> None:
        operator, other = make_operator(), make_operator()
        source = make_source({other: 7} if before is None else {other: 7, operator: before})
        if after is None:
            roster.remove_weight(source.pk, operator.pk)
        else:
            roster.set_weights(source.pk, {operator.pk: after})
        go_back(newest())
        assert weights_of(source.pk).get(operator.pk) == before
        assert weights_of(source.pk)[other.pk] == 7

    def test_it_is_a_new_change_that_names_the_old_one(self) -> None:
        operator = make_operator(max_load=1)
        roster.change_operator(operator.pk, max_load=5)
        old = newest()
        with acting(Actor("user:1", "boss")), because("A mistake"):
            go_back(old)
        change = newest()
        assert (change.setting, change.before, change.after, change.actor_name) == ("max_load", 5, 1, "boss")
        assert change.reason == f"Back to what it was before change No. {old.pk}: A mistake"

    def test_a_long_reason_is_cut(self) -> None:
        operator = make_operator(max_load=1)
        roster.change_operator(operator.pk, max_load=5)
        with because("x" * 500):
            go_back(newest())
        assert len(newest().reason) == 500

    def test_room_goes_to_whoever_waits(self) -> None:
        operator = make_operator(max_load=1)
        roster.change_operator(operator.pk, max_load=0)
        waiting = arrive(make_source({operator: 1}))
        go_back(newest())
        waiting.refresh_from_db()
        assert waiting.operator == operator
        assert_rules_hold()

    def test_going_back_twice_is_refused(self) -> None:
        operator = make_operator(max_load=1)
        roster.change_operator(operator.pk, max_load=5)
        old = newest()
        go_back(old)
        with pytest.raises(SettingChanged):
            go_back(old)
        assert SettingChange.objects.count() == 2

    @pytest.mark.parametrize("since", [9, 1])
    def test_what_has_changed_since_is_refused(self, since: int) -> None:
        operator = make_operator(max_load=1)
        roster.change_operator(operator.pk, max_load=5)
        old = newest()
        roster.change_operator(operator.pk, max_load=since)
        with pytest.raises(SettingChanged):
            go_back(old)
        operator.refresh_from_db()
        assert operator.max_load == since

    def test_a_change_of_another_setting_or_of_another_source_is_no_change_since(self) -> None:
        operator = make_operator(max_load=1)
        bot, site = make_source({operator: 1}), make_source({operator: 1})
        roster.change_operator(operator.pk, max_load=5)
        limit = newest()
        roster.set_weights(bot.pk, {operator.pk: 5})
        weight = newest()
        roster.change_operator(operator.pk, name="Anna")
        roster.set_weights(site.pk, {operator.pk: 9})
        go_back(limit)
        go_back(weight)
        operator.refresh_from_db()
        assert operator.max_load == 1
        assert (weights_of(bot.pk), weights_of(site.pk)) == ({operator.pk: 1}, {operator.pk: 9})

    def test_what_is_not_as_the_change_left_it_is_refused(self) -> None:
        operator = make_operator()
        source = make_source({operator: 1})
        roster.set_weights(source.pk, {operator.pk: 5})
        Weight.objects.update(weight=6)
        with pytest.raises(WeightsChanged):
            go_back(newest())

    def test_the_beginning_and_the_end_of_a_row_are_nothing_to_go_back_to(self) -> None:
        operator = roster.create_operator(name="Anna")
        roster.delete_operator(operator.pk)
        for change in SettingChange.objects.all():
            assert not can_go_back(change)
            with pytest.raises(CannotGoBack):
                go_back(change)

    def test_a_strategy_that_is_gone_is_nothing_to_go_back_to(self) -> None:
        change = SettingChange(source_id=1, setting="strategy", before="gone", after="least_loaded")
        assert not can_go_back(change)

    def test_a_code_that_another_source_took_meanwhile_is_told(self) -> None:
        source = make_source(code="bot")
        roster.change_source(source.pk, code="old_bot")
        change = newest()
        make_source(code="bot")
        with pytest.raises(ValueTaken):
            go_back(change)

    def test_an_operator_who_was_deleted_is_told(self) -> None:
        operator = make_operator(max_load=1)
        roster.change_operator(operator.pk, max_load=5)
        change = newest()
        roster.delete_operator(operator.pk)
        with pytest.raises(OperatorNotFound):
            go_back(change)


@pytest.mark.django_db
class TestSeen:
    def test_a_service_told_what_was_seen_changes_nothing_else(self) -> None:
        operator, source = make_operator(max_load=1), make_source(name="Bot")
        with pytest.raises(SettingChanged):
            roster.change_operator(operator.pk, seen={"max_load": 2}, max_load=3)
        with pytest.raises(SettingChanged):
            roster.change_source(source.pk, seen={"name": "Site"}, name="Other")
        assert not SettingChange.objects.exists()
        assert roster.change_operator(operator.pk, seen={"max_load": 1}, max_load=3).max_load == 3


@pytest.mark.django_db
class TestReading:
    def test_the_newest_change_of_each_setting(self) -> None:
        operator = make_operator(max_load=1)
        bot, site = make_source(), make_source()
        for limit in (2, 3):
            roster.change_operator(operator.pk, max_load=limit)
        roster.set_weights(bot.pk, {operator.pk: 1})
        roster.set_weights(site.pk, {operator.pk: 1})
        changes = changes_of(operator)
        assert [change.after for change in changes] == [1, 1, 3, 2]
        assert newest_ids(changes) == {change.pk for change in changes[:3]}

    @pytest.mark.parametrize(
        ("setting", "value", "told"),
        [
            ("is_active", True, "yes"),
            ("is_active", False, "no"),
            ("max_load", 10_000, "10,000"),
            ("max_load", 0, "0"),
            ("strategy", "least_loaded", "the least loaded first"),
            ("strategy", "gone", "gone"),
            ("name", "Anna", "Anna"),
            ("name", None, "–"),
            ("external_id", "", "–"),
        ],
    )
    def test_values_are_told_as_people_read_them(self, setting: str, value: Any, told: str) -> None:
        assert value_told(setting, value) == told

    @pytest.mark.parametrize(
        ("fields", "told"),
        [
            ({"operator_id": 1, "setting": "max_load"}, "Limit"),
            ({"source_id": 1, "setting": "prefer_same_operator"}, "Prefer the same operator"),
            ({"operator_id": 1, "source_id": 1, "setting": "weight"}, "Weight"),
            ({"operator_id": 1, "setting": "exists"}, "Deleted"),
            ({"operator_id": 1, "setting": "gone"}, "gone"),
        ],
    )
    def test_settings_have_the_names_of_the_forms(self, fields: dict[str, Any], told: str) -> None:
        assert setting_told(SettingChange(**fields)) == told


@pytest.mark.django_db(transaction=True)
def test_of_two_who_go_back_at_once_one_is_refused() -> None:
    operator = make_operator(max_load=1)
    roster.change_operator(operator.pk, max_load=5)
    change = newest()

    def back() -> str:
        try:
            go_back(change)
        except SettingChanged:
            return "refused"
        return "done"

    assert sorted(run_concurrently(back, times=2)) == ["done", "refused"]
    assert SettingChange.objects.count() == 2
