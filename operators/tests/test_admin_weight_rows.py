"""The table of weights on the page of a source and of an operator: shares, and rows for whoever has no weight yet."""

import re
from typing import Any

import pytest
from django.test import Client
from model_bakery import baker

from crm_project.admin import weight_rows
from crm_project.testing.admin_pages import Fields, Page, address, messages, open_form, save
from crm_project.testing.rows import arrive, make_operator, make_source
from crm_project.testing.staff import staff
from distribution import roster
from distribution.selectors import weights_of
from leads.models import Source
from operators.models import Operator

pytestmark = pytest.mark.django_db


def page_of(row: Any) -> str:
    return address("leads_source" if isinstance(row, Source) else "operators_operator", "change", row.pk)


def opened(client: Client, row: Any) -> Fields:
    return open_form(client, page_of(row), "source_form" if isinstance(row, Source) else "operator_form")


def shares(page: Page) -> list[str]:
    return re.findall(r'<output for="id_weights-\d+-weight">(.*?)</output>', page.content.decode())


def inputs(page: Page) -> list[dict[str, str]]:
    """Return the data- attributes of each weight."""
    found = re.findall(r'<input[^>]* name="weights-\d+-weight"[^>]*>', page.content.decode())
    return [dict(re.findall(r'data-(\w+)="(.*?)"', text)) for text in found]


def names(page: Page, chosen: str) -> list[str]:
    return re.findall(rf'name="initial-weights-\d+-{chosen}"[^>]*><a [^>]*>(.*?)</a>', page.content.decode())


