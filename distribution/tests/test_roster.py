from typing import Any

import pytest
from django.db import IntegrityError, transaction

from crm_project.testing.rows import arrive, assert_loads_are_true, make_lead, make_operator, make_source
from distribution import roster
from distribution.errors import HasContacts, OperatorNotFound, SourceNotFound
from leads.models import Contact, Lead, Source
from operators.models import Operator, Weight

pytestmark = pytest.mark.django_db


def weights_of(source: Source) -> dict[int, int]:
    return dict(Weight.objects.filter(source=source).values_list("operator_id", "weight"))


class TestChangingAnOperator:
    @pytest.mark.parametrize(
        ("before", "change"),
        [({"max_load": 0}, {"max_load": 1}), ({"is_active": False}, {"is_active": True})],
        ids=["raising the limit", "activating"],
    )
    def test_room_goes_to_whoever_waits(self, before: dict[str, Any], change: dict[str, Any]) -> None:
        operator = make_operator(**before)
        contact = arrive(make_source({operator: 1}))

        roster.change_operator(operator.pk, **change)

        contact.refresh_from_db()
        assert contact.operator == operator

    def test_a_limit_below_the_load_takes_nothing_away_and_gives_nothing_new(self) -> None:
        operator = make_operator(max_load=2)
        source = make_source({operator: 1})
        arrive(source)
        arrive(source)

        changed = roster.change_operator(operator.pk, max_load=1)

        assert (changed.load, changed.max_load) == (2, 1)
        assert arrive(source).is_waiting

    def test_only_the_fields_named_change(self) -> None:
        operator = make_operator(max_load=3)
        Operator.objects.filter(pk=operator.pk).update(max_load=7)

        assert roster.change_operator(operator.pk, name="Анна").max_load == 7

    def test_the_limit_remembers_when_it_was_set(self) -> None:
        operator = make_operator(max_load=3)

        assert roster.change_operator(operator.pk, name="Анна").limit_set_at == operator.limit_set_at
        assert roster.change_operator(operator.pk, max_load=4).limit_set_at > operator.limit_set_at

    def test_an_unknown_operator_is_an_error(self) -> None:
        with pytest.raises(OperatorNotFound):
            roster.change_operator(404, name="x")


class TestChangingASource:
    def test_activating_drains_its_queue(self) -> None:
        operator = make_operator(max_load=0)
        source = make_source({operator: 1})
        contact = arrive(source)
        roster.change_source(source.pk, is_active=False)
        roster.change_operator(operator.pk, max_load=1)
        contact.refresh_from_db()
        assert contact.is_waiting

        roster.change_source(source.pk, is_active=True)

        contact.refresh_from_db()
        assert contact.operator == operator

    def test_an_unknown_source_is_an_error(self) -> None:
        with pytest.raises(SourceNotFound):
            roster.change_source(404, name="x")


class TestSettingWeights:
    def test_those_listed_are_set_and_the_others_kept(self) -> None:
        first, second, third = make_operator(), make_operator(), make_operator()
        source = make_source({first: 1, second: 2})

        roster.set_weights(source.pk, {second.pk: 5, third.pk: 0})

        assert weights_of(source) == {first.pk: 1, second.pk: 5, third.pk: 0}

    def test_replacing_makes_the_list_the_whole(self) -> None:
        first, second = make_operator(), make_operator()
        source = make_source({first: 1, second: 2})

        roster.set_weights(source.pk, {second.pk: 5}, replace=True)

        assert weights_of(source) == {second.pk: 5}

    @pytest.mark.parametrize("before", [None, 0], ids=["a new weight", "a raised weight"])
    def test_room_goes_to_whoever_waits(self, before: int | None) -> None:
        operator = make_operator()
        source = make_source({} if before is None else {operator: before})
        contact = arrive(source)

        roster.set_weights(source.pk, {operator.pk: 1})

        contact.refresh_from_db()
        assert contact.operator == operator

    def test_an_unknown_operator_changes_nothing_and_is_named_by_its_place(self) -> None:
        operator = make_operator()
        source = make_source({operator: 1})

        with pytest.raises(OperatorNotFound) as refusal:
            roster.set_weights(source.pk, {operator.pk: 2, 404: 1})

        assert refusal.value.field == "operator_weights.1.operator_id"
        assert weights_of(source) == {operator.pk: 1}

    def test_removing_a_weight_leaves_the_contacts_where_they_are(self) -> None:
        operator = make_operator()
        source = make_source({operator: 1})
        contact = arrive(source)

        roster.remove_weight(source.pk, operator.pk)

        contact.refresh_from_db()
        assert contact.operator == operator
        assert arrive(source).is_waiting


