"""Endpoints in the back office."""

import random
import re
from datetime import timedelta
from html import unescape
from typing import Any

import pytest
from django.contrib.sessions.models import Session
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from model_bakery import baker

from crm_project.admin.webhooks import MOST_SECRETS_AT_ONCE, is_well
from crm_project.testing.admin_pages import address, messages, run, save, shown
from crm_project.testing.rows import make_source
from crm_project.testing.webhook_pages import (
    SECRET,
    add,
    buttons,
    change,
    fill,
    form_at,
    make_delivery,
    make_endpoint,
    page_of,
    press,
    secrets_in,
    statements,
    text,
)
from crm_project.webhooks.endpoints import in_need, kinds_heard, sources_heard, subscribe
from crm_project.webhooks.models import Attempt, Delivery, DeliveryState, Endpoint, EventKind, Secret
from distribution.models import Event

pytestmark = pytest.mark.django_db


class TestANewEndpoint:
    def test_hears_of_what_was_chosen_on_all_sources(self, admin_client: Client) -> None:
        add(admin_client, kinds=["contact.assigned", "operator.at_limit"])

        endpoint = Endpoint.objects.get()
        assert (endpoint.name, endpoint.url, endpoint.is_active) == ("Bot", "https://example.org/hook", True)
        assert kinds_heard(endpoint) == [EventKind.ASSIGNED, EventKind.AT_LIMIT]
        assert sources_heard(endpoint) is None

    def test_hears_of_the_sources_that_were_chosen(self, admin_client: Client) -> None:
        chosen, _other = make_source(), make_source()

        add(admin_client, all_sources=None, sources=[chosen.pk])

        assert sources_heard(Endpoint.objects.get()) == [chosen.pk]

    def test_gets_a_secret_that_is_shown_once(self, admin_client: Client) -> None:
        response = add(admin_client)
        endpoint = Endpoint.objects.get()
        delivery = make_delivery(endpoint)

        (secret,) = secrets_in(response)
        assert secret == Secret.objects.get().value
        pages = [address("webhooks_endpoint"), address("webhooks_endpoint", "history", endpoint.pk)]
        for url in [*pages, page_of(endpoint), page_of(delivery)]:
            assert secret[6:] not in unescape(admin_client.get(url).content.decode()), url

    @pytest.mark.parametrize(
        ("typed", "sentence"),
        [
            ({"kinds": None}, "Choose at least one event."),
            ({"kinds": ["endpoint.test"]}, "Select a valid choice."),
            ({"all_sources": None}, "Choose at least one source, or all."),
            ({"all_sources": None, "sources": ["x"]}, "“x” is not a valid value."),
            ({"name": ""}, "This field is required."),
        ],
    )
    def test_is_refused_with_what_is_wrong(self, admin_client: Client, typed: dict[str, Any], sentence: str) -> None:
        response = add(admin_client, **typed)

        assert sentence in unescape(response.content.decode())
        assert not Endpoint.objects.exists()

    def test_is_refused_under_the_name_of_another(self, admin_client: Client) -> None:
        make_endpoint(name="Bot")

        assert "already exists" in add(admin_client).content.decode()

    def test_chooses_sources_by_a_search(self, admin_client: Client) -> None:
        source = make_source(name="Telegram")
        asked = {"app_label": "webhooks", "model_name": "subscription", "field_name": "source", "term": "gram"}

        found = admin_client.get("/admin/autocomplete/", asked).json()["results"]

        assert [one["id"] for one in found] == [str(source.pk)]


