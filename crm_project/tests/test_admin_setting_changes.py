"""Every change of a setting in one list, with the way back."""

import re
from typing import Any

import pytest
from django.test import Client

from crm_project.access.acting import Actor, acting, because
from crm_project.testing.admin_pages import Page, address, open_form, save, shown
from crm_project.testing.rows import make_operator, make_source
from crm_project.testing.staff import staff
from distribution import roster
from distribution.models import SettingChange
from distribution.selectors import weights_of
from leads.models import Source
from operators.models import Operator

pytestmark = pytest.mark.django_db

MODEL = "distribution_settingchange"


@pytest.fixture
def anna() -> Operator:
    return make_operator(name="Anna")


@pytest.fixture
def bot(anna: Operator) -> Source:
    return make_source({anna: 1}, name="Bot")


def opened(client: Client, **parameters: Any) -> Page:
    return client.get(address(MODEL), parameters)


def words(page: Page) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", page.content.decode()).split())


def ways_back(page: Page) -> list[str]:
    return re.findall(r'href="([^"]+/history/\d+/)"', page.content.decode())


class TestReading:
    def test_it_tells_who_set_what_where_when_and_why(self, admin_client: Client, anna: Operator, bot: Source) -> None:
        with acting(Actor("user:9", "boss")), because("Holidays"):
            roster.set_weights(bot.pk, {anna.pk: 50})

        page = opened(admin_client)

        assert "boss Bot · Anna Weight: 1 → 50 Holidays" in words(page)
        assert address("operators_operator", "change", anna.pk) in page.content.decode()
        assert address("leads_source", "change", bot.pk) in page.content.decode()

    def test_it_tells_settings_of_operators_and_of_sources(
        self, admin_client: Client, anna: Operator, bot: Source
    ) -> None:
        roster.change_operator(anna.pk, max_load=5)
        roster.change_source(bot.pk, strategy="least_loaded")

        page = words(opened(admin_client))

        assert "Anna Limit: 10 → 5" in page
        assert "Bot Strategy: at random, by weight → the least loaded first" in page

    def test_what_was_deleted_is_told_by_its_number_and_leads_nowhere(
        self, admin_client: Client, anna: Operator, bot: Source
    ) -> None:
        roster.set_weights(bot.pk, {anna.pk: 5})
        roster.delete_operator(anna.pk)

        page = opened(admin_client)

        assert f"Operator #{anna.pk}" in words(page)
        assert address("operators_operator", "change", anna.pk) not in page.content.decode()

    @pytest.mark.parametrize("typed", ["boss", "holi"])
    def test_it_is_searched_by_who_and_why(self, admin_client: Client, anna: Operator, bot: Source, typed: str) -> None:
        with acting(Actor("user:9", "boss")), because("Holidays"):
            roster.set_weights(bot.pk, {anna.pk: 50})

        assert [row.after for row in shown(opened(admin_client, q=typed))] == [50]

    def test_it_narrows_to_a_setting(self, admin_client: Client, anna: Operator) -> None:
        roster.change_operator(anna.pk, max_load=5, is_active=False)

        assert [row.after for row in shown(opened(admin_client, setting="max_load"))] == [5]

    @pytest.mark.parametrize("count", [1, 40])
    def test_it_takes_as_many_queries_however_many_there_are(
        self, admin_client: Client, count: int, django_assert_max_num_queries: Any
    ) -> None:
        roster.set_weights(make_source().pk, {make_operator().pk: 1 for _ in range(count)})

        with django_assert_max_num_queries(7):
            assert len(shown(opened(admin_client))) == count


class TestTheWayBack:
    def test_it_puts_a_weight_back(self, admin_client: Client, anna: Operator, bot: Source) -> None:
        roster.set_weights(bot.pk, {anna.pk: 50})

        way = ways_back(opened(admin_client, setting="weight"))[0]
        save(admin_client, way, open_form(admin_client, way, "go_back_form"))

        assert weights_of(bot.pk) == {anna.pk: 1}

    def test_it_is_offered_for_the_newest_change_alone(self, admin_client: Client, anna: Operator, bot: Source) -> None:
        roster.set_weights(bot.pk, {anna.pk: 50})
        roster.set_weights(bot.pk, {anna.pk: 60})

        newest = SettingChange.objects.latest("pk")
        assert ways_back(opened(admin_client, setting="weight")) == [
            address("operators_operator", "go_back", anna.pk, newest.pk)
        ]

    def test_it_is_not_offered_where_a_side_is_gone(self, admin_client: Client, anna: Operator, bot: Source) -> None:
        roster.set_weights(bot.pk, {anna.pk: 50})
        roster.delete_source(bot.pk)

        assert ways_back(opened(admin_client, setting="weight")) == []

    def test_it_is_not_offered_to_whoever_may_only_look(self, anna: Operator, bot: Source) -> None:
        roster.set_weights(bot.pk, {anna.pk: 50})
        auditor = staff("view_operator", "view_source", "view_weight")

        assert ways_back(opened(auditor)) == []


class TestWhoMay:
    def test_see_operators_and_sources_sees_their_history(self, bot: Source) -> None:
        assert opened(staff("view_operator", "view_source")).status_code == 200

    @pytest.mark.parametrize("permission", ["view_operator", "view_source", "view_decision"])
    def test_see_less_sees_none_of_it(self, bot: Source, permission: str) -> None:
        assert opened(staff(permission)).status_code == 403

    def test_nobody_writes_it(self, admin_client: Client, bot: Source) -> None:
        roster.change_source(bot.pk, name="Telegram")
        change = SettingChange.objects.latest("pk")
        page = address(MODEL, "change", change.pk)
        assert admin_client.post(page, {"reason": "x"}).status_code == 403
        assert admin_client.post(address(MODEL, "delete", change.pk), {"post": "yes"}).status_code == 403
        assert admin_client.get(address(MODEL, "add")).status_code == 403


def test_the_history_of_a_weight_is_that_of_its_pair(admin_client: Client, anna: Operator, bot: Source) -> None:
    roster.set_weights(bot.pk, {make_operator().pk: 7, anna.pk: 2})
    weight = anna.weights.get()

    page = admin_client.get(address("operators_weight", "history", weight.pk), follow=True)

    assert [(row.before, row.after) for row in shown(page)] == [(1, 2)]
