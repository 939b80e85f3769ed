"""Moving and closing one contact from the queue or the board: it asks, does it, tells the outcome and leads back."""

from typing import Any
from unittest.mock import patch

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client
from django.urls import reverse

from crm_project.testing.admin_pages import Page, messages, open_form
from crm_project.testing.rows import arrive, assert_rules_hold, make_operator, make_source
from crm_project.testing.staff import staff
from distribution import roster
from distribution.errors import ContactClosed, NoLongerTheirs, OperatorUnavailable
from distribution.explanation import explained
from distribution.handling import close_contact, reassign_to_operator
from distribution.models import Decision
from distribution.standing import Obstacle
from leads.models import Contact, Source
from operators.models import Operator, Weight

pytestmark = pytest.mark.django_db

QUEUE = "/admin/queue/?source=1"


def url_of(name: str, contact: Contact, back: str = QUEUE) -> str:
    return reverse(f"{name}_contact", args=[contact.pk], query={"next": back})


def move(client: Client, contact: Contact, operator: Operator | None = None, **typed: Any) -> Page:
    return client.post(url_of("move", contact), {"operator": operator.pk if operator else "", **typed}, follow=True)


def told_wrong(response: Page) -> dict[str, list[str]]:
    return dict(response.context["form"].errors.items())


@pytest.fixture
def source() -> Source:
    return make_source({make_operator(name="Anna", max_load=0): 1}, name="Telegram")


@pytest.fixture
def free() -> Operator:
    return make_operator(name="Boris")


class TestAskingWhoGetsIt:
    def test_offers_everybody_with_room_with_load_and_weight(self, admin_client: Client, free: Operator) -> None:
        listed = make_operator(name="Carla", max_load=7)
        contact = arrive(make_source({make_operator(max_load=0): 1, listed: 0}))

        form = admin_client.get(url_of("move", contact)).context["form"]

        assert [str(label) for _value, label in form.fields["operator"].choices] == [
            "whoever is drawn",
            "Carla (0 / 7) · weight 0",
            "Boris (0 / 10) · not on the list",
        ]

    def test_changes_nothing(self, admin_client: Client, source: Source, free: Operator) -> None:
        contact = arrive(source)
        before = Contact.objects.values().get()

        for name in ("move", "close"):
            admin_client.get(url_of(name, contact), {"operator": str(free.pk), "reason": "x"})

        assert Contact.objects.values().get() == before

    @pytest.mark.parametrize("count", [10, 1_000])
    def test_takes_as_many_queries_however_many_operators_there_are(
        self, admin_client: Client, source: Source, count: int, django_assert_num_queries: Any
    ) -> None:
        contact = arrive(source)
        Operator.objects.bulk_create(Operator(name=f"Operator {number}") for number in range(count))

        with django_assert_num_queries(5):  # the session, its user, the contact, its source, the operators
            admin_client.get(url_of("move", contact))


