"""The first steps on the start page: what is done, what is next, and what is typed wrong."""

from typing import Any

import pytest
from django.db import OperationalError
from django.test import Client

from crm_project.admin.first_steps import MOST_NAMES
from crm_project.testing.admin_pages import messages, open_form
from crm_project.testing.rows import arrive, make_operator, make_source
from crm_project.testing.staff import staff
from distribution import roster
from distribution.models import SettingChange
from leads.models import Source
from operators.models import Operator, Weight

pytestmark = pytest.mark.django_db

START = "/admin/"


def take(client: Client, step: str, **typed: str) -> Any:
    """Send the form of a step and return the page that follows."""
    return client.post(f"/admin/start/{step}/", typed, follow=True)


def steps(client: Client) -> dict[str, Any]:
    response: Any = client.get(START)
    return {step["name"]: step for step in response.context["steps"]}


def done(client: Client) -> set[str]:
    return {name for name, step in steps(client).items() if step["is_done"]}


def errors(page: Any) -> list[str]:
    """Return what the page says of what was typed."""
    return [error for step in page.context["steps"] for told in step["form"].errors.values() for error in told]


def names() -> list[str]:
    return list(Operator.objects.order_by("pk").values_list("name", flat=True))


class TestTheWay:
    def test_leads_from_an_empty_house_to_the_first_contact(self, admin_client: Client) -> None:
        assert done(admin_client) == set()
        take(admin_client, "operators", names="Anna\nBoris")
        assert done(admin_client) == {"operators"}
        take(admin_client, "source", name="Telegram", code="bot")
        assert done(admin_client) == {"operators", "source"}
        page = take(admin_client, "weights")
        assert messages(page) == ["Everybody has the same weight. New contacts are distributed from now on."]
        assert "steps" not in page.context
        assert arrive(Source.objects.get()).operator in Operator.objects.all()

    def test_may_begin_with_the_source(self, admin_client: Client) -> None:
        take(admin_client, "source", name="Telegram", code="bot")
        assert done(admin_client) == {"source"}

    def test_offers_weights_only_when_there_is_something_to_weigh(self, admin_client: Client) -> None:
        assert not steps(admin_client)["weights"]["is_next"]
        make_operator()
        make_source()
        assert steps(admin_client)["weights"]["is_next"]
        assert "csrfmiddlewaretoken" in open_form(admin_client, START, "weights_form")

    def test_ends_for_good_when_a_contact_came(self, admin_client: Client) -> None:
        arrive(make_source())
        response: Any = admin_client.get(START)
        assert "steps" not in response.context

    @pytest.mark.parametrize("step", ["operators", "source", "weights"])
    def test_leads_back_to_the_page_when_the_address_of_a_step_is_opened(self, admin_client: Client, step: str) -> None:
        assert admin_client.get(f"/admin/start/{step}/").headers["Location"] == START

    def test_has_no_other_steps(self, admin_client: Client) -> None:
        assert admin_client.post("/admin/start/elsewhere/").status_code == 404


class TestOperators:
    def test_are_added_one_a_line_in_order(self, admin_client: Client) -> None:
        page = take(admin_client, "operators", names="  Anna  B. \r\nBoris\n\n")
        assert names() == ["Anna B.", "Boris"]
        assert messages(page) == ["2 operators added."]

    def test_are_recorded_as_any_change_of_a_setting(self, admin_client: Client) -> None:
        take(admin_client, "operators", names="Anna")
        assert SettingChange.objects.filter(operator_id=Operator.objects.get().pk, actor_name="admin").exists()

    @pytest.mark.parametrize(
        ("typed", "sentences"),
        [
            ("", ["Type at least one name."]),
            (" \n ", ["Type at least one name."]),
            ("Anna\n\nBoris", ["Line 2 is empty."]),
            ("Anna\nBoris\nanna", ["Anna stands in the list twice."]),
            ("there", ["There is an operator there already."]),
            ("x" * 201, [f"A name has at most 200 characters: {'x' * 201}"]),
            ("Anna\n\nAnna", ["Line 2 is empty.", "Anna stands in the list twice."]),
            ("\n".join(map(str, range(MOST_NAMES + 1))), [f"At most {MOST_NAMES} names at once."]),
            ("An\0na", ["Null characters are not allowed."]),
        ],
    )
    def test_are_refused_with_words_and_none_is_added(
        self, admin_client: Client, typed: str, sentences: list[str]
    ) -> None:
        make_operator(name="There")
        page = take(admin_client, "operators", names=typed)
        assert errors(page) == sentences
        assert names() == ["There"]

    def test_stay_typed_when_they_are_refused(self, admin_client: Client) -> None:
        page = take(admin_client, "operators", names="Anna\n\nBoris")
        assert "Anna\n\nBoris</textarea>" in page.content.decode()