class TestAChange:
    def test_makes_no_secret_and_leaves_what_it_hears_of(self, admin_client: Client) -> None:
        endpoint = make_endpoint()
        before = set(endpoint.subscriptions.values_list("pk", flat=True))

        change(admin_client, endpoint, name="Another")

        endpoint.refresh_from_db()
        assert (endpoint.name, endpoint.secrets.count()) == ("Another", 1)
        assert set(endpoint.subscriptions.values_list("pk", flat=True)) == before

    def test_of_what_it_hears_of_replaces_what_it_heard_of(self, admin_client: Client) -> None:
        endpoint, source = make_endpoint(), make_source()

        change(admin_client, endpoint, kinds=["contact.closed"], all_sources=None, sources=[source.pk])

        assert (kinds_heard(endpoint), sources_heard(endpoint)) == ([EventKind.CLOSED], [source.pk])

    def test_overwrites_nothing_that_the_sender_noted_meanwhile(self, admin_client: Client) -> None:
        endpoint, now = make_endpoint(), timezone.now()
        url, form = form_at(admin_client, "change", endpoint.pk)
        Endpoint.objects.update(is_active=False, is_gone=True, failing_since=now)

        save(admin_client, url, form, name="Another")

        endpoint.refresh_from_db()
        assert (endpoint.name, endpoint.is_active, endpoint.is_gone) == ("Another", False, True)
        assert endpoint.failing_since == now

    def test_is_told_by_the_history(self, admin_client: Client) -> None:
        endpoint = make_endpoint()

        change(admin_client, endpoint, kinds=["contact.closed"])

        assert "Changed Hears of" in text(admin_client, address("webhooks_endpoint", "history", endpoint.pk))

    def test_may_switch_off(self, admin_client: Client) -> None:
        endpoint = make_endpoint()

        change(admin_client, endpoint, is_active=None)

        endpoint.refresh_from_db()
        assert not endpoint.is_active

    def test_that_switches_on_forgets_what_was_wrong(self, admin_client: Client) -> None:
        endpoint = make_endpoint(is_active=False, is_gone=True, failing_since=timezone.now())
        delivery = make_delivery(endpoint, attempts=9, due_at=timezone.now() + timedelta(hours=5))

        change(admin_client, endpoint, is_active="on")

        for row in (endpoint, delivery):
            row.refresh_from_db()
        assert (endpoint.is_active, endpoint.is_gone, endpoint.failing_since) == (True, False, None)
        assert (delivery.attempts, delivery.due_at <= timezone.now()) == (0, True)


class TestANewSecret:
    def test_is_shown_once_and_signs_beside_the_old_one(self, admin_client: Client) -> None:
        endpoint = make_endpoint()
        old = endpoint.secrets.get()

        response = press(admin_client, endpoint, "make_secrets")

        (new,) = secrets_in(response)
        assert [secret.value for secret in endpoint.secrets.valid()] == [new, old.value]
        assert "The old one is valid for another day." in messages(response)[0]
        assert new[6:] not in unescape(admin_client.get(page_of(endpoint)).content.decode())

    def test_is_the_second_that_is_valid_at_most(self, admin_client: Client) -> None:
        endpoint = make_endpoint()

        shown_now = [secrets_in(run(admin_client, "webhooks_endpoint", "make_secrets", endpoint)) for _ in range(2)]

        assert [{secret.value} for secret in endpoint.secrets.valid()] == shown_now[::-1]

    def test_is_no_sentence_of_an_old_one_where_there_is_none(self, admin_client: Client) -> None:
        endpoint = make_endpoint()
        endpoint.secrets.all().delete()

        assert "The old one" not in messages(press(admin_client, endpoint, "make_secrets"))[0]

    def test_says_on_the_page_until_when_the_old_one_is_valid(self, admin_client: Client) -> None:
        endpoint = make_endpoint()
        press(admin_client, endpoint, "make_secrets")

        assert re.search(r"Secrets made [^,]+made [^,]+, valid until ", text(admin_client, page_of(endpoint)))

    def test_is_made_for_so_many_at_once_that_no_session_keeps_them(self, admin_client: Client) -> None:
        letters = [chr(code) for code in range(ord("а"), ord("я"))]
        names = ["".join(random.choices(letters, k=100)) for _ in range(MOST_SECRETS_AT_ONCE + 1)]
        endpoints = [make_endpoint(name=name) for name in names]

        refused = run(admin_client, "webhooks_endpoint", "make_secrets", *endpoints)
        assert messages(refused) == ["At most 5 endpoints at once."]
        assert Secret.objects.count() == len(endpoints)
        response = run(admin_client, "webhooks_endpoint", "make_secrets", *endpoints[1:])
        assert len(secrets_in(response)) == MOST_SECRETS_AT_ONCE
        for session in Session.objects.all():
            assert not SECRET.search(str(session.get_decoded()))

    def test_is_nowhere_in_the_history(self, admin_client: Client) -> None:
        endpoint = make_endpoint()
        (secret,) = secrets_in(press(admin_client, endpoint, "make_secrets"))

        history = text(admin_client, address("webhooks_endpoint", "history", endpoint.pk))
        assert "Added secret" in history
        assert secret[6:] not in history


