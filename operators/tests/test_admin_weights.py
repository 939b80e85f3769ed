"""Weights as a list of their own in the back office."""

from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client

from crm_project.admin.columns import share_now
from crm_project.testing.admin_pages import Fields, address, messages, open_form, run, save, shown
from crm_project.testing.rows import arrive, make_operator, make_source
from distribution import roster
from distribution.selectors import weights_of
from distribution.shares import shares
from operators.models import Weight

pytestmark = pytest.mark.django_db

MODEL = "operators_weight"


def change_page(weight: Weight) -> str:
    return address(MODEL, "change", weight.pk)


def opened(client: Client, weight: Weight) -> Fields:
    return open_form(client, change_page(weight), "weight_form")


def test_the_list_shows_shares_and_the_reasons_for_none(admin_client: Client) -> None:
    operators = [make_operator(), make_operator(), make_operator(is_active=False), make_operator(max_load=0)]
    make_source(dict(zip(operators, (10, 30, 50, 50), strict=True)))
    make_source({operators[0]: 0})
    page = admin_client.get(address(MODEL)).content.decode()
    for text in ("25%", "75%", "inactive", "at the limit", "weight 0"):
        assert text in page


def test_the_shares_are_those_of_the_draw(admin_client: Client) -> None:
    operators = [make_operator(), make_operator(), make_operator(is_active=False), make_operator(max_load=0)]
    source = make_source(dict(zip(operators, (10, 30, 50, 0), strict=True)))
    make_source({operators[0]: 500})
    weights = shown(admin_client.get(address(MODEL), {"source__id__exact": source.pk}))
    told = {weight.operator: share_now(weight) for weight in weights}
    assert [told[operator] for operator in operators] == ["25%", "75%", "inactive", "weight 0"]
    assert [row.share for row in shares(source.pk)] == [0.25, 0.75, 0, 0]


@pytest.mark.parametrize("typed", ["иван", "AMO_17", "телеграм", "BOT_tele"])
def test_a_weight_is_found_by_its_operator_and_its_source(admin_client: Client, typed: str) -> None:
    make_source({make_operator(name="Иван", external_id="amo_17"): 1}, name="Телеграм", code="bot_tele")
    make_source({make_operator(name="Мария"): 1}, name="Сайт")
    assert [str(row.operator) for row in shown(admin_client.get(address(MODEL), {"q": typed}))] == ["Иван"]


def test_the_list_narrows_to_a_source_and_an_operator(admin_client: Client) -> None:
    source = make_source({(operator := make_operator()): 1, make_operator(): 1})
    make_source({operator: 1})
    filters = {"source__id__exact": source.pk, "operator__id__exact": operator.pk}
    assert len(shown(admin_client.get(address(MODEL), filters))) == 1


def test_a_new_weight_gives_a_waiting_contact_away(admin_client: Client) -> None:
    operator, source = make_operator(), make_source()
    waiting = arrive(source)
    fields = open_form(admin_client, address(MODEL, "add"), "weight_form")
    response = save(admin_client, address(MODEL, "add"), fields, source=source.pk, operator=operator.pk, weight="10")
    waiting.refresh_from_db()
    assert waiting.operator == operator
    assert response.redirect_chain == [(address(MODEL), 302)]
    assert LogEntry.objects.get().object_id == str(Weight.objects.get().pk)


def test_a_raised_weight_gives_a_waiting_contact_away(admin_client: Client) -> None:
    operator = make_operator()
    waiting = arrive(make_source({operator: 0}))
    weight = Weight.objects.get()
    save(admin_client, change_page(weight), opened(admin_client, weight), weight="10")
    waiting.refresh_from_db()
    assert waiting.operator == operator