class TestTheSource:
    @pytest.mark.parametrize("typed", [{}, {"name": "Bot"}, {"code": "bot"}, {"name": "x" * 201, "code": "bot"}])
    def test_is_refused_without_a_name_and_a_code(self, admin_client: Client, typed: dict[str, str]) -> None:
        assert errors(take(admin_client, "source", **typed))
        assert not Source.objects.exists()

    def test_is_refused_when_its_code_is_taken(self, admin_client: Client) -> None:
        make_source(code="bot")
        page = take(admin_client, "source", name="Bot", code="bot")
        assert errors(page) == ["Source with this Code already exists."]
        assert "Source with this Code already exists." in page.content.decode()
        assert Source.objects.count() == 1

    def test_is_told_when_it_was_added(self, admin_client: Client) -> None:
        assert messages(take(admin_client, "source", name="Bot", code="bot")) == ["The source «Bot» was added."]


class TestWeights:
    def test_are_equal_for_everybody_on_every_source(self, admin_client: Client) -> None:
        operators, sources = [make_operator(), make_operator(is_active=False)], [make_source(), make_source()]
        take(admin_client, "weights")
        given = set(Weight.objects.values_list("source", "operator", "weight"))
        assert given == {(source.pk, operator.pk, 1) for source in sources for operator in operators}

    def test_replace_weights_of_zero(self, admin_client: Client) -> None:
        make_source({make_operator(): 0})
        take(admin_client, "weights")
        assert Weight.objects.get().weight == 1

    def test_leave_those_that_somebody_has_set_meanwhile(self, admin_client: Client) -> None:
        make_source({make_operator(): 7})
        make_source()
        page = take(admin_client, "weights")
        assert messages(page) == ["There are weights already; they stay as they are."]
        assert Weight.objects.get().weight == 7

    def test_wait_for_operators_and_a_source(self, admin_client: Client) -> None:
        assert errors(take(admin_client, "weights")) == ["Add operators and a source first."]


class TestPermissions:
    @pytest.mark.parametrize(
        ("step", "typed"),
        [("operators", {"names": "Anna"}), ("source", {"name": "Bot", "code": "bot"}), ("weights", {})],
    )
    def test_a_step_asks_for_the_permission_to_add(self, step: str, typed: dict[str, str]) -> None:
        client = staff("view_operator", "view_source", "view_weight", "change_operator", "change_source")
        assert take(client, step, **typed).status_code == 403
        assert not Operator.objects.exists()
        assert not Source.objects.exists()

    def test_who_may_not_take_a_step_is_told_so_and_sees_no_form(self) -> None:
        client = staff("add_source")
        assert {name for name, step in steps(client).items() if step["may_take"]} == {"source"}
        page = client.get(START).content.decode()
        assert ('id="source_form"' in page, 'id="operators_form"' in page) == (True, False)

    def test_a_stranger_is_sent_to_the_log_in(self) -> None:
        response = Client().post("/admin/start/operators/", {"names": "Anna"})
        assert response.headers["Location"].startswith("/admin/login/")


def test_a_database_that_does_not_answer_is_told(admin_client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(**fields: Any) -> None:
        raise OperationalError

    monkeypatch.setattr(roster, "create_operator", fail)
    page = take(admin_client, "operators", names="Anna")
    assert messages(page) == [
        "The database did not answer in time. Look at what was saved, then repeat the rest in a moment."
    ]
