"""The matrix of weights: operators down, sources across, saved together."""

import re
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.db import OperationalError
from django.test import Client
from model_bakery import baker

from crm_project.access.acting import Actor, acting, because
from crm_project.admin import matrix
from crm_project.admin.sheet import name_of
from crm_project.testing.admin_pages import Fields, Page, address, messages, open_form, save
from crm_project.testing.concurrency import run_concurrently
from crm_project.testing.rows import arrive, make_operator, make_source
from crm_project.testing.staff import staff
from distribution import roster
from distribution.models import SettingChange
from distribution.selectors import Cell, weights_of
from leads.models import Source
from operators.models import Operator, Weight

pytestmark = pytest.mark.django_db

MATRIX = address("operators_weight", "matrix")


def opened(client: Client, url: str = MATRIX) -> Fields:
    return open_form(client, url, "matrix_form")


def field(source: Source, operator: Operator, what: str = "weight") -> str:
    return name_of(what, Cell(source.pk, operator.pk))


def rows_of(page: Page) -> list[tuple[str, list[tuple[Any, str]]]]:
    return [
        (row["operator"].name, [(cell["text"], cell["share"]) for cell in row["cells"]]) for row in page.context["rows"]
    ]


class TestShowing:
    def test_it_shows_each_weight_with_its_share_by_source(self, admin_client: Client) -> None:
        anna, boris = make_operator(name="Anna"), make_operator(name="Boris")
        make_source({anna: 10, boris: 30}, name="Bot")
        make_source({boris: 5}, name="Site")
        page = admin_client.get(MATRIX)
        assert [column["source"].name for column in page.context["columns"]] == ["Bot", "Site"]
        assert rows_of(page) == [("Anna", [(10, "25%"), ("", "")]), ("Boris", [(30, "75%"), (5, "100%")])]
        assert [column["total"] for column in page.context["columns"]] == [40, 5]

    def test_whoever_is_not_available_has_no_share_and_the_reason(self, admin_client: Client) -> None:
        free, full = make_operator(name="A"), make_operator(name="B", max_load=0)
        away = make_operator(name="C", is_active=False)
        make_source({free: 1, full: 1, away: 1})
        page = admin_client.get(MATRIX)
        assert [cells for _name, cells in rows_of(page)] == [[(1, "100%")], [(1, "0%")], [(1, "0%")]]
        assert [row["why"] for row in page.context["rows"]] == ["", "at the limit", "inactive"]

    def test_a_source_that_does_not_go_by_weight_shows_no_shares(self, admin_client: Client) -> None:
        make_source({make_operator(): 1}, strategy="least_loaded")
        page = admin_client.get(MATRIX)
        assert rows_of(page)[0][1] == [(1, "")]
        assert "data-others" not in page.content.decode()

    def test_the_share_counts_those_on_other_pages_too(
        self, admin_client: Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(matrix, "OPERATORS_ON_A_PAGE", 1)
        source = make_source({make_operator(name="Anna"): 10, make_operator(name="Boris"): 30})
        page = admin_client.get(MATRIX, {"operator_page": 2})
        assert rows_of(page) == [("Boris", [(30, "75%")])]
        assert f'data-source="{source.pk}" data-others="10"' in page.content.decode()
        assert "?operator_page=1" in page.content.decode()

    @pytest.mark.parametrize(
        ("narrowed", "names", "sources"),
        [
            ({"operator": "АНН"}, ["Анна"], ["Сайт", "Телеграм"]),
            ({"operator": "amo_2"}, ["Борис"], ["Сайт", "Телеграм"]),
            ({"source": "bot"}, ["Анна", "Борис"], ["Телеграм"]),
            ({"source": "сайт", "operator": "бор"}, ["Борис"], ["Сайт"]),
            ({"source": "nothing\0"}, ["Анна", "Борис"], []),
            ({"operator_page": "x", "source_page": "99"}, ["Анна", "Борис"], ["Сайт", "Телеграм"]),
        ],
    )
    def test_it_narrows_to_names_and_codes(
        self, admin_client: Client, narrowed: dict[str, str], names: list[str], sources: list[str]
    ) -> None:
        make_operator(name="Анна", external_id="AMO_1")
        make_operator(name="Борис", external_id="AMO_2")
        make_source(name="Телеграм", code="bot")
        make_source(name="Сайт", code="site")
        page = admin_client.get(MATRIX, narrowed)
        assert [row["operator"].name for row in page.context["rows"]] == names
        assert [column["source"].name for column in page.context["columns"]] == sources

    def test_it_is_in_the_sidebar(self, admin_client: Client) -> None:
        assert f'href="{MATRIX}"' in admin_client.get(address("operators_weight")).content.decode()

    @pytest.mark.parametrize("url", [MATRIX, address("operators_weight"), address("operators_weight", "add")])
    def test_the_sidebar_marks_the_page_that_is_open_and_no_other(self, admin_client: Client, url: str) -> None:
        groups = admin_client.get(url).context["sidebar_navigation"]
        [active] = [item["link"] for group in groups for item in group["items"] if item["active"]]
        assert active == (MATRIX if url == MATRIX else address("operators_weight"))

    @pytest.mark.parametrize("language", ["en", "ru"])
    def test_numbers_in_fields_are_plain_in_every_language(self, admin_client: Client, language: str) -> None:
        make_source({make_operator(): 1_000_000})
        page = admin_client.get(MATRIX, headers={"accept-language": language})
        assert 'value="1000000"' in page.content.decode()

    @pytest.mark.parametrize("rows", [2, 60])
    def test_it_takes_few_queries_however_many_there_are(
        self, admin_client: Client, django_assert_max_num_queries: Any, rows: int
    ) -> None:
        operators = baker.make(Operator, _quantity=rows, name="Somebody")
        for _number in range(rows // 2):
            make_source(dict.fromkeys(operators[:5], 1))
        with django_assert_max_num_queries(10):
            page = admin_client.get(MATRIX)
        assert len(page.context["rows"]) <= 50
        assert len(page.context["columns"]) <= 20


class TestSaving:
    def test_cells_are_set_filled_and_emptied_in_one_save(self, admin_client: Client) -> None:
        anna, boris = make_operator(), make_operator()
        bot, site = make_source({anna: 1, boris: 2}), make_source()
        typed = {field(bot, anna): "10", field(bot, boris): "", field(site, boris): "7"}
        response = save(admin_client, MATRIX, opened(admin_client), **typed, reason="New month")
        assert messages(response) == ["3 weights saved."]
        assert (weights_of(bot.pk), weights_of(site.pk)) == ({anna.pk: 10}, {boris.pk: 7})
        assert set(SettingChange.objects.values_list("actor_name", "reason")) == {("admin", "New month")}

    def test_a_full_page_is_saved_whole(self, admin_client: Client) -> None:
        baker.make(Operator, _quantity=50, name="Somebody")
        baker.make(Source, _quantity=20, name="Bot", code=baker.seq("bot"))
        fields = opened(admin_client)
        typed = {name: "7" for name in fields if name.startswith("weight-")}
        assert messages(save(admin_client, MATRIX, fields, **typed)) == ["1000 weights saved."]
        assert Weight.objects.filter(weight=7).count() == 1000

    def test_waiting_contacts_are_given(self, admin_client: Client) -> None:
        anna, source = make_operator(), make_source()
        waiting = arrive(source)
        save(admin_client, MATRIX, opened(admin_client), **{field(source, anna): "1"})
        waiting.refresh_from_db()
        assert waiting.operator == anna

    def test_it_leads_back_to_the_same_page_of_the_matrix(self, admin_client: Client) -> None:
        source = make_source({(anna := make_operator(name="Anna")): 1})
        url = f"{MATRIX}?operator=ann"
        response = save(admin_client, url, opened(admin_client, url), **{field(source, anna): "2"})
        assert response.redirect_chain == [(url, 302)]

    def test_it_is_written_into_the_log_of_the_sources(self, admin_client: Client) -> None:
        source = make_source({(anna := make_operator()): 1})
        save(admin_client, MATRIX, opened(admin_client), **{field(source, anna): "2"})
        entry = LogEntry.objects.get()
        assert (entry.object_id, entry.get_change_message()) == (str(source.pk), "Changed weights.")

    def test_a_save_without_a_change_writes_nothing(self, admin_client: Client) -> None:
        make_source({make_operator(): 1})
        assert messages(save(admin_client, MATRIX, opened(admin_client))) == ["Nothing was changed."]
        assert not SettingChange.objects.exists()

    @pytest.mark.parametrize("typed", ["-1", "1000001", "9" * 400, "0.5", "much", "1\0"])
    def test_what_is_no_weight_is_told_and_nothing_is_saved(self, admin_client: Client, typed: str) -> None:
        anna, boris = make_operator(name="Anna"), make_operator()
        source = make_source({anna: 1, boris: 1}, name="Bot")
        response = save(
            admin_client, MATRIX, opened(admin_client), **{field(source, anna): typed, field(source, boris): "5"}
        )
        [error] = response.context["errors"]
        assert (error["operator"], error["source"]) == (anna, source)
        assert opened_again(response)[field(source, boris)] == "5"
        assert weights_of(source.pk) == {anna.pk: 1, boris.pk: 1}

    def test_a_reason_that_is_too_long_is_told_and_nothing_is_saved(self, admin_client: Client) -> None:
        source = make_source({(anna := make_operator()): 1})
        response = save(admin_client, MATRIX, opened(admin_client), **{field(source, anna): "2"}, reason="x" * 501)
        assert response.context["why"].errors
        assert opened_again(response)[field(source, anna)] == "2"
        assert weights_of(source.pk) == {anna.pk: 1}

    @pytest.mark.parametrize("sheet", ["", "x", "WzFd:1abc:def"])
    def test_a_sheet_that_is_not_ours_changes_nothing(self, admin_client: Client, sheet: str) -> None:
        source = make_source({(anna := make_operator()): 1})
        response = save(admin_client, MATRIX, {"sheet": sheet, field(source, anna): "2"})
        assert "Look at them again" in messages(response)[0]
        assert weights_of(source.pk) == {anna.pk: 1}

    def test_cells_of_other_pages_are_not_touched(self, admin_client: Client) -> None:
        anna, boris = make_operator(name="Anna"), make_operator(name="Boris")
        source = make_source({anna: 1, boris: 1})
        url = f"{MATRIX}?operator=anna"
        save(admin_client, url, opened(admin_client, url), **{field(source, boris): "9", field(source, anna): "2"})
        assert weights_of(source.pk) == {anna.pk: 2, boris.pk: 1}

    def test_an_operator_who_was_deleted_meanwhile_is_told(self, admin_client: Client) -> None:
        source, anna = make_source(), make_operator()
        fields = opened(admin_client)
        roster.delete_operator(anna.pk)
        response = save(admin_client, MATRIX, fields, **{field(source, anna): "2"})
        assert "There is no operator with this id" in messages(response)[0]

    def test_what_was_typed_is_still_there_after_a_refusal(
        self, admin_client: Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        source = make_source({(anna := make_operator()): 1})
        fields = opened(admin_client)
        monkeypatch.setattr(roster, "change_weights", refuse)
        response = save(admin_client, MATRIX, fields, reason="Holidays", **{field(source, anna): "2"})
        assert opened_again(response)[field(source, anna)] == "2"
        assert 'value="Holidays"' in response.content.decode()

    def test_a_database_that_is_away_is_told(self, admin_client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
        source = make_source({(anna := make_operator()): 1})
        fields = opened(admin_client)
        monkeypatch.setattr(roster, "change_weights", refuse)
        response = save(admin_client, MATRIX, fields, **{field(source, anna): "2"})
        assert "The database did not answer in time" in messages(response)[0]


def refuse(*arguments: object) -> None:
    raise OperationalError


def opened_again(page: Page) -> dict[str, str]:
    return {cell["name"]: str(cell["text"]) for row in page.context["rows"] for cell in row["cells"]}


def fields_of(page: Page, source: Source, anna: Operator) -> Fields:
    return {"sheet": page.context["sheet"], field(source, anna): opened_again(page)[field(source, anna)]}


class TestConflicts:
    @pytest.fixture
    def anna(self) -> Operator:
        return make_operator(name="Anna")

    @pytest.fixture
    def bot(self, anna: Operator) -> Source:
        return make_source({anna: 1}, name="Bot")

    @pytest.fixture
    def conflict(self, admin_client: Client, anna: Operator, bot: Source) -> Page:
        fields = opened(admin_client)
        with acting(Actor("user:9", "boss")), because("Holidays"):
            roster.set_weights(bot.pk, {anna.pk: 50})
        return save(admin_client, MATRIX, fields, **{field(bot, anna): "10"})

    def test_a_cell_that_somebody_else_changed_is_shown_with_who_and_why(
        self, conflict: Page, anna: Operator, bot: Source
    ) -> None:
        [told] = conflict.context["conflicts"]
        assert (told["operator"], told["source"]) == (anna, bot)
        assert (told["before"], told["theirs"], told["mine"]) == (1, 50, "10")
        assert (told["change"].actor_name, told["change"].reason) == ("boss", "Holidays")
        assert "boss" in conflict.content.decode()
        assert weights_of(bot.pk) == {anna.pk: 50}

    def test_theirs_stays_when_it_is_taken(
        self, admin_client: Client, conflict: Page, anna: Operator, bot: Source
    ) -> None:
        fields = fields_of(conflict, bot, anna)
        response = save(admin_client, MATRIX, fields, **{field(bot, anna, "choice"): "theirs"})
        assert messages(response) == ["Nothing was changed."]
        assert weights_of(bot.pk) == {anna.pk: 50}

    def test_mine_is_put_when_it_is_chosen(
        self, admin_client: Client, conflict: Page, anna: Operator, bot: Source
    ) -> None:
        fields = fields_of(conflict, bot, anna)
        response = save(admin_client, MATRIX, fields, **{field(bot, anna, "choice"): "mine"})
        assert messages(response) == ["1 weight saved."]
        assert weights_of(bot.pk) == {anna.pk: 10}

    @pytest.mark.parametrize("choice", [None, "", "other"])
    def test_nothing_is_written_while_nothing_is_chosen(
        self, admin_client: Client, conflict: Page, anna: Operator, bot: Source, choice: str | None
    ) -> None:
        again = save(admin_client, MATRIX, fields_of(conflict, bot, anna), **{field(bot, anna, "choice"): choice})
        [told] = again.context["conflicts"]
        assert (told["before"], told["theirs"], told["mine"]) == (1, 50, "10")
        assert weights_of(bot.pk) == {anna.pk: 50}

    @pytest.mark.parametrize("choice", ["mine", "theirs"])
    def test_a_choice_is_remembered_while_another_cell_is_wrong(
        self, admin_client: Client, anna: Operator, bot: Source, choice: str
    ) -> None:
        other = field(bot, make_operator())
        fields = opened(admin_client)
        roster.set_weights(bot.pk, {anna.pk: 60})
        conflict = save(admin_client, MATRIX, fields, **{field(bot, anna): "10"})
        fields = fields_of(conflict, bot, anna)
        again = save(admin_client, MATRIX, fields, **{other: "many", field(bot, anna, "choice"): choice})
        assert [row["error"] for row in again.context["errors"]] == ["Enter a whole number."]
        assert [row["chosen"] for row in again.context["conflicts"]] == [choice]
        assert re.search(f'value="{choice}" checked', again.content.decode())

    def test_mine_is_asked_about_again_when_theirs_has_changed_once_more(
        self, admin_client: Client, conflict: Page, anna: Operator, bot: Source
    ) -> None:
        roster.set_weights(bot.pk, {anna.pk: 60})
        fields = fields_of(conflict, bot, anna)
        again = save(admin_client, MATRIX, fields, **{field(bot, anna, "choice"): "mine"})
        [told] = again.context["conflicts"]
        assert (told["before"], told["theirs"], told["mine"]) == (50, 60, "10")
        assert weights_of(bot.pk) == {anna.pk: 60}

    def test_what_else_was_typed_waits_for_the_choice(self, admin_client: Client, anna: Operator, bot: Source) -> None:
        boris = make_operator()
        fields = opened(admin_client)
        roster.set_weights(bot.pk, {anna.pk: 50})
        page = save(admin_client, MATRIX, fields, **{field(bot, anna): "10", field(bot, boris): "7"})
        assert opened_again(page)[field(bot, boris)] == "7"
        assert weights_of(bot.pk) == {anna.pk: 50}

    def test_a_weight_removed_meanwhile_is_a_conflict_too(
        self, admin_client: Client, anna: Operator, bot: Source
    ) -> None:
        fields = opened(admin_client)
        roster.remove_weight(bot.pk, anna.pk)
        page = save(admin_client, MATRIX, fields, **{field(bot, anna): "10"})
        [told] = page.context["conflicts"]
        assert (told["before"], told["theirs"], told["mine"]) == (1, None, "10")

    def test_what_others_changed_elsewhere_is_no_conflict_and_stays(
        self, admin_client: Client, anna: Operator, bot: Source
    ) -> None:
        boris = make_operator()
        fields = opened(admin_client)
        roster.set_weights(bot.pk, {boris.pk: 50})
        assert messages(save(admin_client, MATRIX, fields, **{field(bot, anna): "2"})) == ["1 weight saved."]
        assert weights_of(bot.pk) == {anna.pk: 2, boris.pk: 50}

    def test_the_same_weight_set_by_both_is_no_conflict(
        self, admin_client: Client, anna: Operator, bot: Source
    ) -> None:
        fields = opened(admin_client)
        roster.set_weights(bot.pk, {anna.pk: 10})
        assert messages(save(admin_client, MATRIX, fields, **{field(bot, anna): "10"})) == ["1 weight saved."]


class TestPermissions:
    def test_whoever_may_not_view_weights_has_no_matrix(self) -> None:
        client = staff("view_operator", "view_source")
        assert client.get(MATRIX).status_code == 403
        assert MATRIX not in client.get(address("operators_operator")).content.decode()

    def test_whoever_may_only_view_sees_it_and_cannot_save(self, admin_client: Client) -> None:
        source = make_source({(anna := make_operator()): 1})
        client = staff("view_weight")
        fields = opened(admin_client)
        page = client.get(MATRIX)
        assert rows_of(page) == [(anna.name, [(1, "100%")])]
        assert 'name="weight-' not in page.content.decode()
        assert client.post(MATRIX, {**fields, field(source, anna): "5"}).status_code == 403
        assert weights_of(source.pk) == {anna.pk: 1}

    @pytest.mark.parametrize("typed", ["", "5"], ids=["removing", "adding"])
    def test_whoever_may_only_change_neither_adds_nor_removes(self, typed: str) -> None:
        anna, boris = make_operator(), make_operator()
        source = make_source({anna: 1})
        client = staff("view_weight", "change_weight")
        concerned = boris if typed else anna
        page = save(client, MATRIX, opened(client), **{field(source, concerned): typed})
        assert [row["error"] for row in page.context["errors"]] == ["You may not do this to a weight."]
        assert weights_of(source.pk) == {anna.pk: 1}
        assert messages(save(client, MATRIX, opened(client), **{field(source, anna): "2"})) == ["1 weight saved."]


@pytest.mark.django_db(transaction=True)
def test_of_two_saves_at_once_one_gets_the_conflict(admin_user: User) -> None:
    anna = make_operator()
    sources = [make_source({anna: 1}) for _number in range(3)]

    def save_all(weight: int) -> Page:
        client = Client()
        client.force_login(admin_user)
        typed = {field(source, anna): str(weight) for source in sources}
        return save(client, MATRIX, fields, **typed)

    client = Client()
    client.force_login(admin_user)
    fields = opened(client)
    pages = run_concurrently(lambda: save_all(10), lambda: save_all(20))
    told = ["Somebody else has changed these weights" in page.content.decode() for page in pages]
    assert sorted(told) == [False, True]
    assert set(Weight.objects.values_list("weight", flat=True)) == {20 if told[0] else 10}