def test_what_a_colleague_has_set_meanwhile_is_not_overwritten(admin_client: Client) -> None:
    make_source({make_operator(): 1})
    weight = Weight.objects.get()
    fields = opened(admin_client, weight)
    roster.set_weights(weight.source_id, {weight.operator_id: 5})

    response = save(admin_client, change_page(weight), fields, weight="10")

    assert weights_of(weight.source_id) == {weight.operator_id: 5}
    assert "Somebody else has changed" in messages(response)[0]


def test_a_page_saved_untouched_leaves_what_a_colleague_has_set(admin_client: Client) -> None:
    make_source({make_operator(): 1})
    weight = Weight.objects.get()
    fields = opened(admin_client, weight)
    roster.set_weights(weight.source_id, {weight.operator_id: 5})

    save(admin_client, change_page(weight), fields)

    assert weights_of(weight.source_id) == {weight.operator_id: 5}


def test_the_source_and_the_operator_of_a_weight_stay_as_they_are(admin_client: Client) -> None:
    make_source({make_operator(): 1})
    weight = Weight.objects.get()
    other = {"source": make_source().pk, "operator": make_operator().pk, "weight": "2"}
    save(admin_client, change_page(weight), opened(admin_client, weight), **other)
    assert Weight.objects.values_list("source", "operator", "weight").get() == (weight.source_id, weight.operator_id, 2)


@pytest.mark.parametrize("weight", ["-1", "1000001", "9" * 40, "0.5", "", "much"])
def test_what_is_no_weight_is_told_at_the_field(admin_client: Client, weight: str) -> None:
    make_source({make_operator(): 1})
    row = Weight.objects.get()
    response = save(admin_client, change_page(row), opened(admin_client, row), weight=weight)
    assert list(response.context["adminform"].form.errors) == ["weight"]
    assert Weight.objects.get().weight == 1


def test_a_second_weight_of_the_same_pair_is_told(admin_client: Client) -> None:
    source = make_source({(operator := make_operator()): 1})
    fields = open_form(admin_client, address(MODEL, "add"), "weight_form")
    twice = {"source": source.pk, "operator": operator.pk, "weight": "5"}
    response = save(admin_client, address(MODEL, "add"), fields, **twice)
    assert response.context["adminform"].form.non_field_errors()
    assert Weight.objects.get().weight == 1


@pytest.mark.parametrize("number", ["999999", "9" * 30, "nobody", "-1"])
@pytest.mark.parametrize("missing", ["source", "operator"])
def test_a_weight_of_nobody_or_nothing_is_told_at_its_field(admin_client: Client, missing: str, number: str) -> None:
    fields = open_form(admin_client, address(MODEL, "add"), "weight_form")
    typed = {"source": make_source().pk, "operator": make_operator().pk, "weight": "5", missing: number}
    response = save(admin_client, address(MODEL, "add"), fields, **typed)
    assert list(response.context["adminform"].form.errors) == [missing]


def test_a_weight_is_deleted_on_its_page(admin_client: Client) -> None:
    make_source({make_operator(): 1})
    response = admin_client.post(address(MODEL, "delete", Weight.objects.get().pk), {"post": "yes"}, follow=True)
    assert not Weight.objects.exists()
    assert "was deleted" in messages(response)[0]


def test_weights_are_deleted_together(admin_client: Client) -> None:
    make_source({make_operator(): 1, make_operator(): 1, (kept := make_operator()): 1})
    chosen = Weight.objects.exclude(operator=kept)
    assert list(run(admin_client, MODEL, "delete_selected", *chosen).context["queryset"]) == list(chosen)
    assert messages(run(admin_client, MODEL, "delete_selected", *chosen, post="yes")) == ["2 deleted."]
    assert Weight.objects.get().operator == kept


def test_the_list_takes_few_queries_however_long_it_is(
    admin_client: Client, django_assert_max_num_queries: Any
) -> None:
    for _number in range(10):
        make_source({make_operator(): 1 for _number in range(5)})
    with django_assert_max_num_queries(8):
        admin_client.get(address(MODEL))
