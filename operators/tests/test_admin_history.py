"""The history of settings on the pages of operators and sources, and the way back."""

from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client

from crm_project.access.acting import Actor, acting, because
from crm_project.admin import setting_history
from crm_project.testing.admin_pages import Page, address, messages, open_form, save
from crm_project.testing.rows import make_operator, make_source
from crm_project.testing.staff import staff
from distribution import roster
from distribution.models import SettingChange
from distribution.selectors import weights_of
from leads.models import Source
from operators.models import Operator

pytestmark = pytest.mark.django_db

MODELS = {Operator: "operators_operator", Source: "leads_source"}


def history(row: Any) -> str:
    return address(MODELS[type(row)], "history", row.pk)


def way_back(row: Any, change: SettingChange) -> str:
    return address(MODELS[type(row)], "go_back", row.pk, change.pk)


def newest() -> SettingChange:
    return SettingChange.objects.latest("pk")


def told(page: Page) -> list[tuple[str, str, str]]:
    return [(line["setting"], line["before"], line["after"]) for line in page.context["lines"]]


def go_back(client: Client, row: Any, change: SettingChange, **typed: Any) -> Page:
    url = way_back(row, change)
    return save(client, url, open_form(client, url, "go_back_form"), **typed)


class TestReading:
    def test_it_tells_the_newest_first_with_who_when_and_why(self, admin_client: Client) -> None:
        operator = make_operator(max_load=1, is_active=True)
        with acting(Actor("user:9", "boss")), because("Holidays"):
            roster.change_operator(operator.pk, max_load=5)
            roster.change_operator(operator.pk, is_active=False)
        page = admin_client.get(history(operator))
        assert told(page) == [("Active", "yes", "no"), ("Limit", "1", "5")]
        assert all(text in page.content.decode() for text in ("boss", "Holidays"))

    def test_a_source_tells_whose_weight_was_set(self, admin_client: Client) -> None:
        anna, source = make_operator(name="Anna"), make_source()
        roster.change_source(source.pk, strategy="least_loaded")
        roster.set_weights(source.pk, {anna.pk: 5})
        page = admin_client.get(history(source))
        assert told(page) == [
            ("Weight", "–", "5"),
            ("Strategy", "at random, by weight", "the least loaded first"),
        ]
        assert f'<a href="{address("operators_operator", "change", anna.pk)}" class="text-link">Anna</a>' in str(
            page.context["lines"][0]["other"]
        )

    def test_an_operator_tells_on_which_source_and_of_a_deleted_one_the_number(self, admin_client: Client) -> None:
        anna, gone, bot = make_operator(), make_source(), make_source(name="Bot")
        roster.set_weights(gone.pk, {anna.pk: 5})
        roster.set_weights(bot.pk, {anna.pk: 5})
        roster.delete_source(gone.pk)
        lines = admin_client.get(history(anna)).context["lines"]
        assert "Bot" in lines[0]["other"]
        assert lines[1]["other"] == f"Source #{gone.pk}"
        assert (bool(lines[0]["url"]), bool(lines[1]["url"])) == (True, False)

    def test_the_button_of_the_page_leads_there(self, admin_client: Client) -> None:
        for row in (make_operator(), make_source()):
            page = admin_client.get(address(MODELS[type(row)], "change", row.pk))
            assert history(row) in page.content.decode()

    def test_only_the_newest_change_of_a_setting_has_a_way_back(self, admin_client: Client) -> None:
        operator = make_operator(max_load=1)
        for limit in (2, 3):
            roster.change_operator(operator.pk, max_load=limit)
        lines = admin_client.get(history(operator)).context["lines"]
        assert [line["url"] for line in lines] == [way_back(operator, newest()), ""]

    def test_a_row_that_is_new_has_no_way_back(self, admin_client: Client) -> None:
        lines = admin_client.get(history(roster.create_operator(name="Anna"))).context["lines"]
        assert len(lines) == 4
        assert not any(line["url"] for line in lines)

    def test_it_is_paged_and_the_way_back_knows_what_is_on_other_pages(
        self, admin_client: Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(setting_history, "CHANGES_ON_A_PAGE", 1)
        operator = make_operator(max_load=1)
        for limit in (2, 3):
            roster.change_operator(operator.pk, max_load=limit)
        page = admin_client.get(history(operator), {"page": "2"})
        assert told(page) == [("Limit", "1", "2")]
        assert page.context["lines"][0]["url"] == ""
        assert "?page=1" in page.content.decode()

    @pytest.mark.parametrize("page", ["0", "x", "9999"])
    def test_any_page_number_is_answered(self, admin_client: Client, page: str) -> None:
        assert admin_client.get(history(make_operator()), {"page": page}).status_code == 200

    @pytest.mark.parametrize("changes", [10, 100])
    def test_it_takes_few_queries_however_long_it_is(
        self, admin_client: Client, django_assert_max_num_queries: Any, changes: int
    ) -> None:
        source = make_source()
        roster.set_weights(source.pk, {make_operator().pk: 1 for _number in range(changes)})
        with django_assert_max_num_queries(8):
            page = admin_client.get(history(source))
        assert len(page.context["lines"]) == min(changes, 50)

    @pytest.mark.parametrize("key", ["0", "abc", "9" * 30])
    def test_nobody_has_no_history(self, admin_client: Client, key: str) -> None:
        assert admin_client.get(address("operators_operator", "history", key)).status_code == 404


class TestGoingBack:
    def test_it_is_asked_and_then_done(self, admin_client: Client) -> None:
        operator = make_operator(max_load=1)
        roster.change_operator(operator.pk, max_load=5)
        change = newest()
        asked = admin_client.get(way_back(operator, change))
        assert asked.context["line"]["before"] == "1"
        assert newest() == change

        response = go_back(admin_client, operator, change, reason="A mistake")

        operator.refresh_from_db()
        assert operator.max_load == 1
        assert messages(response) == ["The setting is as it was before."]
        assert response.redirect_chain == [(history(operator), 302)]
        assert LogEntry.objects.get().get_change_message() == "Changed Limit."
        assert newest().actor_name == "admin"
        assert newest().reason == f"Back to what it was before change No. {change.pk}: A mistake"

    def test_a_weight_is_set_back_from_either_side(self, admin_client: Client) -> None:
        operator = make_operator()
        source = make_source({operator: 1})
        for row in (operator, source):
            roster.set_weights(source.pk, {operator.pk: 5})
            go_back(admin_client, row, newest())
            assert weights_of(source.pk) == {operator.pk: 1}

    def test_what_has_changed_since_is_told_and_stays(self, admin_client: Client) -> None:
        operator = make_operator(max_load=1)
        roster.change_operator(operator.pk, max_load=5)
        change = newest()
        roster.change_operator(operator.pk, max_load=7)
        response = go_back(admin_client, operator, change)
        assert messages(response) == ["This setting has been changed again since. Look at the newest change."]
        operator.refresh_from_db()
        assert operator.max_load == 7

    def test_a_reason_that_is_too_long_is_told(self, admin_client: Client) -> None:
        operator = make_operator(max_load=1)
        roster.change_operator(operator.pk, max_load=5)
        assert go_back(admin_client, operator, newest(), reason="x" * 501).context["form"].errors

    def test_a_change_of_another_row_is_not_found(self, admin_client: Client) -> None:
        operator, other = make_operator(max_load=1), make_operator()
        roster.change_operator(operator.pk, max_load=5)
        assert admin_client.post(way_back(other, newest())).status_code == 404

    def test_a_number_that_no_change_has_is_not_found(self, admin_client: Client) -> None:
        url = f"{history(make_operator())}{'9' * 30}/"
        assert admin_client.get(url).status_code == 404


class TestPermissions:
    def test_whoever_may_view_reads_and_cannot_go_back(self) -> None:
        operator = make_operator(max_load=1)
        roster.change_operator(operator.pk, max_load=5)
        client = staff("view_operator")
        [line] = client.get(history(operator)).context["lines"]
        assert line["url"] == ""
        assert client.get(way_back(operator, newest())).status_code == 403
        assert client.post(way_back(operator, newest())).status_code == 403

    def test_whoever_may_not_view_does_not_read(self) -> None:
        assert staff("view_source").get(history(make_operator())).status_code == 403

    def test_a_weight_asks_for_the_permission_on_weights(self) -> None:
        operator = make_operator(max_load=1)
        source = make_source({operator: 1})
        roster.set_weights(source.pk, {operator.pk: 5})
        change = newest()
        client = staff("view_operator", "change_operator")
        assert client.post(way_back(operator, change)).status_code == 403
        assert weights_of(source.pk) == {operator.pk: 5}