class TestMoving:
    def test_gives_a_waiting_contact_to_anybody_with_room(
        self, admin_client: Client, source: Source, free: Operator
    ) -> None:
        contact = arrive(source, "user_1")

        response = move(admin_client, contact, free)

        assert response.redirect_chain == [(QUEUE, 302)]
        assert messages(response) == [f"{contact.pk}: user_1 – given to: Boris."]
        assert Contact.objects.get().operator == free
        assert_rules_hold()

    def test_records_why_by_whom_and_that_older_ones_were_passed(self, admin_client: Client, source: Source) -> None:
        older, younger = arrive(source), arrive(source)
        other = make_operator(name="Carla")
        Weight.objects.create(source=source, operator=other, weight=1)

        move(admin_client, younger, other, reason="Knows her")

        decision = Decision.objects.filter(contact=younger).latest("pk")
        assert (decision.reason, decision.actor_name, decision.operator) == ("Knows her", "admin", other)
        assert "longer" in explained([decision])[0].sentence
        assert Contact.objects.get(pk=older.pk).is_waiting

    def test_by_draw_gives_to_another_operator_of_the_source(self, admin_client: Client) -> None:
        operators = [make_operator(), make_operator()]
        contact = arrive(make_source(dict.fromkeys(operators, 1)), "user_1")
        [other] = {*operators} - {contact.operator}

        response = move(admin_client, contact)

        assert messages(response) == [f"{contact.pk}: user_1 – given to: {other}."]
        assert Contact.objects.get().operator == other
        assert_rules_hold()

    def test_is_written_into_the_history_of_the_contact(
        self, admin_client: Client, source: Source, free: Operator
    ) -> None:
        move(admin_client, arrive(source), free)

        assert [entry.get_change_message() for entry in LogEntry.objects.all()] == ["Changed operator and status."]

    def test_by_draw_without_anybody_is_refused_in_words(self, admin_client: Client, source: Source) -> None:
        contact = arrive(source)

        response = move(admin_client, contact)

        [(_form, [sentence])] = told_wrong(response).items()
        assert sentence.startswith("No other operator of this source is available.")
        assert sentence in response.content.decode()
        assert Contact.objects.get().is_waiting
        assert not LogEntry.objects.exists()

    @pytest.mark.parametrize("change", [{"max_load": 0}, {"is_active": False}])
    def test_to_somebody_who_cannot_take_it_any_more_is_refused_in_words(
        self, admin_client: Client, source: Source, free: Operator, change: dict[str, Any]
    ) -> None:
        contact = arrive(source)
        Operator.objects.filter(pk=free.pk).update(**change)

        response = move(admin_client, contact, free, reason="Because")

        assert told_wrong(response) == {
            "operator": ["This operator is inactive, paused or at the limit by now. Choose another."]
        }
        assert 'value="Because"' in response.content.decode()
        assert Contact.objects.get().is_waiting

    def test_to_somebody_who_fills_up_at_the_same_moment_is_refused_in_words(
        self, admin_client: Client, source: Source, free: Operator
    ) -> None:
        contact = arrive(source)

        with patch("distribution.handling.obstacle_by_hand", return_value=Obstacle.AT_LIMIT):
            response = move(admin_client, contact, free)

        assert told_wrong(response) == {"__all__": [str(OperatorUnavailable.message)]}
        assert Contact.objects.get().is_waiting

    @pytest.mark.parametrize("name", ["move", "close"])
    @pytest.mark.parametrize("method", ["get", "post"])
    def test_what_was_closed_meanwhile_is_told_and_changes_nothing(
        self, admin_client: Client, source: Source, name: str, method: str
    ) -> None:
        contact = close_contact(arrive(source).pk)

        response = getattr(admin_client, method)(url_of(name, contact), follow=True)

        assert response.redirect_chain == [(QUEUE, 302)]
        assert messages(response) == ["This contact is closed. Reopen it first."]
        assert Contact.objects.get().is_closed

    @pytest.mark.parametrize("name", ["move", "close"])
    def test_what_somebody_else_has_by_now_is_told_and_changes_nothing(
        self, admin_client: Client, source: Source, free: Operator, name: str
    ) -> None:
        contact, taker = arrive(source), make_operator(name="Carla")
        seen = admin_client.get(url_of(name, contact)).context["seen"]
        reassign_to_operator(contact.pk, taker.pk)

        response = admin_client.post(url_of(name, contact), {"operator": free.pk, "reason": "", "seen": seen})

        assert told_wrong(response) == {"__all__": [str(NoLongerTheirs.message)]}
        assert response.context["seen"] == str(taker.pk)
        assert Contact.objects.get().operator == taker

    @pytest.mark.parametrize("name", ["move", "close"])
    def test_what_the_queue_gave_away_since_the_page_was_opened_is_refused(
        self, admin_client: Client, source: Source, free: Operator, name: str
    ) -> None:
        contact = arrive(source)
        seen = open_form(admin_client, url_of(name, contact), "handling_form")["seen"]
        assert seen == ""
        taker = make_operator(name="Carla")
        roster.set_weights(source.pk, {taker.pk: 1})

        response = admin_client.post(url_of(name, contact), {"operator": free.pk, "reason": "", "seen": seen})

        assert told_wrong(response) == {"__all__": [str(NoLongerTheirs.message)]}
        assert Contact.objects.get().operator == taker

    def test_what_was_seen_as_it_is_moves(self, admin_client: Client, free: Operator) -> None:
        contact = arrive(make_source({make_operator(): 1}))
        seen = open_form(admin_client, url_of("move", contact), "handling_form")["seen"]

        move(admin_client, contact, free, seen=seen)

        assert seen == str(contact.operator_id)
        assert Contact.objects.get().operator == free
        assert_rules_hold()

    def test_what_is_closed_at_the_same_moment_is_told(
        self, admin_client: Client, source: Source, free: Operator
    ) -> None:
        with patch("distribution.handling.reassign_to_operator", side_effect=ContactClosed):
            response = move(admin_client, arrive(source), free)

        assert told_wrong(response) == {"__all__": ["This contact is closed. Reopen it first."]}

    @pytest.mark.parametrize(
        "typed",
        [{"operator": "abc"}, {"operator": "9" * 30}, {"operator": "0"}, {"reason": "\0"}, {"reason": "x" * 501}],
    )
    def test_what_cannot_be_meant_is_told_at_the_field(
        self, admin_client: Client, source: Source, typed: dict[str, str]
    ) -> None:
        contact = arrive(source)

        response = admin_client.post(url_of("move", contact), typed)

        assert list(told_wrong(response)) == list(typed)
        assert Contact.objects.get().is_waiting


