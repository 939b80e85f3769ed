"""Weights of several sources set at once: all or none, and never over what somebody else has set meanwhile."""

from contextlib import suppress

import pytest

from crm_project.testing.concurrency import run_concurrently
from crm_project.testing.rows import arrive, assert_rules_hold, make_operator, make_source
from distribution import roster
from distribution.errors import OperatorNotFound, SourceNotFound, WeightsChanged
from distribution.history import newest_weight_changes
from distribution.models import SettingChange
from distribution.selectors import Cell, weights_in, weights_of, weights_of_each
from distribution.shares import available_weight
from leads.models import Source
from operators.models import Operator, Weight


def at(source: Source, operator: Operator) -> Cell:
    return Cell(source.pk, operator.pk)


@pytest.mark.django_db
class TestChangingWeights:
    def test_they_are_set_added_and_removed_on_several_sources(self) -> None:
        anna, boris = make_operator(), make_operator()
        bot, site = make_source({anna: 1, boris: 2}), make_source({anna: 3})

        roster.change_weights(
            {at(bot, anna): 10, at(bot, boris): None, at(site, boris): 7},
            {at(bot, anna): 1, at(bot, boris): 2, at(site, boris): None},
        )

        assert weights_of(bot.pk) == {anna.pk: 10}
        assert weights_of(site.pk) == {anna.pk: 3, boris.pk: 7}

    def test_each_is_in_the_history(self) -> None:
        anna, boris = make_operator(), make_operator()
        bot = make_source({anna: 1})
        wanted, seen = {at(bot, anna): None, at(bot, boris): 7}, {at(bot, anna): 1}

        roster.change_weights(wanted, seen)

        assert set(SettingChange.objects.values_list("operator_id", "source_id", "setting", "before", "after")) == {
            (anna.pk, bot.pk, "weight", 1, None),
            (boris.pk, bot.pk, "weight", None, 7),
        }

    @pytest.mark.parametrize("seen", [None, 1])
    def test_one_that_somebody_else_changed_leaves_all_as_they_are(self, seen: int | None) -> None:
        anna, boris = make_operator(), make_operator()
        bot, site = make_source({anna: 1}), make_source({boris: 5})

        with pytest.raises(WeightsChanged):
            roster.change_weights({at(bot, anna): 10, at(site, boris): 20}, {at(bot, anna): 1, at(site, boris): seen})

        assert (weights_of(bot.pk), weights_of(site.pk)) == ({anna.pk: 1}, {boris.pk: 5})
        assert not SettingChange.objects.exists()

    def test_one_that_somebody_else_set_to_the_same_is_as_wanted(self) -> None:
        bot = make_source({(anna := make_operator()): 10})
        roster.change_weights({at(bot, anna): 10}, {at(bot, anna): 1})
        assert not SettingChange.objects.exists()

    def test_what_others_did_elsewhere_on_the_source_stays(self) -> None:
        anna, boris = make_operator(), make_operator()
        bot = make_source({anna: 1})
        roster.set_weights(bot.pk, {boris.pk: 50})
        roster.change_weights({at(bot, anna): 2}, {at(bot, anna): 1})
        assert weights_of(bot.pk) == {anna.pk: 2, boris.pk: 50}

    def test_waiting_contacts_are_given_by_them(self) -> None:
        anna = make_operator()
        waiting = arrive(bot := make_source({anna: 0}))
        roster.change_weights({at(bot, anna): 1}, {at(bot, anna): 0})
        waiting.refresh_from_db()
        assert waiting.operator == anna
        assert_rules_hold()

    def test_a_source_that_is_gone_is_an_error(self) -> None:
        anna = make_operator()
        with pytest.raises(SourceNotFound):
            roster.change_weights({Cell(404, anna.pk): 1}, {})

    def test_an_operator_who_is_gone_is_an_error_and_changes_nothing(self) -> None:
        bot = make_source({(anna := make_operator()): 1})
        with pytest.raises(OperatorNotFound):
            roster.change_weights({at(bot, anna): 2, Cell(bot.pk, 404): 1}, {at(bot, anna): 1})
        assert weights_of(bot.pk) == {anna.pk: 1}


@pytest.mark.django_db
class TestReading:
    def test_weights_are_read_for_the_cells_asked_and_no_others(self) -> None:
        anna, boris = make_operator(), make_operator()
        bot, site = make_source({anna: 1, boris: 2}), make_source({anna: 3})
        assert weights_in([at(bot, boris), at(site, anna), at(site, boris)]) == {at(bot, boris): 2, at(site, anna): 3}
        assert weights_of_each([bot.pk], [anna.pk, boris.pk]) == {at(bot, anna): 1, at(bot, boris): 2}

    def test_the_available_weight_leaves_out_whoever_could_not_be_drawn(self) -> None:
        anna, boris = make_operator(), make_operator()
        absent = {make_operator(is_active=False): 100, make_operator(max_load=0): 100}
        bot, site = make_source({anna: 10, boris: 30, **absent}), make_source()
        assert available_weight([bot.pk, site.pk]) == {bot.pk: 40, site.pk: 0}
        assert available_weight([bot.pk], without=[anna.pk]) == {bot.pk: 30}

    def test_the_newest_change_of_each_weight_is_found(self) -> None:
        anna, boris = make_operator(), make_operator()
        bot = make_source()
        for weight in (1, 2):
            roster.set_weights(bot.pk, {anna.pk: weight})
        roster.set_weights(bot.pk, {boris.pk: 9})
        newest = newest_weight_changes([at(bot, anna), Cell(404, anna.pk)])
        assert {cell: change.after for cell, change in newest.items()} == {at(bot, anna): 2}


@pytest.mark.django_db(transaction=True)
def test_of_two_who_set_the_same_weight_at_once_one_is_told() -> None:
    anna = make_operator()
    sources = [make_source({anna: 1}) for _number in range(3)]
    seen = {at(source, anna): 1 for source in sources}

    def save(weight: int) -> str:
        try:
            roster.change_weights(dict.fromkeys(seen, weight), seen)
        except WeightsChanged:
            return "told"
        return "saved"

    outcomes = run_concurrently(lambda: save(10), lambda: save(20))

    assert sorted(outcomes) == ["saved", "told"]
    won = 10 if outcomes[0] == "saved" else 20
    assert set(Weight.objects.values_list("weight", flat=True)) == {won}
    assert SettingChange.objects.count() == 3


@pytest.mark.django_db(transaction=True)
def test_saves_of_the_same_sources_from_both_ends_and_arrivals_at_once_break_no_rule() -> None:
    operators = [make_operator(max_load=4) for _number in range(3)]
    sources = [make_source(dict.fromkeys(operators, 1), strategy="smooth_weighted") for _number in range(4)]

    def save(order: int) -> None:
        cells = [at(source, operator) for source in sources[::order] for operator in operators]
        for weight in (0, 2):
            with suppress(WeightsChanged):
                roster.change_weights(dict.fromkeys(cells, weight), weights_in(cells))

    def write() -> None:
        for source in sources:
            arrive(source)

    run_concurrently(lambda: save(1), lambda: save(-1), write, times=3)

    assert_rules_hold()
