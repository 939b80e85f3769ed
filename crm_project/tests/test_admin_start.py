"""The start page of the back office: what it shows to whom, and that it stays quick."""

import re
from datetime import timedelta
from html import unescape
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from model_bakery import baker
from pytest_django import Settings

from crm_project.testing.admin_pages import address, shown
from crm_project.testing.rows import arrive, make_operator, make_source
from crm_project.testing.staff import staff
from crm_project.webhooks.models import Endpoint
from distribution.handling import close_contact
from distribution.roster import change_operator
from leads.models import Contact, Source
from operators.models import Operator, Weight

pytestmark = pytest.mark.django_db

START, PART, SHARES = "/admin/", "/admin/start/overview/", "/admin/start/shares/"


def text(client: Client, url: str = START, **headers: Any) -> str:
    """Return the words of the page on one line."""
    return words(client.get(url, headers=headers).content.decode())


def words(html: str) -> str:
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", html)).split())


def context(client: Client, url: str = PART) -> dict[str, Any]:
    response: Any = client.get(url)
    return response.context


def sources(client: Client) -> Any:
    """Return what the page shows of the shares of sources."""
    return context(client, SHARES)["sources"]


def figures(client: Client) -> dict[str, tuple[str, str]]:
    """Return the number and the note of each figure by its name."""
    return {figure.name: (figure.number, figure.note) for figure in context(client)["figures"]}


def behind(client: Client, figure: str) -> list[Any]:
    """Follow the link of a figure and return the rows of the list."""
    (url,) = [one.url for one in context(client)["figures"] if one.name == figure]
    return shown(client.get(url))


def sentences(client: Client) -> list[str]:
    return [complaint.sentence for complaint in context(client)["complaints"]]


def wait_since(contact: Contact, minutes: float) -> Contact:
    Contact.objects.filter(pk=contact.pk).update(created_at=timezone.now() - timedelta(minutes=minutes))
    return contact


class TestTheFigures:
    def test_count_what_waits_with_the_age_of_the_oldest_and_lead_to_it(self, admin_client: Client) -> None:
        close_contact(arrive(make_source({make_operator(): 1})).pk)
        waiting = [wait_since(arrive(make_source()), 42.5), arrive(make_source())]
        assert figures(admin_client)["Waiting now"] == ("2", "the oldest for 42\xa0minutes")
        assert set(behind(admin_client, "Waiting now")) == set(waiting)

    def test_say_that_nobody_waits(self, admin_client: Client) -> None:
        assert figures(admin_client)["Waiting now"] == ("0", "nobody waits")

    def test_count_what_is_active_and_lead_to_it(self, admin_client: Client) -> None:
        active = arrive(make_source({make_operator(): 1}))
        close_contact(arrive(make_source({make_operator(): 1})).pk)
        assert figures(admin_client)["Active now"] == ("1", "")
        assert behind(admin_client, "Active now") == [active]

    def test_count_free_places_and_lead_to_who_has_some(self, admin_client: Client) -> None:
        free = make_operator(max_load=4)
        arrive(make_source({free: 1}))
        make_operator(max_load=0)
        make_operator(is_active=False)
        assert figures(admin_client)["Free places"] == ("3", "with 1 operator")
        assert behind(admin_client, "Free places") == [free]

    def test_count_who_is_at_the_limit_and_lead_to_them(self, admin_client: Client) -> None:
        make_operator(max_load=4)
        full = make_operator(max_load=0)
        make_operator(max_load=0, is_active=False)
        assert figures(admin_client)["Operators at the limit"] == ("1", "of 2 active operators")
        assert behind(admin_client, "Operators at the limit") == [full]

    def test_do_not_count_whoever_is_paused_as_being_at_the_limit(self, admin_client: Client) -> None:
        make_operator(max_load=4, is_paused=True)
        assert figures(admin_client)["Operators at the limit"] == ("0", "of 1 active operator")
        assert behind(admin_client, "Operators at the limit") == []

    def test_put_the_number_of_those_who_wait_in_the_title(self, admin_client: Client) -> None:
        arrive(make_source())
        assert context(admin_client)["live_title"] == "(1) Overview"


