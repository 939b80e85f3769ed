"""Deactivating operators and sources in the back office, and what becomes of their contacts."""

from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client

from crm_project.testing.admin_pages import Fields, Page, address, open_form, run, save
from crm_project.testing.rows import arrive, assert_rules_hold, make_operator, make_source
from crm_project.testing.staff import staff
from distribution import runs
from distribution.models import BulkRun, Decision, SettingChange, Trigger
from distribution.roster import change_operator
from distribution.runs import progress
from leads.models import Contact, Source
from operators.models import Operator

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _one_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the first step do everything, on a slow machine too."""
    monkeypatch.setattr(runs, "SECONDS_A_STEP", 60)


OPERATOR, SOURCE = "operators_operator", "leads_source"


@pytest.fixture
def leaving() -> Operator:
    """Return an operator with three contacts."""
    operator = make_operator(name="Anna")
    source = make_source({operator: 1})
    for _number in range(3):
        arrive(source)
    return operator


@pytest.fixture
def receiver(leaving: Operator) -> Operator:
    """Return an operator of the same source with two places."""
    receiver = make_operator(name="Boris", max_load=2)
    receiver.weights.create(source=leaving.weights.get().source, weight=1)
    return receiver


def page_of(operator: Operator) -> str:
    return address(OPERATOR, "change", operator.pk)


def switch_off(client: Client, operator: Operator, **typed: Any) -> Page:
    """Uncheck the switch on the operator's page and save; return the page that follows."""
    fields: Fields = open_form(client, page_of(operator), "operator_form")
    return save(client, page_of(operator), fields, is_active=None, **typed)


def answer(client: Client, operator: Operator, contacts: str, **typed: Any) -> Page:
    """Switch off, and answer the question that comes."""
    return switch_off(client, operator, confirmed="1", contacts=contacts, **typed)


def choices(response: Page) -> dict[str, str]:
    return dict(response.context["form"].fields["contacts"].choices)


class TestTheFormOfAnOperator:
    def test_the_question_shows_the_numbers_and_saves_nothing(
        self, admin_client: Client, leaving: Operator, receiver: Operator
    ) -> None:
        response = switch_off(admin_client, leaving, name="Renamed")

        page = response.content.decode()
        assert "Active contacts: 3." in page
        assert "Free places with others on their sources: 2 (Boris: 2)." in page
        assert "about 2 find a place, 1 stay" in choices(response)["leave_by_draw"]
        assert "about 2 go to others at once, 1 wait" in choices(response)["leave_to_queue"]
        leaving.refresh_from_db()
        assert (leaving.is_active, leaving.name) == (True, "Anna")
        assert not BulkRun.objects.exists()
        assert not LogEntry.objects.exists()

    def test_what_was_typed_is_sent_again_with_the_answer(self, admin_client: Client, leaving: Operator) -> None:
        asked = switch_off(admin_client, leaving, name="Renamed", reason="moves away")

        sent = open_hidden(asked)
        admin_client.post(page_of(leaving), {**sent, "contacts": "keep"})

        leaving.refresh_from_db()
        assert (leaving.is_active, leaving.name) == (False, "Renamed")
        assert SettingChange.objects.filter(operator_id=leaving.pk, setting="is_active").get().reason == "moves away"

    def test_an_answer_without_a_choice_asks_again(self, admin_client: Client, leaving: Operator) -> None:
        response = switch_off(admin_client, leaving, confirmed="1")

        assert list(response.context["form"].errors) == ["contacts"]
        assert Operator.objects.get(pk=leaving.pk).is_active

    def test_kept_contacts_stay(self, admin_client: Client, leaving: Operator) -> None:
        response = answer(admin_client, leaving, "keep")

        assert response.redirect_chain[-1][0] == address(OPERATOR)
        assert leaving.contacts.filter(status="active").count() == 3

    def test_by_draw_what_finds_a_place_goes_and_the_rest_stays(
        self, admin_client: Client, leaving: Operator, receiver: Operator
    ) -> None:
        response = answer(admin_client, leaving, "leave_by_draw", reason="illness")

        assert response.context["receivers"] == [("Boris", 2)]
        assert [(str(label), count) for label, count in response.context["outcomes"]] == [("refused", 1), ("done", 2)]
        assert leaving.contacts.filter(status="active").count() == 1
        moved = Decision.objects.filter(trigger=Trigger.BULK, operator=receiver)
        assert set(moved.values_list("reason", "actor_name")) == {("illness", "admin")}
        assert_rules_hold()

    def test_back_in_the_queue_they_keep_their_age(self, admin_client: Client, leaving: Operator) -> None:
        ages = set(Contact.objects.values_list("pk", "created_at"))

        response = answer(admin_client, leaving, "leave_to_queue")

        assert response.context["receivers"] == [("waiting in the queue", 3)]
        assert set(Contact.objects.waiting().values_list("pk", "created_at")) == ages
        assert_rules_hold()

    def test_the_history_of_each_contact_names_who_moved_it(self, admin_client: Client, leaving: Operator) -> None:
        contact = leaving.contacts.first()
        answer(admin_client, leaving, "leave_to_queue")

        assert contact
        assert (
            LogEntry.objects.filter(object_id=contact.pk).get().get_change_message() == "Changed status and operator."
        )

    def test_an_operator_without_contacts_is_switched_off_at_once(self, admin_client: Client) -> None:
        operator = make_operator()
        switch_off(admin_client, operator)
        assert not Operator.objects.get().is_active

    def test_another_change_asks_nothing(self, admin_client: Client, leaving: Operator) -> None:
        fields = open_form(admin_client, page_of(leaving), "operator_form")
        save(admin_client, page_of(leaving), fields, name="Renamed")
        assert Operator.objects.get(pk=leaving.pk).name == "Renamed"

    def test_a_wrong_field_is_told_before_anything_is_asked(self, admin_client: Client, leaving: Operator) -> None:
        response = switch_off(admin_client, leaving, max_load="many")
        assert list(response.context["adminform"].form.errors) == ["max_load"]

    def test_who_may_not_handle_contacts_is_not_asked(self, leaving: Operator) -> None:
        client = staff("change_operator")

        fields = open_form(client, page_of(leaving), "operator_form")
        save(client, page_of(leaving), fields, is_active=None, confirmed="1", contacts="leave_to_queue")

        assert not Operator.objects.get(pk=leaving.pk).is_active
        assert leaving.contacts.filter(status="active").count() == 3


