"""Sources in the back office."""

import re
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.db import IntegrityError, OperationalError
from django.test import Client
from model_bakery import baker

from crm_project.testing.admin_pages import Fields, address, messages, open_form, run, save, shown
from crm_project.testing.rows import arrive, make_operator, make_source
from crm_project.testing.staff import staff
from distribution import roster
from distribution.errors import SourceNotFound
from distribution.runs import progress
from distribution.selectors import Cell
from leads.models import Source
from operators.models import Weight

pytestmark = pytest.mark.django_db

MODEL = "leads_source"


def change_page(source: Source) -> str:
    return address(MODEL, "change", source.pk)


def opened(client: Client, source: Source) -> Fields:
    return open_form(client, change_page(source), "source_form")


def weights_of(source: Source) -> dict[int, int]:
    return dict(source.weights.values_list("operator", "weight"))


@pytest.mark.parametrize("typed", ["телеграм", "BOT_tele"])
def test_a_source_is_found_by_name_and_code(admin_client: Client, typed: str) -> None:
    source = make_source(name="Телеграм", code="bot_tele")
    make_source(name="Сайт")
    assert shown(admin_client.get(address(MODEL), {"q": typed})) == [source]


def test_the_list_says_how_many_wait_and_leads_to_them(admin_client: Client) -> None:
    source = make_source()
    waiting = [arrive(source), arrive(source)]
    arrive(make_source())
    page = admin_client.get(address(MODEL)).content.decode()
    link = f"{address('leads_contact')}?source__id__exact={source.pk}&amp;status__exact=waiting"
    assert f'<a href="{link}" class="text-link">2</a>' in page
    assert set(shown(admin_client.get(link.replace("&amp;", "&")))) == set(waiting)


def test_a_new_source_is_stored_with_its_weights(admin_client: Client) -> None:
    operator = make_operator()
    fields = open_form(admin_client, address(MODEL, "add"), "source_form")
    inline = {"weights-TOTAL_FORMS": "1", "weights-0-operator": str(operator.pk), "weights-0-weight": "30"}
    save(admin_client, address(MODEL, "add"), fields, name="Телеграм", code="bot", **inline)
    source = Source.objects.get()
    assert (source.name, source.code, source.is_active, source.reuse_open_contact) == ("Телеграм", "bot", True, False)
    assert weights_of(source) == {operator.pk: 30}


@pytest.mark.parametrize(
    ("typed", "field"),
    [({"code": "taken"}, "code"), ({"code": ""}, "code"), ({"name": ""}, "name"), ({"code": "c" * 101}, "code")],
)
def test_what_is_wrong_is_told_at_its_field_and_nothing_is_stored(
    admin_client: Client, typed: dict[str, str], field: str
) -> None:
    make_source(code="taken")
    source = make_source(name="Before", code="before")
    response = save(admin_client, change_page(source), opened(admin_client, source), **typed)
    assert list(response.context["adminform"].form.errors) == [field]
    source.refresh_from_db()
    assert (source.name, source.code) == ("Before", "before")


def test_a_weight_saved_inside_the_source_gives_a_waiting_contact_away(admin_client: Client) -> None:
    operator = make_operator()
    waiting = arrive(source := make_source({operator: 0}))
    save(admin_client, change_page(source), opened(admin_client, source), **{"weights-0-weight": "10"})
    waiting.refresh_from_db()
    assert waiting.operator == operator


