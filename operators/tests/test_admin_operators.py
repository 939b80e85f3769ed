"""Operators in the back office."""

from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client
from model_bakery import baker

from crm_project.testing.admin_pages import Fields, address, messages, open_form, run, save, shown
from crm_project.testing.rows import arrive, assert_loads_are_true, make_operator, make_source
from crm_project.testing.staff import make_user
from distribution.roster import change_operator, set_weights
from operators.models import Operator, Weight

pytestmark = pytest.mark.django_db

MODEL = "operators_operator"


def change_page(operator: Operator) -> str:
    return address(MODEL, "change", operator.pk)


def opened(client: Client, operator: Operator) -> Fields:
    return open_form(client, change_page(operator), "operator_form")


def test_the_list_shows_load_and_limit(admin_client: Client) -> None:
    make_source({(operator := make_operator(max_load=7)): 1})
    arrive(operator.weights.get().source)
    assert "1 / 7" in admin_client.get(address(MODEL)).content.decode()


@pytest.mark.parametrize("typed", ["иван", "ИВАН", "amo_17"])
def test_an_operator_is_found_by_name_and_external_id(admin_client: Client, typed: str) -> None:
    ivan = make_operator(name="Иван Петров", external_id="AMO_17")
    make_operator(name="Мария")
    assert shown(admin_client.get(address(MODEL), {"q": typed})) == [ivan]


def test_the_list_narrows_to_the_inactive_and_orders_by_load(admin_client: Client) -> None:
    _free, busy, resting = make_operator(), make_operator(), make_operator(is_active=False)
    arrive(make_source({busy: 1}))
    assert shown(admin_client.get(address(MODEL), {"is_active__exact": "0"})) == [resting]
    assert shown(admin_client.get(address(MODEL), {"o": "-2"}))[0] == busy


def test_a_new_operator_is_stored_with_their_weights(admin_client: Client) -> None:
    source = make_source()
    waiting = arrive(source)
    fields = open_form(admin_client, address(MODEL, "add"), "operator_form")
    inline = {"weights-TOTAL_FORMS": "1", "weights-0-source": str(source.pk), "weights-0-weight": "30"}
    response = save(admin_client, address(MODEL, "add"), fields, name="Анна", max_load="4", **inline)
    operator = Operator.objects.get(name="Анна")
    assert (operator.max_load, operator.is_active, operator.external_id, operator.load) == (4, True, None, 1)
    assert list(operator.weights.values_list("source", "weight")) == [(source.pk, 30)]
    assert list(operator.contacts.all()) == [waiting]
    assert "“<a" in messages(response)[0]
    assert "was added" in messages(response)[0]


def test_two_operators_may_have_no_external_id(admin_client: Client) -> None:
    for name in ("Anna", "Boris"):
        fields = open_form(admin_client, address(MODEL, "add"), "operator_form")
        save(admin_client, address(MODEL, "add"), fields, name=name)
    assert Operator.objects.filter(external_id=None).count() == 2


@pytest.mark.parametrize(
    ("typed", "field"),
    [
        ({"max_load": "10001"}, "max_load"),
        ({"max_load": "-1"}, "max_load"),
        ({"max_load": "9" * 40}, "max_load"),
        ({"max_load": "many"}, "max_load"),
        ({"name": ""}, "name"),
        ({"name": "   "}, "name"),
        ({"name": "nul\0"}, "name"),
        ({"name": "n" * 201}, "name"),
        ({"external_id": "taken"}, "external_id"),
    ],
)
def test_what_is_wrong_is_told_at_its_field_and_nothing_is_stored(
    admin_client: Client, typed: dict[str, str], field: str
) -> None:
    make_operator(external_id="taken")
    operator = make_operator()
    response = save(admin_client, change_page(operator), opened(admin_client, operator), **typed)
    assert list(response.context["adminform"].form.errors) == [field]
    assert Operator.objects.filter(pk=operator.pk).values().get() == {
        name: value for name, value in vars(operator).items() if name != "_state"
    }


def test_a_raised_limit_gives_a_waiting_contact_away(admin_client: Client) -> None:
    operator = make_operator(max_load=1)
    source = make_source({operator: 1})
    arrive(source)
    waiting = arrive(source)
    save(admin_client, change_page(operator), opened(admin_client, operator), max_load="2")
    waiting.refresh_from_db()
    assert waiting.operator == operator


def test_activating_gives_a_waiting_contact_away(admin_client: Client) -> None:
    operator = make_operator(is_active=False)
    waiting = arrive(make_source({operator: 1}))
    save(admin_client, change_page(operator), opened(admin_client, operator), is_active="on")
    waiting.refresh_from_db()
    assert waiting.operator == operator


def test_switching_off_gives_nothing_new(admin_client: Client) -> None:
    operator = make_operator()
    source = make_source({operator: 1})
    save(admin_client, change_page(operator), opened(admin_client, operator), is_active=None)
    assert arrive(source).is_waiting