class TestTheChart:
    def test_shows_each_source_and_the_same_as_a_table(self, admin_client: Client) -> None:
        source = make_source(name="Telegram")
        arrive(source)
        arrive(source)
        chart = context(admin_client)["chart"]
        assert [(row.name, row.total) for row in chart["series"]] == [("Telegram", 2)]
        assert [(label, counts, total) for label, counts, total in chart["rows"] if total] == [
            (chart["labels"][-1], [2], 2)
        ]
        assert "Telegram 2" in text(admin_client, PART)

    def test_stacks_the_sources_within_the_scale(self, admin_client: Client) -> None:
        big, small = make_source(), make_source()
        for source in (big, big, big, small):
            arrive(source)
        chart = context(admin_client)["chart"]
        parts = [(part.top, part.height) for part in chart["bars"][-1].parts]
        assert (chart["top"], parts) == (4, [("25.00%", "75.00%"), ("0.00%", "25.00%")])

    def test_says_what_a_bar_is_made_of(self, admin_client: Client) -> None:
        arrive(make_source(name="Telegram"))
        chart = context(admin_client)["chart"]
        assert chart["bars"][-1].told == f"from {chart['labels'][-1]}: 1 contact\nTelegram: 1"

    def test_puts_the_small_sources_together(self, admin_client: Client) -> None:
        for number in range(9):
            arrive(make_source(name=f"Bot {number}"))
        series = context(admin_client)["chart"]["series"]
        assert [row.name for row in series] == [*(f"Bot {number}" for number in range(6)), "3 other sources"]
        assert series[-1].total == 3

    def test_is_there_before_anything_came_in(self, admin_client: Client) -> None:
        chart = context(admin_client)["chart"]
        assert (len(chart["bars"]), chart["top"], chart["total"]) == (24, 2, "0 contacts")


class TestTheLoads:
    def test_show_each_operator_with_the_way_to_their_page(self, admin_client: Client) -> None:
        operator = make_operator(name="Anna", max_load=4)
        arrive(make_source({operator: 1}))
        (row,) = context(admin_client)["loads"]["rows"]
        assert (row["name"], row["load"], row["width"]) == ("Anna", "1 / 4", "25.00%")
        assert row["url"] == address("operators_operator", "change", operator.pk)

    def test_stop_at_thirty_and_lead_to_all(self, admin_client: Client) -> None:
        baker.make(Operator, name="Anna", _quantity=31)
        loads = context(admin_client)["loads"]
        assert (len(loads["rows"]), loads["more"]) == (30, 1)
        assert len(shown(admin_client.get(loads["url"]))) == 31

    def test_are_full_at_most(self, admin_client: Client) -> None:
        operator = make_operator()
        source = make_source({operator: 1})
        for _number in range(2):
            arrive(source)
        Operator.objects.update(max_load=1)
        (row,) = context(admin_client)["loads"]["rows"]
        assert (row["width"], row["is_full"]) == ("100.00%", True)


class TestTheShares:
    def test_show_expected_beside_actual(self, admin_client: Client) -> None:
        source = make_source({make_operator(name="Anna"): 3}, name="Telegram")
        arrive(source)
        Weight.objects.create(source=source, operator=make_operator(name="Boris"), weight=1)
        assert "Telegram Fairness of draws at random, by weight · 1 contact" in text(admin_client, SHARES)
        assert "Anna 75% 100% Boris 25% 0%" in text(admin_client, SHARES)

    def test_are_drawn_beside_the_highest_of_the_source(self, admin_client: Client) -> None:
        make_source({make_operator(): 2, make_operator(): 1, make_operator(): 1})
        (source,) = sources(admin_client)["rows"]
        marks = [(row["mark"], row["width"]) for row in source["operators"]]
        assert marks == [("100.00%", "0.00%"), ("50.00%", "0.00%"), ("50.00%", "0.00%")]

    def test_say_why_nothing_is_expected(self, admin_client: Client) -> None:
        make_source({make_operator(name="Anna", max_load=0): 3})
        assert "Anna at the limit 0%" in text(admin_client, SHARES)

    def test_expect_nothing_of_a_strategy_without_weights(self, admin_client: Client) -> None:
        make_source({make_operator(name="Anna"): 3}, strategy="least_loaded")
        assert "Anna – 0%" in text(admin_client, SHARES)


