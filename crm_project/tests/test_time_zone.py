"""Times in the back office are those of the clock on the wall of whoever looks."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.contrib.staticfiles import finders
from django.http import HttpRequest, HttpResponse
from django.test import Client, RequestFactory
from django.urls import reverse
from django.utils import timezone
from pytest_django import Settings
from rest_framework.test import APIClient

from crm_project.admin.simulation import QuestionForm
from crm_project.testing.admin_pages import address, open_form, save, shown
from crm_project.testing.browser import Visit
from crm_project.testing.rows import arrive, make_operator, make_source
from crm_project.testing.server import StartServer
from crm_project.time_zone import COOKIE, in_zone_of_browser
from distribution.models import Decision
from leads.models import Contact, Source
from leads.personal import as_json, data_of

KOLKATA = "Asia/Kolkata"  # half an hour off the clocks of most others
NEW_YORK = "America/New_York"
HOSTILE = [
    "",
    " ",
    "Mars/Base",
    "../../etc/passwd",
    "/etc/passwd",
    "Europe",
    "a\0b",
    "UTC\0",
    "x" * 4000,
    "Ünknown/Zöne",
]
ZONE_OF_A_MOMENT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]+([^\"]*)")
EVENING = datetime(2026, 5, 4, 20, 15, tzinfo=UTC)


def in_zone(client: Client, zone: str) -> Client:
    """Return the browser with its zone told."""
    client.cookies[COOKIE] = zone
    return client


def zone_during(path: str, zone: str) -> str:
    """Return the name of the zone that a page at `path` is made in, for a browser in `zone`."""
    seen: list[str] = []

    def page(_request: HttpRequest) -> HttpResponse:
        seen.append(timezone.get_current_timezone_name())
        return HttpResponse()

    request = RequestFactory().get(path)
    request.COOKIES[COOKIE] = zone
    in_zone_of_browser(page)(request)
    return seen[0]


def contact_of(when: datetime, source: Source | None = None) -> Contact:
    """Register a contact as if it came at that time."""
    contact = arrive(source or make_source({make_operator(): 1}))
    Contact.objects.filter(pk=contact.pk).update(created_at=when, assigned_at=when)
    Decision.objects.filter(contact=contact).update(at=when)
    return contact


class TestTheZone:
    def test_of_a_page_is_that_of_the_browser(self) -> None:
        assert zone_during("/admin/leads/contact/", KOLKATA) == KOLKATA

    @pytest.mark.parametrize("path", ["/api/contacts", "/docs", "/i18n/setlang/", "/administration/"])
    def test_stays_that_of_the_installation_elsewhere(self, path: str) -> None:
        assert zone_during(path, KOLKATA) == "UTC"

    @pytest.mark.parametrize("name", HOSTILE)
    def test_that_nobody_knows_is_that_of_the_installation(self, name: str, settings: Settings) -> None:
        settings.TIME_ZONE = "Europe/Moscow"
        assert zone_during("/admin/", name) == "Europe/Moscow"

    @pytest.mark.parametrize("alias", ["Asia/Calcutta", "Europe/Kiev", "America/Buenos_Aires"])
    def test_may_have_the_name_that_browsers_still_use(self, alias: str) -> None:
        assert zone_during("/admin/", alias) == alias

    def test_is_forgotten_after_the_answer(self) -> None:
        zone_during("/admin/", KOLKATA)
        assert timezone.get_current_timezone_name() == "UTC"

    def test_is_forgotten_after_an_error(self) -> None:
        def broken(_request: HttpRequest) -> HttpResponse:
            raise LookupError

        request = RequestFactory().get("/admin/")
        request.COOKIES[COOKIE] = KOLKATA
        with pytest.raises(LookupError):
            in_zone_of_browser(broken)(request)
        assert timezone.get_current_timezone_name() == "UTC"


@pytest.mark.django_db
class TestTheAPIAnswersInUTC:
    @pytest.mark.parametrize(
        "path",
        [
            "contacts",
            "contacts/{contact}",
            "contacts/{contact}/decisions",
            "leads",
            "leads/{lead}",
            "leads/{lead}/data",
            "sources/{source}/fairness",
        ],
    )
    def test_wherever_the_installation_is(self, path: str, api: APIClient, settings: Settings) -> None:
        settings.TIME_ZONE = "Europe/Moscow"
        contact = contact_of(EVENING)

        answer = api.get("/api/" + path.format(contact=contact.pk, lead=contact.lead_id, source=contact.source_id))

        zones = set(ZONE_OF_A_MOMENT.findall(answer.content.decode()))
        assert (answer.status_code, zones) == (200, {"Z"})

    def test_to_a_contact_as_it_is_registered(self, api: APIClient, settings: Settings) -> None:
        settings.TIME_ZONE = "Europe/Moscow"
        source = make_source({make_operator(): 1})

        answer = api.post("/api/contacts", {"external_id": "tg:1", "source_code": source.code})

        assert set(ZONE_OF_A_MOMENT.findall(answer.content.decode())) == {"Z"}

    def test_what_is_stored_of_a_lead_is_in_utc_in_the_back_office_too(self) -> None:
        contact = contact_of(EVENING)

        with timezone.override(KOLKATA):
            text = as_json(data_of(contact.lead_id))

        assert set(ZONE_OF_A_MOMENT.findall(text)) == {"Z"}


@pytest.mark.django_db
class TestThePagesTellTheTimeOfTheZone:
    """A contact that came at 20:15 UTC came at 01:45 of the next day in Kolkata."""

    @pytest.fixture
    def client(self, admin_client: Client) -> Client:
        return in_zone(admin_client, KOLKATA)

    def text(self, client: Client, url: str) -> str:
        response = client.get(url)
        assert response.status_code == 200
        return response.content.decode()

    def test_the_list_of_contacts(self, client: Client) -> None:
        contact_of(EVENING)
        assert "1:45 a.m." in self.text(client, address("leads_contact"))

    def test_a_contact_and_its_decisions(self, client: Client) -> None:
        contact = contact_of(EVENING)
        page = self.text(client, address("leads_contact", "change", contact.pk))
        assert "1:45 a.m." in page
        assert "8:15 p.m." not in page

    def test_the_list_of_decisions(self, client: Client) -> None:
        contact_of(EVENING)
        assert "1:45 a.m." in self.text(client, address("distribution_decision"))

    def test_a_decision(self, client: Client) -> None:
        decision = Decision.objects.get(contact=contact_of(EVENING))
        page = self.text(client, address("distribution_decision", "change", decision.pk))
        assert "1:45 a.m." in page
        assert "8:15 p.m." not in page

    def test_a_lead(self, client: Client) -> None:
        contact = contact_of(EVENING)
        page = self.text(client, address("leads_lead", "change", contact.lead_id))
        assert "1:45 a.m." in page
        assert "8:15 p.m." not in page

    def test_an_unknown_zone_harms_no_page(self, client: Client) -> None:
        contact_of(EVENING)
        for name in HOSTILE:
            client.cookies[COOKIE] = name
            assert "8:15 p.m." in self.text(client, address("leads_contact"))

    def test_the_hours_of_the_chart_begin_on_the_hour_there(self, client: Client) -> None:
        arrive(make_source())
        response: Any = client.get("/admin/start/overview/")
        labels = response.context["chart"]["labels"]
        local = timezone.localtime(timezone=ZoneInfo(KOLKATA))
        assert {label.partition(":")[2] for label in labels} == {"00"}
        assert labels[-1] in {f"{local.hour:02}:00", f"{(local - timedelta(hours=1)).hour:02}:00"}

    def test_the_next_request_of_the_api_is_answered_in_utc(self, client: Client) -> None:
        contact = contact_of(EVENING)
        client.get(address("leads_contact"))
        assert client.get(f"/api/contacts/{contact.pk}").json()["created_at"] == "2026-05-04T20:15:00Z"


@pytest.mark.django_db
class TestWhatIsTypedOrChosen:
    def test_the_filter_of_today_begins_at_the_midnight_there(self, admin_client: Client) -> None:
        there = timezone.localtime(timezone=ZoneInfo("Pacific/Kiritimati"))
        midnight = there.replace(hour=0, minute=0, second=0, microsecond=0)
        source = make_source({make_operator(): 1})
        today, _yesterday = contact_of(midnight, source), contact_of(midnight - timedelta(seconds=1), source)

        page: Any = in_zone(admin_client, "Pacific/Kiritimati").get(address("leads_contact"))
        by_day = next(spec for spec in page.context["cl"].filter_specs if spec.title == "created")
        query = list(by_day.choices(page.context["cl"]))[1]["query_string"]

        assert shown(admin_client.get(address("leads_contact") + query)) == [today]

    def test_the_days_of_the_fairness_report_are_days_there(self, admin_client: Client) -> None:
        source = make_source({make_operator(): 1, make_operator(): 1})
        contact_of(EVENING, source)
        url = address("leads_source", "fairness", source.pk)

        def draws(day: str) -> list[str]:
            days = {"first": day, "last": day}
            page: Any = in_zone(admin_client, KOLKATA).get(url, days)
            return [str(sentence) for sentence in page.context["counts"]]

        assert draws("2026-05-04") != draws("2026-05-05")
        assert "1" in draws("2026-05-05")[0]

    @pytest.mark.parametrize(
        ("begins", "ends", "count"),
        [("2026-05-05T01:45", "2026-05-05T01:46", 1), ("2026-05-04T20:15", "2026-05-04T20:16", 0)],
    )
    def test_the_period_of_what_if_is_one_by_the_clock_there(self, begins: str, ends: str, count: int) -> None:
        source = make_source({make_operator(): 1})
        form = QuestionForm(source, [], {"begins": begins, "ends": ends})
        with timezone.override(KOLKATA):
            assert form.is_valid()
            assert (EVENING in form.question().period) == bool(count)

    def test_the_period_of_what_if_is_offered_by_the_clock_there(self, admin_client: Client) -> None:
        url = reverse("admin:leads_source_simulate", args=[make_source({make_operator(): 1}).pk])
        fields = open_form(in_zone(admin_client, KOLKATA), url, "simulation_form")
        ends = datetime.fromisoformat(str(fields["ends"])).replace(tzinfo=ZoneInfo(KOLKATA))
        assert timedelta(0) < ends - timezone.now() <= timedelta(minutes=1)

    @pytest.mark.parametrize("zone", [KOLKATA, NEW_YORK])
    def test_a_period_out_of_the_calendar_is_told_at_its_field(self, admin_client: Client, zone: str) -> None:
        source = make_source({make_operator(): 1})
        url = reverse("admin:leads_source_simulate", args=[source.pk])
        fields = open_form(in_zone(admin_client, zone), url, "simulation_form")
        typed = {"begins": "0001-01-01T00:00", "ends": "9999-12-31T23:59"}
        assert "begins" in save(admin_client, url, fields, **typed).context["form"].errors


@pytest.mark.once
class TestTheBrowser:
    @pytest.mark.django_db
    def test_is_given_the_script_from_the_first_page_on(self, client: Client) -> None:
        assert '"/static/crm_project/zone.js"' in client.get("/admin/login/").content.decode()
        assert finders.find("crm_project/zone.js")

    def test_tells_its_zone(self, server: StartServer, visit: Visit) -> None:
        page = visit(server()).go("/admin/login/").page
        (cookie,) = [cookie for cookie in page.context.cookies() if cookie["name"] == COOKIE]
        told = (cookie["value"], cookie["path"], cookie["sameSite"], cookie["secure"])
        assert told == ("Europe/Moscow", "/", "Lax", False)