def test_a_weight_saved_inside_the_operator_gives_a_waiting_contact_away(admin_client: Client) -> None:
    operator = make_operator()
    waiting = arrive(make_source({operator: 0}))
    save(admin_client, change_page(operator), opened(admin_client, operator), **{"weights-0-weight": "10"})
    waiting.refresh_from_db()
    assert waiting.operator == operator


def test_a_weight_removed_inside_the_operator_is_gone_and_the_others_stay(admin_client: Client) -> None:
    operator = make_operator()
    make_source({operator: 1})
    kept = make_source({operator: 2})
    save(admin_client, change_page(operator), opened(admin_client, operator), **{"weights-0-DELETE": "on"})
    assert list(operator.weights.values_list("source", "weight")) == [(kept.pk, 2)]


def test_a_weight_removed_while_activating_draws_nothing_any_more(admin_client: Client) -> None:
    operator = make_operator(is_active=False)
    waiting = arrive(make_source({operator: 1}))
    typed = {"weights-0-DELETE": "on", "is_active": "on"}
    save(admin_client, change_page(operator), opened(admin_client, operator), **typed)
    waiting.refresh_from_db()
    assert waiting.is_waiting


def test_a_lowered_limit_holds_for_the_weight_saved_with_it(admin_client: Client) -> None:
    operator = make_operator(max_load=10)
    source = make_source({operator: 0})
    for _number in range(5):
        arrive(source)
    typed = {"weights-0-weight": "1", "max_load": "2"}
    save(admin_client, change_page(operator), opened(admin_client, operator), **typed)
    operator.refresh_from_db()
    assert operator.load == 2


def test_a_form_that_was_open_while_contacts_came_leaves_the_load_true(admin_client: Client) -> None:
    operator = make_operator()
    source = make_source({operator: 1})
    fields = opened(admin_client, operator)
    for _number in range(3):
        arrive(source)
    save(admin_client, change_page(operator), fields, name="Renamed")
    operator.refresh_from_db()
    assert (operator.name, operator.load) == ("Renamed", 3)
    assert_loads_are_true()


def test_a_form_that_was_open_while_others_worked_puts_nothing_back(admin_client: Client) -> None:
    operator = make_operator(max_load=5)
    source = make_source({operator: 1})
    fields = opened(admin_client, operator)
    change_operator(operator.pk, max_load=50, is_active=False)
    set_weights(source.pk, {operator.pk: 77})
    save(admin_client, change_page(operator), fields, name="Renamed")
    operator.refresh_from_db()
    assert (operator.name, operator.max_load, operator.is_active) == ("Renamed", 50, False)
    assert operator.weights.get().weight == 77


def test_a_call_that_sends_no_opening_values_changes_what_differs(admin_client: Client) -> None:
    operator = make_operator(max_load=5)
    no_weights = {"weights-TOTAL_FORMS": "0", "weights-INITIAL_FORMS": "0"}
    admin_client.post(change_page(operator), {"name": "Anna", "max_load": "6", **no_weights})
    operator.refresh_from_db()
    assert (operator.name, operator.max_load, operator.is_active) == ("Anna", 6, False)


def test_a_load_that_is_sent_changes_nothing(admin_client: Client) -> None:
    operator = make_operator()
    arrive(make_source({operator: 1}))
    save(admin_client, change_page(operator), opened(admin_client, operator), load="9", limit_set_at="2000-01-01")
    operator.refresh_from_db()
    assert operator.load == 1
    assert operator.limit_set_at.year > 2000


def test_a_weight_that_was_removed_meanwhile_is_told(admin_client: Client) -> None:
    operator = make_operator()
    make_source({operator: 1})
    fields = opened(admin_client, operator)
    Weight.objects.all().delete()
    response = save(admin_client, change_page(operator), fields, **{"weights-0-weight": "5"})
    assert response.context["errors"]
    assert not Weight.objects.exists()


def test_an_operator_without_contacts_is_deleted_with_their_weights(admin_client: Client) -> None:
    operator = make_operator()
    make_source({operator: 1})
    url = address(MODEL, "delete", operator.pk)
    assert "Are you sure" in admin_client.get(url).content.decode()
    admin_client.post(url, {"post": "yes"})
    assert not Operator.objects.exists()
    assert not Weight.objects.exists()
    assert LogEntry.objects.get().is_deletion()


@pytest.mark.parametrize("method", ["get", "post"])
def test_an_operator_with_contacts_stays_and_the_page_offers_deactivation(admin_client: Client, method: str) -> None:
    operator = make_operator()
    arrive(make_source({operator: 1}))
    url = address(MODEL, "delete", operator.pk)
    response = getattr(admin_client, method)(url, {"post": "yes"}, follow=True)
    assert response.redirect_chain == [(change_page(operator), 302)]
    assert messages(response) == [
        "This has or had contacts and cannot be deleted. Operators and sources can be deactivated instead."
    ]
    assert Operator.objects.get() == operator
    assert not LogEntry.objects.exists()