class TestClosing:
    def test_closes_says_so_and_leads_back(self, admin_client: Client, source: Source) -> None:
        contact = arrive(source, "user_1")

        response = admin_client.post(url_of("close", contact), {"reason": "Spam"}, follow=True)

        assert response.redirect_chain == [(QUEUE, 302)]
        assert messages(response) == [f"{contact.pk}: user_1 – closed."]
        assert Contact.objects.get().is_closed

    def test_makes_room_for_whoever_waits(self, admin_client: Client) -> None:
        operator = make_operator(max_load=1)
        source = make_source({operator: 1})
        active, waiting = arrive(source), arrive(source)

        admin_client.post(url_of("close", active), {"reason": ""})

        waiting.refresh_from_db()
        assert waiting.operator == operator
        assert_rules_hold()


class TestTheWayBack:
    @pytest.mark.parametrize(
        "hostile",
        [
            "https://evil.example/",
            "//evil.example/",
            "javascript:alert(1)",
            "/\\evil.example",
            "\nhttps://evil.example",
            "evil.example",
            "leads",
            "",
        ],
    )
    def test_never_leads_to_another_site(
        self, admin_client: Client, source: Source, free: Operator, hostile: str
    ) -> None:
        contact = arrive(source)
        url = url_of("move", contact, hostile)

        asked, done = admin_client.get(url), admin_client.post(url, {"operator": free.pk})

        assert asked.context["back"] == f"/admin/leads/contact/{contact.pk}/change/"
        assert done.headers["Location"] == asked.context["back"]


class TestWhoMay:
    @pytest.mark.parametrize("name", ["move", "close"])
    def test_see_contacts_but_not_change_them_is_refused(self, source: Source, free: Operator, name: str) -> None:
        contact = arrive(source)
        client = staff("view_contact")

        assert client.get(url_of(name, contact)).status_code == 403
        assert client.post(url_of(name, contact), {"operator": free.pk}).status_code == 403
        assert Contact.objects.get().is_waiting

    @pytest.mark.parametrize("name", ["move", "close"])
    def test_change_contacts_handles_them(self, source: Source, free: Operator, name: str) -> None:
        contact = arrive(source)

        staff("change_contact").post(url_of(name, contact), {"operator": free.pk})

        assert not Contact.objects.get().is_waiting

    @pytest.mark.parametrize("name", ["move", "close"])
    def test_not_be_known_is_sent_to_the_log_in(self, source: Source, name: str) -> None:
        response = Client().post(url_of(name, arrive(source)))
        assert response.headers["Location"].startswith("/admin/login/?next=")

    @pytest.mark.parametrize("number", ["404", "9" * 30])
    def test_look_for_a_contact_that_is_not_there_is_told_so(self, admin_client: Client, number: str) -> None:
        assert admin_client.get(f"/admin/contacts/{number}/move/").status_code == 404

    def test_not_send_a_form_of_another_site(self, source: Source, admin_user: Any) -> None:
        client = Client(enforce_csrf_checks=True)
        client.force_login(admin_user)
        assert client.post(url_of("close", arrive(source))).status_code == 403