class TestATest:
    def test_is_on_its_way_to_each(self, admin_client: Client) -> None:
        endpoints = [make_endpoint(), make_endpoint()]

        response = run(admin_client, "webhooks_endpoint", "send_tests", *endpoints)

        assert messages(response)[0] == "2 tests are on their way."
        sent = Delivery.objects.values_list("endpoint", "event__kind", "state")
        assert sorted(sent) == [(one.pk, EventKind.TEST, DeliveryState.PENDING) for one in endpoints]

    def test_leads_to_what_comes_of_it(self, admin_client: Client) -> None:
        make_delivery()
        response = press(admin_client, make_endpoint(), "send_tests")

        (link,) = re.findall('href="([^"]+)"', messages(response)[1])
        assert [row.event.kind for row in shown(admin_client.get(unescape(link)))] == [EventKind.TEST]

    def test_is_refused_to_one_that_is_off(self, admin_client: Client) -> None:
        endpoint = make_endpoint(name="Bot", is_active=False)

        response = press(admin_client, endpoint, "send_tests")

        assert messages(response) == ["Bot is off, so nothing is sent to it. Switch it on first."]
        assert not Delivery.objects.exists()


class TestSwitchingOn:
    @pytest.mark.parametrize(
        "trouble",
        [
            {"is_active": False},
            {"is_active": False, "is_gone": True},
            {"failing_since": timezone.now()},
            {"paused_until": timezone.now() + timedelta(hours=1)},
        ],
    )
    def test_ends_the_trouble_and_lets_what_waits_go(self, admin_client: Client, trouble: dict[str, Any]) -> None:
        endpoint = make_endpoint(**trouble)
        delivery = make_delivery(endpoint, attempts=9, due_at=timezone.now() + timedelta(hours=5))
        assert "switch_on" in buttons(admin_client, endpoint)

        response = press(admin_client, endpoint, "switch_on")

        for row in (endpoint, delivery):
            row.refresh_from_db()
        assert messages(response) == ["1 endpoint switched on."]
        assert (endpoint.is_active, endpoint.is_gone) == (True, False)
        assert (endpoint.failing_since, endpoint.paused_until) == (None, None)
        assert (delivery.attempts, delivery.due_at <= timezone.now()) == (0, True)

    def test_leaves_one_that_is_well_as_it_is(self, admin_client: Client) -> None:
        endpoint = make_endpoint()
        delivery = make_delivery(endpoint, attempts=3)

        response = run(admin_client, "webhooks_endpoint", "switch_on", endpoint)

        delivery.refresh_from_db()
        assert messages(response) == ["1 was so already and stays as it is."]
        assert delivery.attempts == 3

    def test_is_not_offered_where_all_is_well(self, admin_client: Client) -> None:
        assert buttons(admin_client, make_endpoint()) == {"make_secrets", "send_tests"}

    def test_comes_before_a_test(self, admin_client: Client) -> None:
        assert buttons(admin_client, make_endpoint(is_active=False)) == {"make_secrets", "switch_on"}


class TestDeleting:
    def test_says_how_many_deliveries_go_too(self, admin_client: Client) -> None:
        endpoint = make_endpoint()
        for _number in range(3):
            make_delivery(endpoint)

        assert "Deliveries: 3" in text(admin_client, address("webhooks_endpoint", "delete", endpoint.pk))

    def test_takes_the_log_and_the_secrets_along_and_nothing_of_others(self, admin_client: Client) -> None:
        endpoint, other = make_endpoint(), make_delivery()
        baker.make(Attempt, delivery=make_delivery(endpoint))
        baker.make(Attempt, delivery=other)

        admin_client.post(address("webhooks_endpoint", "delete", endpoint.pk), {"post": "yes"})

        assert list(Endpoint.objects.all()) == [other.endpoint]
        assert list(Delivery.objects.all()) == [other]
        assert (Attempt.objects.count(), Secret.objects.count()) == (1, 1)
        assert Event.objects.count() == 2

    def test_works_from_the_list(self, admin_client: Client) -> None:
        endpoint = make_endpoint()
        make_delivery(endpoint)

        run(admin_client, "webhooks_endpoint", "delete_selected", endpoint, post="yes")

        assert not Endpoint.objects.exists()

    def test_asks_the_same_of_a_long_log_as_of_a_short_one(self, admin_client: Client) -> None:
        asked = [self.deleting(admin_client, fill(count)) for count in (10, 100)]

        assert asked[0] == asked[1]
        assert not Delivery.objects.exists()

    def deleting(self, client: Client, endpoint: Endpoint) -> list[str]:
        """Delete the endpoint and return what was asked about deliveries and attempts, whatever their numbers."""
        with CaptureQueriesContext(connection) as captured:
            client.post(address("webhooks_endpoint", "delete", endpoint.pk), {"post": "yes"})
        about = [query["sql"] for query in captured if re.search("webhooks_(delivery|attempt)", query["sql"])]
        return [re.sub(r"\d+", "0", sql) for sql in about]