def test_of_those_selected_only_the_ones_without_contacts_are_deleted(admin_client: Client) -> None:
    busy, idle = make_operator(), make_operator()
    arrive(make_source({busy: 1}))
    kept = "1 stays: This has or had contacts and cannot be deleted. Operators and sources can be deactivated instead."
    asked = run(admin_client, MODEL, "delete_selected", busy, idle)
    assert messages(asked) == [kept]
    assert list(asked.context["queryset"]) == [idle]
    assert messages(run(admin_client, MODEL, "delete_selected", busy, idle, post="yes")) == [kept, "1 deleted."]
    assert Operator.objects.get() == busy
    assert [entry.object_id for entry in LogEntry.objects.all()] == [str(idle.pk)]


def test_operators_are_deactivated_and_activated_together(admin_client: Client) -> None:
    operators = [make_operator(), make_operator(), make_operator(is_active=False)]
    source = make_source(dict.fromkeys(operators, 1))
    response = run(admin_client, MODEL, "deactivate", *operators)
    assert messages(response) == ["2 operators deactivated.", "1 was so already and stays as it is."]
    waiting = arrive(source)
    assert waiting.is_waiting
    assert messages(run(admin_client, MODEL, "activate", operators[0])) == ["1 operator activated."]
    waiting.refresh_from_db()
    assert waiting.operator == operators[0]
    assert [entry.get_change_message() for entry in LogEntry.objects.filter(object_id=operators[0].pk)] == [
        "Changed active.",
        "Changed active.",
    ]


def test_operators_are_paused_and_go_on_together(admin_client: Client) -> None:
    operators = [make_operator(), make_operator(is_paused=True)]
    waiting = make_source(dict.fromkeys(operators, 1))
    response = run(admin_client, MODEL, "pause", *operators)
    assert messages(response) == ["1 operator paused.", "1 was so already and stays as it is."]
    contact = arrive(waiting)
    assert contact.is_waiting
    assert messages(run(admin_client, MODEL, "resume", operators[0])) == ["1 operator goes on."]
    contact.refresh_from_db()
    assert contact.operator == operators[0]
    assert [entry.get_change_message() for entry in LogEntry.objects.filter(object_id=operators[0].pk)] == [
        "Changed paused.",
        "Changed paused.",
    ]


def test_a_weight_removed_while_a_pause_ends_draws_nothing_any_more(admin_client: Client) -> None:
    operator = make_operator(is_paused=True)
    waiting = arrive(make_source({operator: 1}))
    typed = {"weights-0-DELETE": "on", "is_paused": None}
    save(admin_client, change_page(operator), opened(admin_client, operator), **typed)
    operator.refresh_from_db()
    waiting.refresh_from_db()
    assert (operator.is_paused, waiting.is_waiting) == (False, True)


def test_an_account_is_linked_and_one_that_is_taken_is_refused(admin_client: Client) -> None:
    first, second, user = make_operator(), make_operator(), make_user("operator")
    for operator in (first, second):
        save(admin_client, change_page(operator), opened(admin_client, operator), user=user.pk)
    assert list(Operator.objects.order_by("pk").values_list("user", flat=True)) == [user.pk, None]


def test_too_many_rows_at_once_are_refused(admin_client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("crm_project.admin.base.MOST_ROWS_AT_ONCE", 1)
    response = run(admin_client, MODEL, "deactivate", make_operator(), make_operator())
    assert "At most 1 row" in messages(response)[0]
    assert Operator.objects.filter(is_active=True).count() == 2


def test_a_save_is_written_into_the_history(admin_client: Client) -> None:
    operator = make_operator()
    save(admin_client, change_page(operator), opened(admin_client, operator), max_load="3")
    assert LogEntry.objects.get().get_change_message() == "Changed Limit."
    assert "10 → <strong" in admin_client.get(address(MODEL, "history", operator.pk)).content.decode()


@pytest.mark.parametrize("key", ["0", "abc", "9" * 30])
def test_a_page_of_nobody_leads_back_with_a_message(admin_client: Client, key: str) -> None:
    response = admin_client.get(address(MODEL, "change", key), follow=True)
    assert "Perhaps it was deleted?" in messages(response)[0]


def test_the_list_takes_few_queries_however_long_it_is(
    admin_client: Client, django_assert_max_num_queries: Any
) -> None:
    baker.make(Operator, name="Somebody", _quantity=50)
    with django_assert_max_num_queries(6):
        admin_client.get(address(MODEL))


def test_the_page_takes_few_queries_however_many_weights_there_are(
    admin_client: Client, django_assert_max_num_queries: Any
) -> None:
    operator = make_operator()
    for _number in range(50):
        make_source({operator: 1})
    with django_assert_max_num_queries(9):
        admin_client.get(change_page(operator))