class TestTheListOfOperators:
    def test_the_question_comes_before_those_with_contacts_are_deactivated(
        self, admin_client: Client, leaving: Operator, receiver: Operator
    ) -> None:
        response = run(admin_client, OPERATOR, "deactivate", leaving, receiver)

        assert "Free places with others on their sources: 0." in response.content.decode()
        assert not Operator.objects.filter(is_active=False).exists()

    def test_they_are_deactivated_and_their_contacts_go_in_one_step(
        self, admin_client: Client, leaving: Operator, receiver: Operator
    ) -> None:
        chosen = {"confirmed": "1", "contacts": "leave_by_draw", "reason": "night"}
        response = run(admin_client, OPERATOR, "deactivate", leaving, **chosen)

        assert response.context["receivers"] == [("Boris", 2)]
        assert not Operator.objects.get(pk=leaving.pk).is_active
        assert SettingChange.objects.filter(setting="is_active").get().reason == "night"

    def test_contacts_that_an_inactive_operator_still_has_go_too(self, admin_client: Client, leaving: Operator) -> None:
        change_operator(leaving.pk, is_active=False)
        run(admin_client, OPERATOR, "deactivate", leaving, confirmed="1", contacts="leave_to_queue")
        assert Contact.objects.waiting().count() == 3

    def test_the_numbers_of_long_lists_are_reckoned_for_the_oldest(
        self, admin_client: Client, leaving: Operator, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("distribution.leaving.MOST_REHEARSED", 2)
        page = run(admin_client, OPERATOR, "deactivate", leaving).content.decode()
        assert "Active contacts: 3." in page
        assert "reckoned for the oldest 2" in page

    @pytest.mark.parametrize("count", [2, 20])
    def test_the_question_takes_as_many_queries_for_many_as_for_few(
        self, admin_client: Client, count: int, django_assert_max_num_queries: Any
    ) -> None:
        operators = [make_operator() for _number in range(count)]
        source = make_source(dict.fromkeys(operators, 1))
        for _number in range(count * 2):
            arrive(source)
        with django_assert_max_num_queries(24):
            run(admin_client, OPERATOR, "deactivate", *operators)


class TestASource:
    @pytest.fixture
    def source(self) -> Source:
        """Return a source with an active contact and two that wait."""
        source = make_source({make_operator(max_load=1): 1})
        for _number in range(3):
            arrive(source)
        return source

    def off(self, client: Client, source: Source, **typed: Any) -> Page:
        url = address(SOURCE, "change", source.pk)
        return save(client, url, open_form(client, url, "source_form"), is_active=None, **typed)

    def test_the_question_shows_who_waits_and_changes_nothing(self, admin_client: Client, source: Source) -> None:
        response = self.off(admin_client, source)

        assert "Waiting: 2. Active: 1;" in response.content.decode()
        assert set(choices(response)) == {"keep", "close_waiting"}
        assert Source.objects.get().is_active

    def test_the_queue_rests(self, admin_client: Client, source: Source) -> None:
        self.off(admin_client, source, confirmed="1", contacts="keep")
        assert not Source.objects.get().is_active
        assert Contact.objects.waiting().count() == 2

    def test_those_who_wait_are_closed_and_the_active_stay(self, admin_client: Client, source: Source) -> None:
        self.off(admin_client, source, confirmed="1", contacts="close_waiting")
        assert Contact.objects.filter(status="closed", operator=None).count() == 2
        assert Contact.objects.active().count() == 1

    def test_the_list_asks_too(self, admin_client: Client, source: Source) -> None:
        assert "Waiting: 2." in run(admin_client, SOURCE, "deactivate", source).content.decode()
        run(admin_client, SOURCE, "deactivate", source, confirmed="1", contacts="close_waiting")
        assert Contact.objects.filter(status="closed").count() == 2

    def test_what_belongs_to_an_operator_is_no_answer(self, admin_client: Client, source: Source) -> None:
        response = self.off(admin_client, source, confirmed="1", contacts="leave_to_queue")
        assert list(response.context["form"].errors) == ["contacts"]
        assert Source.objects.get().is_active


def open_hidden(response: Page) -> Fields:
    """Return what the page that asks would send."""
    repeated = {name: values[-1] for name, values in response.context["repeated"].items()}
    return {**repeated, "confirmed": "1"}


def test_the_run_can_be_looked_at_again(admin_client: Client, leaving: Operator) -> None:
    answer(admin_client, leaving, "leave_to_queue")
    bulk = BulkRun.objects.get()
    assert progress(bulk).is_complete
    assert admin_client.get(address("distribution_bulkrun", "change", bulk.pk)).status_code == 200