class TestTheListOfEndpoints:
    @pytest.mark.parametrize(
        ("fields", "told"),
        [
            ({}, "active"),
            ({"is_active": False}, "off"),
            ({"is_active": False, "is_gone": True, "failing_since": timezone.now()}, "gone"),
            ({"failing_since": timezone.now()}, "failing since"),
            ({"paused_until": timezone.now() + timedelta(hours=1)}, "asked to wait until"),
            ({"paused_until": timezone.now() - timedelta(hours=1)}, "active"),
        ],
    )
    def test_tells_how_each_is(self, admin_client: Client, fields: dict[str, Any], told: str) -> None:
        make_endpoint(name="Bot", **fields)

        told_of_it = rf"Bot {told}.{{0,30}} 0 everything · all sources https://example.org/hook"
        assert re.search(told_of_it, words_of_list(admin_client))

    @pytest.mark.parametrize(("hours", "tone"), [(23, "bg-orange"), (25, "bg-red")])
    def test_marks_one_that_has_failed_for_a_day(self, admin_client: Client, hours: int, tone: str) -> None:
        make_endpoint(failing_since=timezone.now() - timedelta(hours=hours))

        html = admin_client.get(address("webhooks_endpoint")).content.decode()
        (classes,) = re.findall(r'<span class="([^"]+)"\s*>\s*failing since', html)
        assert tone in classes
        assert in_need().exists() is (hours > 24)

    def test_tells_of_what_and_where_each_hears(self, admin_client: Client) -> None:
        endpoint = make_endpoint(name="Bot")
        subscribe(endpoint, ["contact.closed"], [make_source(name=name).pk for name in "ABCDE"])

        assert "contact.closed · A, B, C and 2 more" in words_of_list(admin_client)

    def test_tells_that_one_hears_of_nothing(self, admin_client: Client) -> None:
        baker.make(Endpoint, name="Bot", url="https://example.org/hook")

        assert "Bot active 0 nothing https://example.org/hook" in words_of_list(admin_client)

    def test_counts_what_waits_and_leads_to_it(self, admin_client: Client) -> None:
        endpoint = make_endpoint()
        waiting = [make_delivery(endpoint), make_delivery(endpoint)]
        make_delivery(endpoint, state=DeliveryState.DELIVERED)
        make_delivery()

        html = admin_client.get(address("webhooks_endpoint")).content.decode()
        (link,) = re.findall('href="([^"]+)" class="text-link">2<', html)
        assert set(shown(admin_client.get(unescape(link)))) == set(waiting)

    @pytest.mark.parametrize(("seconds", "told"), [(5, False), (7, True)])
    def test_tells_when_the_sending_is_behind(self, admin_client: Client, seconds: float, told: bool) -> None:
        make_delivery(due_at=timezone.now() - timedelta(seconds=seconds))

        assert ("Sending is 7 seconds behind." in words_of_list(admin_client)) is told

    def test_asks_as_much_of_the_database_for_many_as_for_few(self, admin_client: Client) -> None:
        fill(10)
        few = statements(admin_client, address("webhooks_endpoint"))
        for _number in range(20):
            fill(50)

        assert statements(admin_client, address("webhooks_endpoint")) == few <= 12


def words_of_list(client: Client) -> str:
    return text(client, address("webhooks_endpoint"))


@pytest.mark.parametrize(("seconds", "well"), [(-1, True), (60, False)])
def test_an_endpoint_is_well_again_when_the_pause_it_asked_for_is_over(seconds: int, well: bool) -> None:
    endpoint = make_endpoint(paused_until=timezone.now() + timedelta(seconds=seconds))

    assert is_well(endpoint) is well