class TestWhatNeedsAttention:
    def test_is_nothing_in_good_order(self, admin_client: Client) -> None:
        arrive(make_source({make_operator(): 1}))
        assert sentences(admin_client) == []
        assert "Nothing: everything runs as it should." in text(admin_client, PART)

    def test_is_who_waits_longer_than_the_setting_says(self, admin_client: Client, settings: Settings) -> None:
        settings.WAITING_TOO_LONG_MINUTES = 5
        wait_since(arrive(make_source({make_operator(max_load=0): 1})), 6.5)
        wait_since(arrive(make_source({make_operator(max_load=0): 1})), 4)
        complaint = context(admin_client)["complaints"][0]
        assert complaint.sentence == "1 contact has waited longer than 5 minutes; the oldest for 6\xa0minutes."
        assert 'status__exact=waiting"' in complaint.links[0]

    @pytest.mark.parametrize(
        ("weights", "sentence"),
        [
            ({}, "1 source has no operators: give somebody a weight."),
            ({"weight": 0}, "1 source has only weights of 0: nobody is ever drawn."),
            ({"weight": 1}, "1 source has nobody available: new contacts will wait."),
        ],
    )
    def test_is_a_source_that_nobody_serves_with_the_way_to_it(
        self, admin_client: Client, weights: dict[str, int], sentence: str
    ) -> None:
        source = make_source()
        if weights:
            Weight.objects.create(source=source, operator=make_operator(is_active=False), **weights)
        (complaint,) = context(admin_client)["complaints"]
        assert complaint.sentence == sentence
        assert address("leads_source", "change", source.pk) in complaint.links[0]

    def test_is_an_operator_without_weight_with_the_way_to_them(self, admin_client: Client) -> None:
        operator = make_operator()
        (complaint,) = context(admin_client)["complaints"]
        assert complaint.sentence == "1 active operator has no weight anywhere and gets nothing."
        assert address("operators_operator", "change", operator.pk) in complaint.links[0]

    def test_is_an_operator_who_got_nothing_for_days(self, admin_client: Client) -> None:
        source = make_source({make_operator(): 1})
        arrive(source)
        Weight.objects.create(source=source, operator=make_operator(), weight=1)
        Operator.objects.update(created_at=timezone.now() - timedelta(days=4))
        assert sentences(admin_client) == ["1 active operator has had room and got nothing for 3 days."]

    @pytest.mark.parametrize(
        ("before", "change"),
        [({"is_paused": True}, {"is_paused": False}), ({"max_load": 0}, {"max_load": 5})],
    )
    def test_is_nobody_who_came_back_or_got_room_today(
        self, admin_client: Client, before: dict[str, Any], change: dict[str, Any]
    ) -> None:
        operator = make_operator(**before)
        source = make_source({make_operator(): 1})
        arrive(source)
        Weight.objects.create(source=source, operator=operator, weight=1)
        Operator.objects.update(created_at=timezone.now() - timedelta(days=4))
        change_operator(operator.pk, **change)
        assert sentences(admin_client) == []

    @pytest.mark.parametrize(
        ("trouble", "sentence"),
        [
            (
                {"is_active": False, "is_gone": True},
                "1 endpoint answered that it is gone and is told nothing: switch it on again or delete it.",
            ),
            ({"failing_since": timezone.now() - timedelta(hours=25)}, "1 endpoint has heard nothing for a day."),
        ],
    )
    def test_is_an_endpoint_that_does_not_hear_with_the_way_to_it(
        self, admin_client: Client, trouble: dict[str, Any], sentence: str
    ) -> None:
        arrive(make_source({make_operator(): 1}))
        endpoint = baker.make(Endpoint, **trouble)
        (complaint,) = context(admin_client)["complaints"]
        assert (complaint.sentence, complaint.tone) == (sentence, "danger")
        assert address("webhooks_endpoint", "change", endpoint.pk) in complaint.links[0]

    @pytest.mark.parametrize(
        "fields",
        [{}, {"is_active": False}, {"failing_since": timezone.now() - timedelta(hours=23)}],
    )
    def test_is_no_endpoint_that_is_off_or_has_failed_for_some_hours(
        self, admin_client: Client, fields: dict[str, Any]
    ) -> None:
        arrive(make_source({make_operator(): 1}))
        baker.make(Endpoint, **fields)
        assert sentences(admin_client) == []

    def test_names_ten_and_leads_to_the_list_for_the_others(self, admin_client: Client) -> None:
        for _number in range(12):
            make_source()
        (complaint,) = context(admin_client)["complaints"]
        assert (len(complaint.links), "and 2 more" in complaint.links[-1]) == (11, True)


