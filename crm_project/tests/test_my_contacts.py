"""The page of an operator: their own contacts and nobody else's, closing them, and a pause."""

import re
from collections.abc import Callable
from typing import Any
from unittest.mock import patch

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.db import OperationalError
from django.test import Client
from django.urls import reverse

from crm_project.admin import my_contacts
from crm_project.testing.admin_pages import Page, messages
from crm_project.testing.rows import arrive, assert_rules_hold, make_operator, make_source
from crm_project.testing.staff import make_user
from distribution import handling
from distribution.models import SettingChange
from distribution.roster import change_operator
from leads.models import Contact, Source
from operators.models import Operator

pytestmark = pytest.mark.django_db

PAGE = "/admin/my-contacts/"
LIVE = "/admin/my-contacts/live/"


@pytest.fixture
def anna() -> Operator:
    return make_operator(name="Anna", max_load=5)


@pytest.fixture
def user(anna: Operator) -> User:
    user = make_user("operator")
    change_operator(anna.pk, user=user)
    return user


@pytest.fixture
def client(user: User) -> Client:
    return logged_in(user)


@pytest.fixture
def source(anna: Operator) -> Source:
    return make_source({anna: 1}, name="Telegram bot")


def logged_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def text_of(response: Page) -> str:
    return str(response.content.decode())


def close(client: Client, contact: Contact) -> Page:
    return client.post(reverse("admin:my_contacts_close", args=[contact.pk]), follow=True)


def switch(client: Client, is_paused: str) -> Page:
    return client.post("/admin/my-contacts/pause/", {"is_paused": is_paused}, follow=True)


def fresh(contact: Contact) -> Contact:
    return Contact.objects.get(pk=contact.pk)