class TestDeleting:
    def test_an_operator_without_contacts_goes_with_their_weights(self) -> None:
        operator = make_operator()
        make_source({operator: 1})

        roster.delete_operator(operator.pk)

        assert not Operator.objects.exists()
        assert not Weight.objects.exists()

    def test_what_has_contacts_stays(self) -> None:
        operator = make_operator()
        contact = arrive(make_source({operator: 1}))

        for delete, row_id in (
            (roster.delete_operator, operator.pk),
            (roster.delete_source, contact.source_id),
            (roster.delete_lead, contact.lead_id),
        ):
            with pytest.raises(HasContacts, match="deactivated instead"):
                delete(row_id)

        assert Contact.objects.filter(pk=contact.pk, operator=operator).exists()

    def test_a_source_and_a_lead_without_contacts_go(self) -> None:
        source, lead = make_source({make_operator(): 1}), make_lead("tg:1")

        roster.delete_source(source.pk)
        roster.delete_lead(lead.pk)

        assert not Source.objects.exists()
        assert not Lead.objects.exists()


class TestWhatTheDatabaseItselfRefuses:
    @pytest.mark.parametrize(
        ("change"),
        [{"max_load": 10_001}, {"max_load": -1}, {"load": -1}, {"name": ""}, {"external_id": ""}],
        ids=str,
    )
    def test_operators_out_of_range(self, change: dict[str, Any]) -> None:
        operator = make_operator()

        with pytest.raises(IntegrityError), transaction.atomic():
            Operator.objects.filter(pk=operator.pk).update(**change)

    @pytest.mark.parametrize("weight", [-1, 1_000_001])
    def test_weights_out_of_range(self, weight: int) -> None:
        with pytest.raises(IntegrityError), transaction.atomic():
            make_source({make_operator(): weight})

    @pytest.mark.parametrize(
        "change",
        [
            {"status": "waiting"},
            {"status": "closed"},
            {"status": "asleep"},
            {"operator": None},
            {"assigned_at": None},
            {"external_id": ""},
        ],
        ids=str,
    )
    def test_a_status_that_does_not_agree_with_the_rest(self, change: dict[str, Any]) -> None:
        contact = arrive(make_source({make_operator(): 1}))

        with pytest.raises(IntegrityError), transaction.atomic():
            Contact.objects.filter(pk=contact.pk).update(**change)


class TestSavingAnOperatorTheOrdinaryWay:
    def test_a_stale_instance_puts_back_no_stale_load(self) -> None:
        operator = make_operator()
        source = make_source({operator: 1})
        arrive(source)

        operator.name = "Анна"
        operator.load = 77
        operator.save()

        assert operator.load == 1
        assert_loads_are_true()

    def test_update_or_create_puts_back_no_load(self) -> None:
        operator = make_operator()
        arrive(make_source({operator: 1}))

        Operator.objects.update_or_create(pk=operator.pk, defaults={"load": 0, "name": "Анна"})

        assert_loads_are_true()

    def test_a_new_operator_has_no_load_whatever_is_said(self) -> None:
        created = Operator.objects.create(name="Анна", load=5)

        assert Operator.objects.get(pk=created.pk).load == 0