def test_all_weights_of_one_save_are_set_in_one_call(admin_client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = make_operator(), make_operator()
    source = make_source({first: 1, second: 1, make_operator(): 1})
    calls: list[Any] = []
    monkeypatch.setattr(roster, "change_weights", lambda *arguments: calls.append(arguments))
    typed = {"weights-0-weight": "10", "weights-1-weight": "20"}
    save(admin_client, change_page(source), opened(admin_client, source), **typed)
    [(wanted, seen)] = calls
    assert wanted == {Cell(source.pk, first.pk): 10, Cell(source.pk, second.pk): 20}
    assert {cell: seen[cell] for cell in wanted} == dict.fromkeys(wanted, 1)


def test_what_a_colleague_has_changed_meanwhile_is_not_overwritten(admin_client: Client) -> None:
    first, second = make_operator(), make_operator()
    source = make_source({first: 1, second: 1})
    page = opened(admin_client, source)
    roster.set_weights(source.pk, {first.pk: 5})

    response = save(admin_client, change_page(source), page, **{"weights-0-weight": "10", "weights-1-weight": "20"})

    assert weights_of(source) == {first.pk: 5, second.pk: 1}
    assert "Somebody else has changed" in " ".join(messages(response))


def test_a_weight_that_a_colleague_has_changed_meanwhile_is_not_removed(admin_client: Client) -> None:
    first = make_operator()
    source = make_source({first: 1})
    page = opened(admin_client, source)
    roster.set_weights(source.pk, {first.pk: 5})

    save(admin_client, change_page(source), page, **{"weights-0-DELETE": "on"})

    assert weights_of(source) == {first.pk: 5}


def test_an_operator_is_added_one_changed_and_one_removed_in_one_save(admin_client: Client) -> None:
    removed, changed, added = make_operator(), make_operator(), make_operator()
    source = make_source({removed: 1, changed: 1})
    typed = {
        "weights-TOTAL_FORMS": "3",
        "weights-0-DELETE": "on",
        "weights-1-weight": "5",
        "weights-2-operator": added.pk,
        "weights-2-weight": "7",
    }
    save(admin_client, change_page(source), opened(admin_client, source), **typed)
    assert weights_of(source) == {changed.pk: 5, added.pk: 7}
    history = LogEntry.objects.get().get_change_message()
    assert all(word in history for word in ("Added", "Changed", "Deleted"))


def test_the_operator_of_a_weight_stays_as_it_is(admin_client: Client) -> None:
    source = make_source({(operator := make_operator()): 1})
    typed = {"weights-0-operator": make_operator().pk, "weights-0-weight": "2"}
    save(admin_client, change_page(source), opened(admin_client, source), **typed)
    assert weights_of(source) == {operator.pk: 2}


@pytest.mark.parametrize("weight", ["-1", "1000001", "much"])
def test_what_is_no_weight_is_told_at_its_row(admin_client: Client, weight: str) -> None:
    source = make_source({(operator := make_operator()): 1})
    response = save(admin_client, change_page(source), opened(admin_client, source), **{"weights-0-weight": weight})
    [formset] = response.context["inline_admin_formsets"]
    assert list(formset.formset.errors[0]) == ["weight"]
    assert weights_of(source) == {operator.pk: 1}


def test_an_operator_named_twice_is_told(admin_client: Client) -> None:
    source = make_source()
    operator = make_operator()
    typed = {"weights-TOTAL_FORMS": "2"}
    for number in range(2):
        typed |= {f"weights-{number}-operator": str(operator.pk), f"weights-{number}-weight": "1"}
    response = save(admin_client, change_page(source), opened(admin_client, source), **typed)
    assert response.context["errors"]
    assert weights_of(source) == {}


def test_activating_gives_a_waiting_contact_away(admin_client: Client) -> None:
    operator = make_operator(is_active=False)
    waiting = arrive(source := make_source({operator: 1}))
    roster.change_source(source.pk, is_active=False)
    roster.change_operator(operator.pk, is_active=True)
    save(admin_client, change_page(source), opened(admin_client, source), is_active="on")
    waiting.refresh_from_db()
    assert waiting.operator == operator


def test_a_weight_removed_while_activating_draws_nothing_any_more(admin_client: Client) -> None:
    operator = make_operator(is_active=False)
    waiting = arrive(source := make_source({operator: 1}))
    roster.change_source(source.pk, is_active=False)
    roster.change_operator(operator.pk, is_active=True)
    typed = {"is_active": "on", "weights-0-DELETE": "on"}
    save(admin_client, change_page(source), opened(admin_client, source), **typed)
    waiting.refresh_from_db()
    assert waiting.is_waiting


def test_a_form_that_was_open_while_others_worked_puts_nothing_back(admin_client: Client) -> None:
    source = make_source({(operator := make_operator()): 1}, code="before")
    fields = opened(admin_client, source)
    roster.change_source(source.pk, is_active=False, code="after")
    roster.set_weights(source.pk, {operator.pk: 77})
    save(admin_client, change_page(source), fields, name="Renamed")
    source.refresh_from_db()
    assert (source.name, source.code, source.is_active) == ("Renamed", "after", False)
    assert weights_of(source) == {operator.pk: 77}


def test_a_source_without_contacts_is_deleted_with_its_weights(admin_client: Client) -> None:
    source = make_source({make_operator(): 1})
    admin_client.post(address(MODEL, "delete", source.pk), {"post": "yes"})
    assert not Source.objects.exists()
    assert not Weight.objects.exists()


@pytest.mark.parametrize("method", ["get", "post"])
def test_a_source_with_contacts_stays_and_the_page_offers_deactivation(admin_client: Client, method: str) -> None:
    arrive(source := make_source())
    response = getattr(admin_client, method)(address(MODEL, "delete", source.pk), {"post": "yes"}, follow=True)
    assert response.redirect_chain == [(change_page(source), 302)]
    assert messages(response) == [
        "This has or had contacts and cannot be deleted. Operators and sources can be deactivated instead."
    ]
    assert Source.objects.get() == source


def test_when_none_of_those_selected_can_be_deleted_nothing_is_asked(admin_client: Client) -> None:
    sources = [make_source(), make_source()]
    for source in sources:
        arrive(source)
    response = run(admin_client, MODEL, "delete_selected", *sources)
    assert response.redirect_chain == [(address(MODEL), 302)]
    assert messages(response) == [
        "2 stay: This has or had contacts and cannot be deleted. Operators and sources can be deactivated instead."
    ]
    assert Source.objects.count() == 2


def test_sources_are_deactivated_and_activated_together(admin_client: Client) -> None:
    operator = make_operator(is_active=False)
    waiting = arrive(source := make_source({operator: 1}))
    response = run(admin_client, MODEL, "deactivate", source, make_source(), confirmed="1", contacts="keep")
    assert progress(response.context["run"]).outcomes == {"changed": 2}
    roster.change_operator(operator.pk, is_active=True)
    assert messages(run(admin_client, MODEL, "activate", source)) == ["1 source activated."]
    waiting.refresh_from_db()
    assert waiting.operator == operator


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (SourceNotFound(), "There is no such source."),
        (IntegrityError(), "Somebody else changed this"),
        (OperationalError(), "The database did not answer in time."),
    ],
)
def test_what_the_service_cannot_do_is_told_on_the_page(
    admin_client: Client, monkeypatch: pytest.MonkeyPatch, error: Exception, told: str
) -> None:
    source = make_source()

    def refuse(*arguments: object, **changes: object) -> None:
        raise error

    fields = opened(admin_client, source)
    monkeypatch.setattr(roster, "change_source", refuse)
    response = save(admin_client, change_page(source), fields, name="Renamed")
    assert response.redirect_chain == [(change_page(source), 302)]
    assert messages(response)[0].startswith(told)
    assert messages(run(admin_client, MODEL, "deactivate", source))[0].startswith(told)