class TestShares:
    def test_each_row_has_its_share_and_whoever_is_not_available_none_with_the_reason(
        self, admin_client: Client
    ) -> None:
        operators = [make_operator(), make_operator(), make_operator(is_active=False), make_operator(max_load=0)]
        source = make_source(dict(zip(operators, (10, 30, 50, 0), strict=True)))
        page = admin_client.get(page_of(source))
        assert shares(page) == ["25%", "75%", "0%", "0%"]
        assert all(reason in page.content.decode() for reason in ("inactive", "at the limit"))

    def test_the_script_is_told_what_it_needs(self, admin_client: Client) -> None:
        source = make_source({make_operator(): 10, make_operator(is_active=False): 50})
        number = str(source.pk)
        page = admin_client.get(page_of(source))
        assert inputs(page)[:2] == [
            {"source": number, "others": "0"},
            {"source": number, "others": "0", "obstacle": ""},
        ]
        assert "crm_project/weights.js" in page.content.decode()

    def test_the_share_counts_those_on_other_pages_of_the_table(
        self, admin_client: Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("crm_project.admin.weights.WeightInline.per_page", 1)
        source = make_source({make_operator(): 10, make_operator(): 30})
        page = admin_client.get(f"{page_of(source)}?weights-page=2")
        assert shares(page)[0] == "75%"
        assert inputs(page)[0]["others"] == "10"

    def test_on_the_page_of_an_operator_each_source_has_its_own_total(self, admin_client: Client) -> None:
        anna, boris = make_operator(), make_operator()
        bot, site = make_source({anna: 10, boris: 30}), make_source({anna: 10})
        make_source({boris: 7}, name="not yet")
        page = admin_client.get(page_of(anna))
        assert shares(page) == ["25%", "100%", ""]
        assert [row["others"] for row in inputs(page)[:3]] == ["30", "0", "7"]
        assert [row["source"] for row in inputs(page)[:2]] == [str(bot.pk), str(site.pk)]

    def test_on_the_page_of_an_operator_who_is_not_available_the_reason_stands_beside(
        self, admin_client: Client
    ) -> None:
        make_source({(anna := make_operator(is_active=False)): 10})
        page = admin_client.get(page_of(anna))
        assert shares(page) == ["0% · inactive"]
        assert inputs(page)[0]["obstacle"] == "inactive"

    def test_a_source_that_does_not_go_by_weight_has_no_shares(self, admin_client: Client) -> None:
        source = make_source({make_operator(): 10}, strategy="least_loaded")
        page = admin_client.get(page_of(source))
        assert shares(page) == [""]
        assert "others" not in inputs(page)[0]

    def test_a_new_source_shows_shares_while_one_types(self, admin_client: Client) -> None:
        make_operator()
        page = admin_client.get(address("leads_source", "add"))
        assert inputs(page)[0] == {"source": "new", "others": "0"}


class TestRowsOffered:
    def test_operators_without_a_weight_have_a_row_the_active_first_by_name(self, admin_client: Client) -> None:
        source = make_source({make_operator(name="Zoe"): 1})
        make_operator(name="Anna", is_active=False)
        make_operator(name="Boris")
        make_operator(name="Clara")
        assert names(admin_client.get(page_of(source)), "operator") == ["Boris", "Clara", "Anna"]

    def test_sources_without_a_weight_have_a_row_on_the_page_of_an_operator(self, admin_client: Client) -> None:
        make_source({(anna := make_operator()): 1}, name="Bot")
        make_source(name="Site")
        assert names(admin_client.get(page_of(anna)), "source") == ["Site"]

    def test_a_weight_typed_there_is_added_and_the_empty_rows_are_not(self, admin_client: Client) -> None:
        anna, boris = make_operator(name="Anna"), make_operator(name="Boris")
        source = make_source({anna: 1})
        make_operator(name="Clara")
        waiting = arrive(make_source({boris: 0}))
        save(admin_client, page_of(source), opened(admin_client, source), **{"weights-1-weight": "7"})
        assert weights_of(source.pk) == {anna.pk: 1, boris.pk: 7}
        assert waiting.is_waiting

    def test_a_source_is_added_on_the_page_of_an_operator(self, admin_client: Client) -> None:
        anna, source = make_operator(), make_source()
        save(admin_client, page_of(anna), opened(admin_client, anna), **{"weights-0-weight": "7"})
        assert weights_of(source.pk) == {anna.pk: 7}

    def test_a_new_source_is_stored_with_what_was_typed_into_them(self, admin_client: Client) -> None:
        anna = make_operator()
        fields = open_form(admin_client, address("leads_source", "add"), "source_form")
        save(admin_client, address("leads_source", "add"), fields, name="Bot", code="bot", **{"weights-0-weight": "3"})
        assert weights_of(Source.objects.get().pk) == {anna.pk: 3}

    def test_a_save_with_nothing_typed_adds_nobody(self, admin_client: Client) -> None:
        source = make_source()
        make_operator()
        save(admin_client, page_of(source), opened(admin_client, source), name="Renamed")
        assert weights_of(source.pk) == {}

    def test_rows_that_moved_meanwhile_still_mean_those_they_showed(self, admin_client: Client) -> None:
        boris, clara = make_operator(name="Boris"), make_operator(name="Clara")
        source = make_source()
        fields = opened(admin_client, source)
        anna = make_operator(name="Anna")
        roster.change_operator(boris.pk, name="Zoe")
        save(admin_client, page_of(source), fields, **{"weights-1-weight": "7"})
        assert weights_of(source.pk) == {clara.pk: 7}
        assert anna.pk not in weights_of(source.pk)

    def test_a_weight_that_somebody_else_added_meanwhile_is_told_and_stays(self, admin_client: Client) -> None:
        anna, source = make_operator(), make_source()
        fields = opened(admin_client, source)
        roster.set_weights(source.pk, {anna.pk: 50})
        response = save(admin_client, page_of(source), fields, **{"weights-0-weight": "7"})
        assert response.context["errors"]
        assert weights_of(source.pk) == {anna.pk: 50}

    def test_what_is_no_weight_is_told_at_its_row_which_still_names_the_operator(self, admin_client: Client) -> None:
        make_operator(name="Anna")
        source = make_source()
        response = save(admin_client, page_of(source), opened(admin_client, source), **{"weights-0-weight": "much"})
        assert response.context["errors"]
        assert names(response, "operator") == ["Anna"]
        assert weights_of(source.pk) == {}

    @pytest.mark.parametrize("number", ["", "abc", "9" * 30, "٣"])
    def test_a_row_of_nobody_is_no_500(self, admin_client: Client, number: str) -> None:
        source = make_source()
        fields = {**opened(admin_client, source), "weights-TOTAL_FORMS": "1", "weights-0-weight": "5"}
        sent = {"weights-0-operator": number, "initial-weights-0-operator": number}
        assert save(admin_client, page_of(source), fields, **sent).status_code == 200
        assert weights_of(source.pk) == {}

    def test_more_than_fit_are_counted_and_found_in_the_matrix(
        self, admin_client: Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(weight_rows, "MOST_ROWS_OFFERED", 1)
        source = make_source({make_operator(): 1}, code="bot 1")
        for _number in range(3):
            make_operator()
        page = admin_client.get(page_of(source))
        matrix = f"{address('operators_weight', 'matrix')}?source=bot+1"
        assert f'href="{matrix}"' in page.content.decode()
        assert "2 more without a weight" in page.content.decode()

    def test_whoever_may_not_add_weights_is_offered_none(self) -> None:
        source = make_source({make_operator(): 1})
        make_operator()
        client = staff("change_source", "view_source", "change_weight", "view_weight")
        assert "weights-1-weight" not in opened(client, source)
        save(client, page_of(source), opened(client, source), **{"weights-0-weight": "7"})
        assert list(weights_of(source.pk).values()) == [7]

    @pytest.mark.parametrize("operators", [10, 150])
    def test_the_pages_take_few_queries_however_many_there_are(
        self, admin_client: Client, django_assert_max_num_queries: Any, operators: int
    ) -> None:
        baker.make(Operator, _quantity=operators, name="Somebody")
        source = make_source({make_operator(): 1 for _number in range(10)})
        anna = source.weights.get(operator=Operator.objects.latest("pk")).operator
        baker.make(Source, _quantity=operators, name="Bot", code=baker.seq("bot"))
        for row, most in ((source, 14), (anna, 12)):
            with django_assert_max_num_queries(most):
                assert len(inputs(admin_client.get(page_of(row)))) <= 100

    @pytest.mark.parametrize("operators", [10, 150])
    def test_a_save_takes_few_queries_however_many_rows_are_offered(
        self, admin_client: Client, django_assert_max_num_queries: Any, operators: int
    ) -> None:
        baker.make(Operator, _quantity=operators, name="Somebody")
        source = make_source()
        fields = opened(admin_client, source)
        with django_assert_max_num_queries(35):
            response = save(admin_client, page_of(source), fields, **{"weights-0-weight": "7"})
        assert "was changed" in messages(response)[0]
