"""The board in the back office: a column for each operator, with what they have in work."""

import re
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from crm_project.testing.admin_pages import Page, address
from crm_project.testing.rows import arrive, make_active_contacts, make_operator, make_source
from leads.tests.test_admin_queue import links, staff
from operators.models import Operator

pytestmark = pytest.mark.django_db


def opened(client: Client, **parameters: Any) -> Page:
    return client.get(reverse("board"), parameters)


def names(response: Page) -> list[str]:
    return [column["operator"].name for column in response.context["columns"]]


class TestTheColumns:
    def test_show_load_and_limit_and_what_each_has_in_work(self, admin_client: Client) -> None:
        operator = make_operator(name="Anna", max_load=3)
        arrive(make_source({operator: 1}, name="Telegram"), "user_1", name="Мария", text="Где заказ?")
        make_operator(name="Boris")

        response = opened(admin_client)

        page = response.content.decode()
        assert names(response) == ["Anna", "Boris"]
        for text in ("1 / 3", "0 / 10", "Мария", "user_1", "Telegram", "Где заказ?", "in work for", "Nothing in work."):
            assert text in page

    def test_say_who_can_take_nothing_more(self, admin_client: Client) -> None:
        make_operator(name="Anna", max_load=0)
        resting = make_operator(name="Boris")
        arrive(make_source({resting: 1}))
        Operator.objects.filter(pk=resting.pk).update(is_active=False)
        make_operator(name="Carla")

        response = opened(admin_client)

        assert [str(column["why_not"]) for column in response.context["columns"]] == ["at the limit", "inactive", ""]

    def test_lead_to_the_rest_of_a_long_one(self, admin_client: Client) -> None:
        operator = make_operator(max_load=20)
        make_active_contacts(15, make_source(), operator)

        response = opened(admin_client)

        rest = f"{address('leads_contact')}?operator__id__exact={operator.pk}&amp;status__exact=active"
        assert f'<a href="{rest}" class="text-link">and 9 more</a>' in response.content.decode()
        assert admin_client.get(rest.replace("&amp;", "&")).context["cl"].result_count == 15

    def test_come_twelve_on_a_page(self, admin_client: Client) -> None:
        for number in range(14):
            make_operator(name=f"Operator {number:02}")

        assert names(opened(admin_client, page=2)) == ["Operator 12", "Operator 13"]
        assert "?page=2" in links(opened(admin_client))

    def test_are_found_by_name(self, admin_client: Client) -> None:
        make_operator(name="Анна")
        make_operator(name="Борис")

        response = opened(admin_client, operator="анн")

        assert names(response) == ["Анна"]
        assert "/admin/board/columns/?operator=%D0%B0%D0%BD%D0%BD&amp;page=1" in response.content.decode()

    def test_of_nobody_say_so(self, admin_client: Client) -> None:
        assert "There are no operators at work." in opened(admin_client).content.decode()
        assert "Nobody by this name" in opened(admin_client, operator="x").content.decode()

    @pytest.mark.parametrize(
        "parameters", [{"operator": "\0"}, {"operator": "x" * 300}, {"page": "x"}, {"page": "9" * 30}]
    )
    def test_are_shown_whatever_the_address_asks(self, admin_client: Client, parameters: dict[str, str]) -> None:
        make_operator(name="Anna")

        assert names(opened(admin_client, **parameters)) == ["Anna"]

    def test_lead_to_the_chat_and_to_moving_and_back(self, admin_client: Client) -> None:
        contact = arrive(make_source({make_operator(): 1}, link_template="https://t.me/{external_id}"), "@anna")

        found = links(opened(admin_client))

        assert "https://t.me/%40anna" in found
        back = f"%2Fadmin%2Fboard%2F%3Fpage%3D1%23board-operator-{contact.operator_id}"
        assert f"/admin/contacts/{contact.pk}/move/?next={back}" in found


class TestTheLiveRefresh:
    def test_answers_what_the_page_holds(self, admin_client: Client) -> None:
        arrive(make_source({make_operator(): 1}))

        part = admin_client.get(reverse("board_columns")).content.decode().strip()

        assert part.startswith('<div id="board-told"')
        assert part in opened(admin_client).content.decode()
        assert "<script" not in part
        assert not re.search(r"\son\w+=", part)


class TestWhoMay:
    @pytest.mark.parametrize("name", ["board", "board_columns"])
    def test_see_it_is_whoever_may_see_contacts(self, name: str) -> None:
        operator = make_operator()
        arrive(make_source({operator: 1}))

        response = staff("view_contact").get(reverse(name))

        assert response.status_code == 200
        assert not [link for link in links(response) if "/move/" in link or "/operators/" in link]

    @pytest.mark.parametrize("name", ["board", "board_columns"])
    def test_not_see_it_is_told_so(self, name: str) -> None:
        assert staff("change_operator").get(reverse(name)).status_code == 403


@pytest.mark.parametrize("count", [10, 1_000])
def test_takes_as_many_queries_however_much_is_in_work(
    admin_client: Client, count: int, django_assert_num_queries: Any
) -> None:
    source = make_source()
    for _number in range(10):
        make_active_contacts(count // 10, source, make_operator(max_load=count))

    with django_assert_num_queries(5):  # the session, its user, the number of operators, the operators, their contacts
        opened(admin_client)