class TestLooking:
    def test_a_contact_is_shown_with_all_that_was_sent(self, client: Client, source: Source) -> None:
        sent = {
            "name": "Ivan",
            "phone": "+7 000",
            "email": "ivan@example.com",
            "text": "Hello <b>",
            "data": {"page": "/x"},
        }
        arrive(source, "user_7", **sent)

        page = text_of(client.get(PAGE))

        for text in ("user_7", "Ivan", "+7 000", "ivan@example.com", "Hello &lt;b&gt;", "/x", "Telegram bot", "ago"):
            assert text in page

    def test_what_waits_is_closed_or_is_with_somebody_else_is_not_shown(self, client: Client, source: Source) -> None:
        handling.close_contact(arrive(source, text="that is over").pk)
        arrive(make_source({make_operator(): 1}), text="of somebody else")
        arrive(make_source(), text="of nobody")

        page = text_of(client.get(PAGE))

        assert "You have no contacts now." in page
        assert not any(text in page for text in ("that is over", "of somebody else", "of nobody"))

    def test_the_title_of_the_tab_counts_them(self, client: Client, source: Source) -> None:
        arrive(source)
        arrive(source)

        assert re.search(r"<title>\s*\(2\) My contacts \|", text_of(client.get(PAGE)))
        assert 'data-live-title="(2) My contacts |' in text_of(client.get(LIVE))

    def test_the_page_refreshes_itself_with_the_part_that_is_the_same_at_each_look(
        self, client: Client, source: Source
    ) -> None:
        arrive(source, "user_7")

        page, parts = text_of(client.get(PAGE)), [text_of(client.get(LIVE)) for _ in range(2)]

        assert f'data-live="{LIVE}" data-live-seconds="5"' in page
        assert "data-live-status" in page
        assert parts[0] == parts[1]
        assert "user_7" in parts[0]
        assert "<html" not in parts[0]

    def test_each_contact_in_the_part_is_known_by_its_id(self, client: Client, source: Source) -> None:
        contacts = [arrive(source) for _ in range(2)]

        part = text_of(client.get(LIVE))

        assert all(f'id="own-contact-{contact.pk}"' in part for contact in contacts)

    def test_what_waits_on_their_sources_is_told(self, client: Client, source: Source, anna: Operator) -> None:
        assert "Nobody waits on your sources." in text_of(client.get(LIVE))
        change_operator(anna.pk, max_load=0)
        arrive(source)
        arrive(make_source())

        assert "1 contact waits on your sources." in text_of(client.get(LIVE))

    def test_a_long_queue_and_a_long_list_are_cut_off(
        self, client: Client, source: Source, anna: Operator, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(my_contacts, "MOST_CONTACTS_SHOWN", 2)
        monkeypatch.setattr(my_contacts, "MOST_WAITING_COUNTED", 2)
        contacts = [arrive(source, f"user_{number}") for number in range(8)]

        page = text_of(client.get(LIVE))

        assert [contact.external_id in page for contact in contacts] == [True, True, *[False] * 6]
        assert "3 more contacts are not shown" in page
        assert "2 contacts or more wait on your sources." in page

    def test_it_takes_as_many_statements_for_ten_as_for_a_hundred(
        self, client: Client, source: Source, anna: Operator, django_assert_num_queries: Callable[[int], Any]
    ) -> None:
        change_operator(anna.pk, max_load=100)
        for number in (10, 90):
            for _ in range(number):
                arrive(source)
            with django_assert_num_queries(7):
                assert client.get(LIVE).status_code == 200

    def test_an_account_that_is_linked_to_nobody_is_told_so(self) -> None:
        client = logged_in(make_user("operator"))

        assert "linked to no operator" in text_of(client.get(PAGE))
        assert client.get(LIVE).status_code == 404
        assert switch(client, "1").status_code == 404


class TestComing:
    def test_whoever_has_no_other_page_lands_there(self, client: Client) -> None:
        assert client.get("/admin/").headers["Location"] == PAGE
        assert PAGE in text_of(client.get(PAGE))

    @pytest.mark.parametrize("roles", [("supervisor",), ("supervisor", "operator"), ()])
    def test_others_land_on_the_first_page(self, roles: tuple[str, ...]) -> None:
        assert logged_in(make_user(*roles)).get("/admin/").status_code == 200

    def test_the_sidebar_offers_it_to_operators_only(self, client: Client) -> None:
        both, other = logged_in(make_user("supervisor", "operator")), logged_in(make_user("supervisor"))

        assert PAGE in text_of(both.get("/admin/"))
        assert PAGE not in text_of(other.get("/admin/"))

    def test_somebody_who_may_do_everything_and_is_an_operator_too_has_the_page(self, anna: Operator) -> None:
        user = User.objects.create_superuser("admin")
        change_operator(anna.pk, user=user)

        assert "Anna" in text_of(logged_in(user).get(PAGE))

    def test_an_account_that_was_deleted_leaves_the_operator_as_they_are(self, user: User, anna: Operator) -> None:
        user.delete()

        anna.refresh_from_db()
        assert anna.user is None

    def test_nobody_is_asked_to_log_in(self) -> None:
        for address in (PAGE, LIVE):
            assert Client().get(address).headers["Location"].startswith("/admin/login/")


class TestClosing:
    def test_closes_it_tells_so_and_makes_room_for_the_next(
        self, client: Client, source: Source, anna: Operator
    ) -> None:
        change_operator(anna.pk, max_load=1)
        contact, waiting = arrive(source, "user_7"), arrive(source)

        response = close(client, contact)

        assert messages(response) == ["user_7: the contact is closed."]
        assert fresh(contact).is_closed
        assert fresh(waiting).operator == anna
        assert_rules_hold()

    def test_is_written_into_the_history_of_the_contact(self, client: Client, source: Source, user: User) -> None:
        contact = arrive(source)

        close(client, contact)

        [entry] = LogEntry.objects.all()
        assert (entry.user, entry.object_id, entry.action_flag) == (user, str(contact.pk), 2)

    def test_twice_changes_nothing(self, client: Client, source: Source) -> None:
        contact = arrive(source, "user_7")
        close(client, contact)
        closed_at = fresh(contact).closed_at

        assert messages(close(client, contact)) == ["user_7: this contact was closed already."]
        assert fresh(contact).closed_at == closed_at

    def test_what_is_somebody_elses_or_nobodys_is_not_found(self, client: Client) -> None:
        others = arrive(make_source({make_operator(): 1}))
        waiting = arrive(make_source())

        for contact in (others, waiting):
            assert close(client, contact).status_code == 404
            assert not fresh(contact).is_closed
        assert client.post("/admin/my-contacts/404/close/").status_code == 404
        assert client.post(f"/admin/my-contacts/{'9' * 30}/close/").status_code == 404

    def test_what_is_moved_at_this_moment_is_not_found(self, client: Client, source: Source) -> None:
        contact, other = arrive(source), make_operator()
        service = handling.close_contact

        def late(contact_id: int, **options: Any) -> Contact:
            handling.reassign_to_operator(contact_id, other.pk)
            return service(contact_id, **options)

        with patch.object(my_contacts.handling, "close_contact", late):
            assert close(client, contact).status_code == 404
        assert (fresh(contact).status, fresh(contact).operator) == ("active", other)

    def test_a_database_that_does_not_answer_is_told_on_the_page(self, client: Client, source: Source) -> None:
        contact = arrive(source)

        with patch.object(my_contacts.handling, "close_contact", side_effect=OperationalError):
            assert "The database did not answer in time." in messages(close(client, contact))[0]

    def test_is_done_by_a_post_that_comes_from_the_page(self, user: User, source: Source) -> None:
        contact = arrive(source)
        address = reverse("admin:my_contacts_close", args=[contact.pk])
        careful = Client(enforce_csrf_checks=True)
        careful.force_login(user)

        assert careful.get(address).status_code == 405
        assert careful.post(address).status_code == 403
        assert not fresh(contact).is_closed


class TestPausing:
    def test_keeps_what_they_have_and_lets_nothing_new_come(
        self, client: Client, source: Source, anna: Operator
    ) -> None:
        contact = arrive(source)

        response = switch(client, "1")

        assert "You are paused" in messages(response)[0]
        assert "End the pause" in text_of(response)
        anna.refresh_from_db()
        assert (anna.is_paused, anna.is_active, fresh(contact).operator) == (True, True, anna)
        assert arrive(source).is_waiting

    def test_its_end_tells_how_many_have_come(self, client: Client, source: Source) -> None:
        switch(client, "1")
        arrive(source)
        arrive(source)

        response = switch(client, "0")

        assert messages(response) == ["The pause is over: 2 contacts that waited have come to you."]
        assert messages(switch(client, "0")) == ["The pause is over: new contacts come to you again."]

    def test_is_signed_in_the_history_of_settings(self, client: Client, user: User, anna: Operator) -> None:
        switch(client, "1")

        change = SettingChange.objects.get(operator_id=anna.pk, setting="is_paused")
        assert (change.before, change.after, change.actor) == (False, True, f"user:{user.pk}")

    def test_changes_nothing_else_of_theirs_and_nobody_else(self, client: Client, anna: Operator) -> None:
        other = make_operator()
        sent = {"is_paused": "1", "max_load": "10000", "operator": other.pk, "name": "Maria"}

        client.post("/admin/my-contacts/pause/", sent)

        anna.refresh_from_db()
        other.refresh_from_db()
        assert (anna.is_paused, anna.max_load, anna.name, other.is_paused) == (True, 5, "Anna", False)

    def test_whoever_is_switched_off_is_told_so(self, client: Client, anna: Operator) -> None:
        change_operator(anna.pk, is_active=False)

        assert "You are switched off: no new contacts come to you." in text_of(client.get(PAGE))