def test_a_database_that_is_away_ends_an_action_and_the_rest_is_not_tried(
    admin_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[int] = []

    def fail(source_id: int, **changes: object) -> None:
        tried.append(source_id)
        raise OperationalError

    monkeypatch.setattr(roster, "change_source", fail)
    sources = [make_source(), make_source()]
    run(admin_client, MODEL, "deactivate", *sources)
    assert tried == [sources[0].pk]


def test_the_list_takes_few_queries_however_long_it_is(
    admin_client: Client, django_assert_max_num_queries: Any
) -> None:
    baker.make(Source, _quantity=50)
    with django_assert_max_num_queries(6):
        admin_client.get(address(MODEL))


def test_the_page_takes_few_queries_however_many_weights_there_are(
    admin_client: Client, django_assert_max_num_queries: Any
) -> None:
    source = make_source({make_operator(): 1 for _number in range(50)})
    with django_assert_max_num_queries(12):
        admin_client.get(change_page(source))


class TestTheNextContact:
    def preview(self, client: Client, source: Source) -> str:
        return client.get(change_page(source)).content.decode().partition('id="preview-title"')[2]

    def test_lists_the_largest_shares_and_says_how_many_more_there_are(self, admin_client: Client) -> None:
        source = make_source({make_operator(name=f"Operator of {weight}"): weight for weight in range(1, 33)})

        preview = self.preview(admin_client, source)

        listed = re.findall(r"Operator of (\d+)<", preview)
        assert listed == [str(weight) for weight in range(32, 2, -1)]
        assert "and 2 more" in preview
        assert f'href="{address("operators_weight")}?source__id__exact={source.pk}"' in preview

    def test_leads_whoever_may_not_see_weights_nowhere(self) -> None:
        source = make_source({make_operator(): 1 for _number in range(31)})

        preview = self.preview(staff("view_source"), source)

        assert "and 1 more" in preview
        assert address("operators_weight") not in preview

    def test_of_few_operators_says_of_no_others(self, admin_client: Client) -> None:
        preview = self.preview(admin_client, make_source({make_operator(): 1 for _number in range(30)}))

        assert preview.count("preview-row") == 30
        assert "more" not in preview.partition("</section>")[0]


def test_the_second_hundred_of_weights_is_saved_from_its_own_page(admin_client: Client) -> None:
    source = make_source({make_operator(): 1 for _number in range(101)})
    url = f"{change_page(source)}?weights-page=2"
    save(admin_client, url, open_form(admin_client, url, "source_form"), **{"weights-0-weight": "9"})
    assert list(source.weights.values_list("weight", flat=True)) == [1] * 100 + [9]
