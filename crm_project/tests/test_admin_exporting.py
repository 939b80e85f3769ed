"""Export of contacts and decisions in the back office: what the list shows, for Excel, for those who may see it."""

import csv
import io
from datetime import UTC, datetime
from typing import Any
from unittest.mock import patch

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.test import Client

from crm_project import exports
from crm_project.testing.admin_pages import address, messages
from crm_project.testing.rows import arrive, make_contacts, make_operator, make_source
from crm_project.testing.staff import staff
from distribution.models import Decision
from leads.models import Contact

pytestmark = pytest.mark.django_db

CONTACT, DECISION = "leads_contact", "distribution_decision"

each_list = pytest.mark.parametrize(("model", "permission"), [(CONTACT, "view_contact"), (DECISION, "view_decision")])


def exported(client: Client, model: str, **query: Any) -> list[dict[str, str]]:
    response = client.get(address(model, "export"), query)
    assert response.status_code == 200
    text = response.getvalue().decode()
    assert text.startswith("\ufeff")
    return list(csv.DictReader(io.StringIO(text.removeprefix("\ufeff"), newline=""), delimiter=";", strict=True))


class TestTheButton:
    @each_list
    def test_stands_on_the_list_and_keeps_its_filters(self, model: str, permission: str) -> None:
        page = staff(permission).get(address(model) + "?source__id__exact=5").content.decode()

        assert f'href="{address(model, "export")}?source__id__exact=5"' in page
        assert "Export to CSV" in page

    def test_speaks_russian(self, admin_client: Client) -> None:
        page = admin_client.get(address(CONTACT), headers={"Accept-Language": "ru"}).content.decode()

        assert "Выгрузить в CSV" in page


class TestContacts:
    def test_are_told_in_words_under_headings(self, admin_client: Client) -> None:
        source = make_source({make_operator(name="Anna"): 1}, name="Bot")
        contact = arrive(source, name="Ира", phone="+7 900", text="a;b\n«в»", data={"имя": 1})
        moment = datetime(2026, 11, 28, 23, 30, 5, 7, UTC)
        Contact.objects.update(created_at=moment, assigned_at=moment)

        assert exported(admin_client, CONTACT) == [
            {
                "ID": str(contact.pk),
                "External id": contact.external_id,
                "Status": "active",
                "Operator": "Anna",
                "Source": "Bot",
                "Name": "Ира",
                "Phone": "'+7 900",
                "E-mail": "",
                "Text": "a;b\n«в»",
                "Data": '{"имя": 1}',
                "Created": "2026-11-28 23:30:05",
                "Assigned": "2026-11-28 23:30:05",
                "Closed at": "",
            }
        ]

    def test_are_told_in_the_language_and_by_the_clock_of_whoever_looks(self, admin_client: Client) -> None:
        make_contacts(1, make_source(), created_at=datetime(2026, 11, 28, 23, 30, tzinfo=UTC))
        admin_client.cookies["time_zone"] = "Asia/Omsk"
        response = admin_client.get(address(CONTACT, "export"), headers={"Accept-Language": "ru"})

        headings, row = response.getvalue().decode().splitlines()
        assert "Статус" in headings
        assert "2026-11-29 05:30:00" in row
        assert "ожидает" in row

    def test_are_those_that_the_list_shows(self, admin_client: Client) -> None:
        bot, site = make_source(), make_source()
        [first, second, third] = make_contacts(3, bot, name="Ирина")
        make_contacts(1, site, name="Ирина"), make_contacts(1, bot, name="Олег")
        query = {"source__id__exact": bot.pk, "q": "ирина", "o": "-1", "p": "1"}

        found = [row["ID"] for row in exported(admin_client, CONTACT, **query)]

        assert found == [str(row.pk) for row in (first, second, third)]

    def test_of_a_filter_that_is_none_lead_back_to_the_list(self, admin_client: Client) -> None:
        response = admin_client.get(address(CONTACT, "export") + "?nothing__like=1")

        assert (response.status_code, response["Location"]) == (302, address(CONTACT) + "?nothing__like=1")


class TestDecisions:
    def test_are_told_in_words_under_headings(self, admin_client: Client) -> None:
        contact = arrive(make_source({make_operator(name="Anna"): 1}, name="Bot"))
        decision = Decision.objects.get()

        [row] = exported(admin_client, DECISION)

        assert row["ID"] == str(decision.pk)
        assert row["Contact"] == str(contact.pk)
        assert (row["Source"], row["Operator"]) == ("Bot", "Anna")
        assert (row["Set off by"], row["Kind"], row["Strategy"]) == ("arrival", "draw", "at random, by weight")

    def test_are_those_that_the_list_shows(self, admin_client: Client) -> None:
        source = make_source()
        wanted, _other = arrive(source), arrive(source)

        assert [row["Contact"] for row in exported(admin_client, DECISION, q=wanted.pk)] == [str(wanted.pk)]


class TestAccess:
    @each_list
    def test_is_for_those_who_may_see_the_rows(self, model: str, permission: str) -> None:
        assert staff(permission).get(address(model, "export")).status_code == 200
        assert staff("view_source").get(address(model, "export")).status_code == 403

    @each_list
    def test_nothing_is_posted(self, admin_client: Client, model: str, permission: str) -> None:
        assert admin_client.post(address(model, "export")).status_code == 405

    @pytest.mark.parametrize(
        ("query", "told"),
        [({}, "Export of all rows"), ({"status__exact": "waiting"}, "Export of what matches a filter")],
    )
    def test_it_is_written_down_who_exported_what(self, admin_client: Client, query: dict[str, str], told: str) -> None:
        exported(admin_client, CONTACT, **query)

        entry = LogEntry.objects.get()
        assert entry.user == User.objects.get()
        assert (entry.object_repr, entry.change_message) == ("contacts", told)

    def test_only_two_run_at_a_time(self, admin_client: Client) -> None:
        make_contacts(4, make_source())
        with patch.object(exports, "ROWS_AT_ONCE", 1):
            running = [admin_client.get(address(CONTACT, "export")) for _number in range(2)]
            refused = admin_client.get(address(CONTACT, "export") + "?q=1", follow=True)
            assert [len(one.getvalue().splitlines()) for one in running] == [5, 5]

        assert refused.redirect_chain == [(f"{address(CONTACT)}?q=1", 302)]
        assert messages(refused) == ["Other exports are running. Repeat the call in a minute, when they are done."]