class TestPermissions:
    @pytest.fixture(autouse=True)
    def _house(self) -> None:
        arrive(make_source({make_operator(name="Anna"): 1}, name="Telegram"))
        arrive(make_source(name="Site"))
        make_operator(name="Boris")

    def test_who_may_see_contacts_sees_what_came_and_what_waits(self) -> None:
        client = staff("view_contact")
        shown_parts = context(client)
        assert figures(client).keys() == {"Waiting now", "Active now"}
        assert (shown_parts["loads"], sources(client)) == (None, None)
        assert "Anna" not in text(client)

    def test_who_may_see_operators_sees_their_loads(self) -> None:
        client = staff("view_operator")
        shown_parts = context(client)
        assert figures(client).keys() == {"Free places", "Operators at the limit"}
        assert (shown_parts["chart"], sources(client)) == (None, None)
        assert sentences(client) == ["1 active operator has no weight anywhere and gets nothing."]
        assert "Telegram" not in text(client)

    def test_who_may_see_sources_sees_their_shares(self) -> None:
        client = staff("view_source")
        shown_parts = context(client)
        assert (figures(client), shown_parts["chart"], shown_parts["loads"]) == ({}, None, None)
        assert sentences(client) == ["1 source has no operators: give somebody a weight."]
        assert len(sources(client)["rows"]) == 2

    def test_who_may_see_endpoints_is_told_which_do_not_hear(self) -> None:
        baker.make(Endpoint, is_gone=True)
        told = "1 endpoint answered that it is gone and is told nothing: switch it on again or delete it."
        assert sentences(staff("view_endpoint")) == [told]
        assert told not in sentences(staff("view_source"))

    def test_who_may_see_nothing_is_told_so(self) -> None:
        client = staff()
        for url in (START, PART):
            page = text(client, url)
            assert "You may see neither contacts nor operators nor sources." in page
            assert "Needs attention" not in page
        assert text(client, SHARES) == ""

    @pytest.mark.parametrize("url", [START, PART, SHARES])
    def test_a_stranger_is_sent_to_the_log_in(self, url: str) -> None:
        assert Client().get(url).headers["Location"] == f"/admin/login/?next={url}"


class TestTheRefresh:
    @pytest.mark.parametrize(("url", "seconds"), [(PART, 5), (SHARES, 30)])
    def test_asks_for_the_part_that_the_page_has(self, admin_client: Client, url: str, seconds: int) -> None:
        arrive(make_source({make_operator(name="Anna"): 1}))
        page, part = (admin_client.get(place).content.decode() for place in (START, url))
        assert f'<section data-live="{url}" data-live-seconds="{seconds}">' in page
        assert "data-live-status" in page
        assert "<html" not in part
        assert words(part) in words(page)

    def test_tells_the_title_on_its_first_element(self, admin_client: Client) -> None:
        part = admin_client.get(PART).content.decode().strip()
        assert part.startswith('<div class="start" data-live-title="Overview">')


@pytest.mark.parametrize("url", [START, PART, SHARES])
def test_a_large_house_takes_no_more_statements_than_a_small_one(admin_client: Client, url: str) -> None:
    fill(operators=10, sources=2)
    admin_client.get(url)
    with CaptureQueriesContext(connection) as small:
        admin_client.get(url)
    fill(operators=990, sources=20)
    with CaptureQueriesContext(connection) as large:
        admin_client.get(url)
    assert len(large) == len(small) <= 20


def fill(operators: int, sources: int) -> None:
    """Store so many operators and sources, contacts on each, and a source that nobody serves."""
    rows = Operator.objects.bulk_create([Operator(name=f"Operator {number}") for number in range(operators)])
    for source in [make_source() for _number in range(sources)]:
        Weight.objects.bulk_create(Weight(source=source, operator=operator, weight=1) for operator in rows[:50])
        arrive(source)
    arrive(make_source())
    baker.make(Endpoint, is_gone=True, _quantity=sources)


class TestRussian:
    @pytest.mark.parametrize(
        ("count", "told"), [(1, "1 обращение"), (2, "2 обращения"), (5, "5 обращений"), (21, "21 обращение")]
    )
    def test_counts_contacts(self, admin_client: Client, count: int, told: str) -> None:
        source = make_source({make_operator(max_load=100): 1})
        for _number in range(count):
            arrive(source)
        page = text(admin_client, PART, accept_language="ru")
        assert f"Обращения по часам за последние сутки {told} " in page

    @pytest.mark.parametrize(
        ("count", "told"),
        [
            (1, "1 обращение ожидает дольше"),
            (2, "2 обращения ожидают дольше"),
            (5, "5 обращений ожидают дольше"),
        ],
    )
    def test_complains_of_waiting(self, admin_client: Client, count: int, told: str) -> None:
        source: Source = make_source()
        for _number in range(count):
            wait_since(arrive(source), 20)
        assert f"{told}, чем 10 минут; самое давнее — 20\xa0минут" in context_in_russian(admin_client)


def context_in_russian(client: Client) -> str:
    return unescape(client.get(PART, headers={"accept-language": "ru"}).content.decode())
