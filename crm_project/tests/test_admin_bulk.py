"""Actions on all rows that match a filter: the question, the steps, the outcome of every row."""

from typing import Any
from unittest.mock import patch

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission, User
from django.db import OperationalError
from django.test import Client

from crm_project.testing.admin_pages import Page, address, messages
from crm_project.testing.rows import arrive, assert_rules_hold, make_operator, make_source
from crm_project.testing.staff import staff
from distribution import runs
from distribution.models import BulkRow, BulkRun, Decision
from leads.models import Contact, Source
from operators.models import Operator

pytestmark = pytest.mark.django_db

CONTACT = "leads_contact"


def on_all(client: Client, action: str, model: str = CONTACT, filters: str = "", **more: Any) -> Page:
    """Run an action on everything that matches the filter; `confirmed` answers the question."""
    chosen = {"action": action, "_selected_action": "1", "select_across": "1", **more}
    return client.post(address(model) + filters, chosen, follow=True)


def go_on(client: Client, run: BulkRun) -> Page:
    return client.post(page_of(run), follow=True)


def page_of(run: BulkRun) -> str:
    return address("distribution_bulkrun", "change", run.pk)


@pytest.fixture(autouse=True)
def _no_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a step take as long as a busy machine wants, unless a test wants short ones."""
    monkeypatch.setattr(runs, "SECONDS_A_STEP", 60)


@pytest.fixture
def one_row_a_step(_no_hurry: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runs, "SECONDS_A_STEP", -1)


@pytest.fixture
def source() -> Source:
    """Return a source with three active contacts and one that waits."""
    source = make_source({make_operator(name="Anna", max_load=3): 1}, name="Telegram")
    for _number in range(4):
        arrive(source)
    return source


class TestTheQuestion:
    def test_it_counts_the_rows_by_kind_and_changes_nothing(self, admin_client: Client, source: Source) -> None:
        arrive(make_source(name="Site"))

        response = on_all(admin_client, "close")

        assert "5 rows are concerned." in response.content.decode()
        assert response.context["kinds"] == [
            ("status", [("active", 3), ("waiting", 2)]),
            ("source", [("Telegram", 4), ("Site", 1)]),
            ("operator", [("Anna", 3), ("nobody", 2)]),
        ]
        assert not Contact.objects.filter(status="closed").exists()
        assert not BulkRun.objects.exists()

    def test_it_shows_some_of_the_rows(
        self, admin_client: Client, source: Source, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("crm_project.admin.bulk.ROWS_SHOWN", 3)
        response = on_all(admin_client, "close")
        assert len(response.context["sample"]) == 3
        assert response.context["sample"][0].endswith("· Telegram · waiting")
        assert "… and 1 more" in response.content.decode()

    def test_it_takes_the_filter_and_the_search_into_account(self, admin_client: Client, source: Source) -> None:
        arrive(make_source(code="other"))
        assert "3 rows" in on_all(admin_client, "close", filters="?status__exact=active").content.decode()
        assert "1 row is" in on_all(admin_client, "close", filters="?q=other").content.decode()

    def test_of_a_hundred_sources_ten_are_named(self, admin_client: Client) -> None:
        for _number in range(12):
            arrive(make_source())
        kinds = dict(on_all(admin_client, "close").context["kinds"])
        assert len(kinds["source"]) == 11
        assert kinds["source"][-1] == ("…", 0)

    @pytest.mark.parametrize("count", [10, 60])
    def test_it_takes_as_many_queries_for_many_as_for_few(
        self, admin_client: Client, source: Source, count: int, django_assert_max_num_queries: Any
    ) -> None:
        for _number in range(count):
            arrive(source)
        with django_assert_max_num_queries(15):
            on_all(admin_client, "close")

    @pytest.mark.parametrize("action", ["activate", "deactivate"])
    def test_operators_are_asked_about_too(self, admin_client: Client, action: str) -> None:
        make_operator(), make_operator(is_active=False)
        response = on_all(admin_client, action, "operators_operator")
        assert response.context["kinds"] == [("active", [("no", 1), ("yes", 1)])]

    def test_an_operator_who_cannot_take_any_is_told_at_the_field(self, admin_client: Client, source: Source) -> None:
        response = on_all(admin_client, "reassign_to", confirmed="1", operator=make_operator(max_load=0).pk)
        assert list(response.context["form"].errors) == ["operator"]
        assert not BulkRun.objects.exists()

    def test_too_many_rows_are_told_on_the_list(
        self, admin_client: Client, source: Source, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(runs, "MOST_ROWS", 3)
        response = on_all(admin_client, "close", confirmed="1")
        assert messages(response) == ["These are more than 100,000 rows. Narrow the list with a filter."]


class TestTheRun:
    def test_a_small_one_is_done_at_once(self, admin_client: Client, source: Source) -> None:
        response = on_all(admin_client, "close", confirmed="1", reason="spam")

        assert "Done: 4 rows." in response.content.decode()
        assert Contact.objects.filter(status="closed").count() == 4
        assert LogEntry.objects.count() == 4
        assert_rules_hold()

    def test_what_comes_after_the_question_is_not_meant_by_the_answer(
        self, admin_client: Client, source: Source
    ) -> None:
        newest = on_all(admin_client, "close").context["newest"]
        later = arrive(source)
        on_all(admin_client, "close", confirmed="1", newest=newest)
        assert list(Contact.objects.exclude(status="closed")) == [later]

    @pytest.mark.parametrize("newest", ["", "x", "-1", "9" * 30])
    def test_an_altered_question_does_no_harm(self, admin_client: Client, source: Source, newest: str) -> None:
        assert on_all(admin_client, "close", confirmed="1", newest=newest).status_code == 200

    def test_more_rows_than_the_old_limit_are_done(
        self, admin_client: Client, source: Source, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("crm_project.admin.base.MOST_ROWS_AT_ONCE", 1)
        assert "Done: 4 rows." in on_all(admin_client, "close", confirmed="1").content.decode()

    def test_contacts_go_to_the_operator_who_was_chosen(self, admin_client: Client, source: Source) -> None:
        boris = make_operator(name="Boris", max_load=2)

        response = on_all(
            admin_client,
            "reassign_to",
            filters="?status__exact=active",
            confirmed="1",
            operator=boris.pk,
            reason="illness",
        )

        assert response.context["receivers"] == [("Boris", 2)]
        assert [count for _why, count in response.context["reasons"]] == [1]
        assert set(Decision.objects.filter(operator=boris).values_list("reason", flat=True)) == {"illness"}
        assert_rules_hold()

    def test_operators_are_activated_and_the_queue_is_given(self, admin_client: Client) -> None:
        operator = make_operator(is_active=False)
        waiting = arrive(make_source({operator: 1}))
        on_all(admin_client, "activate", "operators_operator", confirmed="1")
        waiting.refresh_from_db()
        assert waiting.operator == operator

    def test_sources_are_deactivated(self, admin_client: Client) -> None:
        make_source(), make_source()
        on_all(admin_client, "deactivate", "leads_source", confirmed="1")
        assert Source.objects.filter(is_active=False).count() == 2

    @pytest.mark.usefixtures("one_row_a_step")
    def test_a_long_one_goes_on_step_by_step(self, admin_client: Client, source: Source) -> None:
        response = on_all(admin_client, "close", confirmed="1")
        run = BulkRun.objects.get()
        assert "1 of 4 rows are done." in response.content.decode()
        assert "data-go-on" in response.content.decode()
        assert response.redirect_chain[-1][0].endswith("?go=1")

        for _number in range(3):
            response = go_on(admin_client, run)

        assert "Done: 4 rows." in response.content.decode()
        assert "data-go-on" not in response.content.decode()

    @pytest.mark.usefixtures("one_row_a_step")
    def test_looking_at_it_does_nothing(self, admin_client: Client, source: Source) -> None:
        on_all(admin_client, "close", confirmed="1")
        run = BulkRun.objects.get()
        for parameters in ({}, {"go": "1"}):
            admin_client.get(page_of(run), parameters)
        assert Contact.objects.filter(status="closed").count() == 1

    @pytest.mark.usefixtures("one_row_a_step")
    def test_a_database_that_does_not_answer_is_told_and_the_rest_can_be_done_later(
        self, admin_client: Client, source: Source
    ) -> None:
        on_all(admin_client, "close", confirmed="1")
        run = BulkRun.objects.get()
        with patch("distribution.runs._outcome", side_effect=OperationalError):
            response = go_on(admin_client, run)
        assert "The database did not answer in time." in response.content.decode()
        assert "data-trouble" in response.content.decode()
        assert "2 of 4" in go_on(admin_client, run).content.decode()

    @pytest.mark.parametrize("rows", [10, 90])
    def test_its_page_takes_as_many_queries_for_many_rows_as_for_few(
        self, admin_client: Client, source: Source, rows: int, django_assert_max_num_queries: Any
    ) -> None:
        run = runs.begin("close", Contact.objects.none())
        BulkRun.objects.update(identity=f"user:{User.objects.get().pk}")
        BulkRow.objects.bulk_create(
            BulkRow(run=run, work="close", target_id=number, outcome="changed") for number in range(rows)
        )
        with django_assert_max_num_queries(11):
            assert len(admin_client.get(page_of(run)).context["table"]["rows"]) == rows

    def test_many_rows_are_shown_in_part_those_refused_first(
        self, admin_client: Client, source: Source, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("crm_project.admin.bulk_runs.ROWS_SHOWN", 2)
        boris = make_operator(max_load=1)

        response = on_all(admin_client, "reassign_to", confirmed="1", operator=boris.pk)

        assert "The first 2 rows are shown" in response.content.decode()
        outcomes = [outcome for _row, outcome, _details in response.context["table"]["rows"]]
        assert all("refused" in outcome for outcome in outcomes)


class TestTheFile:
    def test_every_row_is_in_it_with_what_became_of_it(self, admin_client: Client, source: Source) -> None:
        boris = make_operator(name="Boris", max_load=2)
        on_all(admin_client, "reassign_to", filters="?status__exact=active", confirmed="1", operator=boris.pk)

        response: Any = admin_client.get(address("distribution_bulkrun", "file", BulkRun.objects.get().pk))

        lines = b"".join(response).decode("utf-8-sig").splitlines()
        assert lines[0] == "number;row;outcome;details"
        assert [line.split(";")[2:] for line in lines[1:3]] == [["done", "→ Boris"]] * 2
        assert "inactive or at the limit" in lines[3]

    def test_a_name_that_looks_like_a_formula_is_made_harmless(self, admin_client: Client) -> None:
        make_operator(name="=cmd|'/c calc'!A1")
        on_all(admin_client, "deactivate", "operators_operator", confirmed="1")
        response: Any = admin_client.get(address("distribution_bulkrun", "file", BulkRun.objects.get().pk))
        assert ";'=cmd" in b"".join(response).decode()

    def test_it_is_read_in_pieces(self, admin_client: Client, source: Source, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("crm_project.admin.bulk_runs.ROWS_READ_AT_ONCE", 3)
        on_all(admin_client, "close", confirmed="1")
        response: Any = admin_client.get(address("distribution_bulkrun", "file", BulkRun.objects.get().pk))
        assert len(b"".join(response).splitlines()) == 5


class TestWhoMay:
    @pytest.mark.usefixtures("one_row_a_step")
    def test_nobody_sees_or_drives_the_run_of_somebody_else(self, admin_client: Client, source: Source) -> None:
        on_all(admin_client, "close", confirmed="1")
        run = BulkRun.objects.get()
        other = staff("change_contact", "view_contact")

        for method in (other.get, other.post):
            assert method(page_of(run)).headers["Location"] == "/admin/"
        assert other.get(address("distribution_bulkrun", "file", run.pk)).headers["Location"] == "/admin/"
        assert list(other.get(address("distribution_bulkrun")).context["cl"].result_list) == []
        assert Contact.objects.filter(status="closed").count() == 1

    @pytest.mark.usefixtures("one_row_a_step")
    def test_who_lost_the_right_meanwhile_cannot_go_on(self, source: Source) -> None:
        client = staff("change_contact", "view_contact", "change_operator")
        on_all(client, "close", confirmed="1")
        User.objects.get().user_permissions.set(Permission.objects.filter(codename="change_operator"))
        assert go_on(client, BulkRun.objects.get()).status_code == 403
        assert Contact.objects.filter(status="closed").count() == 1

    @pytest.mark.parametrize("model", ["operators_operator", "leads_source", CONTACT])
    def test_who_may_only_look_begins_nothing(self, source: Source, model: str) -> None:
        client = staff("view_contact", "view_source", "view_operator")
        for action in ("close", "activate", "deactivate"):
            on_all(client, action, model, confirmed="1", contacts="keep")
        assert not BulkRun.objects.exists()
        assert Operator.objects.filter(is_active=True).exists()

    @pytest.mark.usefixtures("one_row_a_step")
    def test_the_list_shows_what_is_left_to_do(self, admin_client: Client, source: Source) -> None:
        on_all(admin_client, "close", confirmed="1")
        assert "to be continued" in admin_client.get(address("distribution_bulkrun")).content.decode()
        for _number in range(3):
            go_on(admin_client, BulkRun.objects.get())
        assert "finished" in admin_client.get(address("distribution_bulkrun")).content.decode()

    @pytest.mark.parametrize("count", [2, 40])
    def test_the_list_takes_few_queries_however_long_it_is(
        self, admin_client: Client, count: int, django_assert_max_num_queries: Any
    ) -> None:
        identity = f"user:{User.objects.get().pk}"
        BulkRun.objects.bulk_create(BulkRun(work="close", identity=identity) for _number in range(count))
        with django_assert_max_num_queries(6):
            assert len(admin_client.get(address("distribution_bulkrun")).context["cl"].result_list) == count

    def test_the_list_shows_what_one_began(self, admin_client: Client, source: Source) -> None:
        on_all(admin_client, "close", confirmed="1", reason="spam")
        page = admin_client.get(address("distribution_bulkrun")).content.decode()
        assert "Close contacts" in page
        assert "spam" in page

    @pytest.mark.parametrize("key", ["0", "abc", "9" * 30])
    def test_a_page_of_no_run_leads_back(self, admin_client: Client, key: str) -> None:
        response = admin_client.get(address("distribution_bulkrun", "change", key), follow=True)
        assert "Perhaps it was deleted?" in messages(response)[0]
