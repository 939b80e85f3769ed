"""Endpoints and deliveries in the back office."""

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
from django.utils.translation import override
from model_bakery import baker

from crm_project.admin.deliveries import FAILURES
from crm_project.admin.webhooks import MOST_SECRETS_AT_ONCE, is_well
from crm_project.testing.admin_pages import Fields, address, messages, open_form, run, save, shown
from crm_project.testing.rows import arrive, make_operator, make_source
from crm_project.testing.staff import staff
from crm_project.webhooks.endpoints import add_secret, in_need, kinds_heard, sources_heard, subscribe
from crm_project.webhooks.messages import body_of
from crm_project.webhooks.models import Attempt, Delivery, DeliveryState, Endpoint, EventKind, Secret
from crm_project.webhooks.sending import Failure
from distribution.models import Event

pytestmark = pytest.mark.django_db

SECRET = re.compile(r"whsec_[A-Za-z0-9+/]{43}=")
DATE = r"\d\d/\d\d/\d{4}"
MANAGES = ("view_endpoint", "add_endpoint", "change_endpoint", "delete_endpoint", "view_delivery")
LOOKS = ("view_endpoint", "view_delivery")


def make_endpoint(**fields: Any) -> Endpoint:
    """Store an endpoint that hears of everything, with a secret."""
    endpoint = baker.make(Endpoint, **{"url": "https://example.org/hook", **fields})
    subscribe(endpoint, EventKind.values, None)
    add_secret(endpoint)
    return endpoint


def make_delivery(endpoint: Endpoint | None = None, **fields: Any) -> Delivery:
    """Store a delivery about a contact that has just been assigned."""
    contact = arrive(make_source({make_operator(): 1}))
    event = Event.objects.filter(contact=contact).latest("pk")
    Delivery.objects.all().filter(event=event).delete()
    return Delivery.objects.create(endpoint=endpoint or make_endpoint(), event=event, contact=contact, **fields)


def form_at(client: Client, page: str, *arguments: object) -> tuple[str, Fields]:
    url = address("webhooks_endpoint", page, *arguments)
    return url, open_form(client, url, "endpoint_form")


def add(client: Client, **typed: Any) -> Any:
    url, form = form_at(client, "add")
    new = {"name": "Bot", "url": "https://example.org/hook", "kinds": ["contact.assigned"], **typed}
    return save(client, url, {**form, **new})


def change(client: Client, endpoint: Endpoint, **typed: Any) -> Any:
    return save(client, *form_at(client, "change", endpoint.pk), **typed)


def press(client: Client, row: Any, action: str) -> Any:
    """Press a button above the page of the row."""
    return client.post(page_of(row), {"CHANGE_FORM-action": action, "_selected_action": row.pk}, follow=True)


def page_of(row: Any) -> str:
    return address(f"webhooks_{row._meta.model_name}", "change", row.pk)


def text(client: Client, url: str, **headers: str) -> str:
    """Return the words of the page on one line."""
    html = client.get(url, headers=headers).content.decode()
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", html)).split())


def secrets_in(response: Any) -> set[str]:
    return {secret for message in messages(response) for secret in SECRET.findall(unescape(message))}


def buttons(client: Client, row: Any) -> set[str]:
    """Return the actions that the page of the row offers."""
    page: Any = client.get(page_of(row))
    form = page.context["action_form"]
    return {name for name, _description in form.fields["action"].choices if name} if form else set()


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


class TestTheListOfDeliveries:
    def test_tells_what_of_whom_to_whom(self, admin_client: Client) -> None:
        delivery = make_delivery(make_endpoint(name="Bot"), state=DeliveryState.GIVEN_UP, attempts=13)

        told = f"a contact was given to an operator {delivery.contact_id} Bot given up 13 -"
        assert told in text(admin_client, address("webhooks_delivery"))

    @pytest.mark.parametrize(
        ("endpoint", "delivery", "told"),
        [
            ({}, {}, "now"),
            ({}, {"due_at": timezone.now() + timedelta(hours=5)}, DATE),
            ({"paused_until": timezone.now() + timedelta(hours=5)}, {}, DATE),
            ({"is_active": False}, {}, "when the endpoint is switched on"),
        ],
    )
    def test_tells_when_it_is_sent_next(
        self, admin_client: Client, endpoint: dict[str, Any], delivery: dict[str, Any], told: str
    ) -> None:
        make_delivery(make_endpoint(name="Bot", **endpoint), **delivery)

        assert re.search(rf"Bot to be sent 0 {told}", text(admin_client, address("webhooks_delivery")))

    def test_is_narrowed_to_an_endpoint_a_state_and_a_kind(self, admin_client: Client) -> None:
        wanted = make_delivery()
        make_delivery(wanted.endpoint, state=DeliveryState.GIVEN_UP)
        test = make_delivery(wanted.endpoint)
        Event.objects.filter(pk=test.event_id).update(kind=EventKind.TEST)
        make_delivery()

        filters: dict[str, Any] = {
            "endpoint__id__exact": wanted.endpoint_id,
            "state__exact": DeliveryState.PENDING,
            "event__kind__exact": EventKind.ASSIGNED,
        }
        assert shown(admin_client.get(address("webhooks_delivery"), filters)) == [wanted]

    def test_is_searched_by_the_number_of_a_contact(self, admin_client: Client) -> None:
        wanted, _other = make_delivery(), make_delivery()

        assert shown(admin_client.get(address("webhooks_delivery"), {"q": str(wanted.contact_id)})) == [wanted]
        assert shown(admin_client.get(address("webhooks_delivery"), {"q": "no number"})) == []

    def test_asks_as_much_of_the_database_for_many_as_for_few(self, admin_client: Client) -> None:
        endpoint = fill(10)
        few = statements(admin_client, address("webhooks_delivery"))
        fill(990, endpoint)

        assert statements(admin_client, address("webhooks_delivery")) == few <= 10

    @pytest.mark.parametrize("page", ["add", "change", "delete"])
    def test_is_written_by_nobody(self, admin_client: Client, page: str) -> None:
        delivery = make_delivery()
        arguments = [] if page == "add" else [delivery.pk]

        response = admin_client.post(address("webhooks_delivery", page, *arguments), {"post": "yes", "attempts": "7"})

        delivery.refresh_from_db()
        assert (response.status_code, delivery.attempts) == (403, 0)


class TestThePageOfADelivery:
    def test_shows_the_message_to_the_letter_as_it_was_sent(self, admin_client: Client) -> None:
        delivery = make_delivery(body='{"type": "contact.assigned",  "data": "как было"}')

        page = text(admin_client, page_of(delivery))
        assert "The message as it was sent POST https://example.org/hook Content-Type: application/json" in page
        assert f"webhook-id: evt_{delivery.event_id} webhook-timestamp: ‹the moment of the attempt" in page
        assert delivery.body in unescape(admin_client.get(page_of(delivery)).content.decode())

    def test_shows_no_signature(self, admin_client: Client) -> None:
        page = text(admin_client, page_of(make_delivery(body="{}")))

        assert "webhook-signature: ‹made at each attempt with each secret that is valid then›" in page
        assert "v1," not in page

    def test_shows_before_the_first_attempt_what_would_be_sent(self, admin_client: Client) -> None:
        delivery = make_delivery()

        page = text(admin_client, page_of(delivery))
        assert "The message as it would be sent now" in page
        assert body_of(delivery.event) in page
        assert "Attempts Nothing was sent yet." in page

    @pytest.mark.parametrize(
        ("attempt", "told"),
        [
            ({"status": 204}, "204 heard -"),
            ({"status": 500, "answer": "oh <b>no</b>"}, "500 an error was answered oh <b>no</b>"),
            ({"status": 410}, "410 wants to be told nothing any more -"),
            ({"status": 302, "failure": Failure.REDIRECT}, "302 sent on to another address, which is not followed -"),
            ({"failure": Failure.TIMEOUT}, "- no answer in time -"),
            ({"failure": Failure.NO_CONNECTION}, "- no connection -"),
            ({"failure": Failure.NO_HTTP}, "- what was answered is no HTTP -"),
            ({"failure": Failure.ADDRESS_REFUSED}, "- the name leads to an address that may not be called -"),
            ({"failure": Failure.NOT_SECURE}, "- without https only the networks in WEBHOOK_NETWORKS are called -"),
        ],
    )
    def test_tells_each_attempt(self, admin_client: Client, attempt: dict[str, Any], told: str) -> None:
        delivery = make_delivery()
        at = timezone.now().replace(hour=12, minute=34, second=56)
        Attempt.objects.create(delivery=delivery, milliseconds=5067, at=at, **attempt)

        assert f"12:34:56 5067 {told}" in text(admin_client, page_of(delivery))

    def test_has_words_for_every_failure_in_both_languages(self, admin_client: Client) -> None:
        delivery = make_delivery()
        for failure in Failure:
            Attempt.objects.create(delivery=delivery, milliseconds=1, failure=failure)

        for language in ("en", "ru"):
            page = text(admin_client, page_of(delivery), accept_language=language)
            with override(language):
                assert not [failure for failure in Failure if str(FAILURES[failure]) not in page]

    def test_asks_as_much_of_the_database_after_many_attempts(self, admin_client: Client) -> None:
        delivery = make_delivery(body="{}")
        baker.make(Attempt, delivery=delivery)
        few = statements(admin_client, page_of(delivery))
        baker.make(Attempt, delivery=delivery, _quantity=40)

        assert statements(admin_client, page_of(delivery)) == few


class TestSendingAgain:
    @pytest.mark.parametrize("state", [DeliveryState.DELIVERED, DeliveryState.GIVEN_UP])
    def test_makes_it_due_with_its_message_as_it_was(self, admin_client: Client, state: DeliveryState) -> None:
        delivery = make_delivery(state=state, attempts=13, body="{}", due_at=timezone.now() - timedelta(days=3))

        response = press(admin_client, delivery, "send_again")

        delivery.refresh_from_db()
        assert messages(response) == ["1 delivery will be sent again."]
        assert (delivery.state, delivery.attempts, delivery.body) == (DeliveryState.PENDING, 0, "{}")
        assert timezone.now() - delivery.due_at < timedelta(minutes=1)

    def test_leaves_what_is_still_to_be_sent(self, admin_client: Client) -> None:
        pending, over = make_delivery(attempts=4), make_delivery(state=DeliveryState.GIVEN_UP)

        response = run(admin_client, "webhooks_delivery", "send_again", pending, over)

        pending.refresh_from_db()
        assert pending.attempts == 4
        assert messages(response) == [
            "1 delivery will be sent again.",
            "1 delivery is still to be sent and stays as it is.",
        ]

    def test_reaches_all_that_match_the_filter(self, admin_client: Client) -> None:
        endpoint = fill(120, state=DeliveryState.GIVEN_UP)
        other = make_delivery(state=DeliveryState.GIVEN_UP)
        url = f"{address('webhooks_delivery')}?endpoint__id__exact={endpoint.pk}"
        one = endpoint.deliveries.latest("pk")

        admin_client.post(url, {"action": "send_again", "_selected_action": one.pk, "select_across": "1"})

        other.refresh_from_db()
        assert (endpoint.deliveries.filter(state="pending").count(), other.state) == (120, "given_up")

    def test_says_that_one_that_is_off_hears_later(self, admin_client: Client) -> None:
        delivery = make_delivery(make_endpoint(name="Bot", is_active=False), state=DeliveryState.GIVEN_UP)

        response = press(admin_client, delivery, "send_again")

        assert "Bot is off: they are sent when it is switched on." in messages(response)

    def test_stands_in_the_history_of_the_endpoint(self, admin_client: Client) -> None:
        delivery = make_delivery(state=DeliveryState.GIVEN_UP)

        press(admin_client, delivery, "send_again")

        history = address("webhooks_endpoint", "history", delivery.endpoint_id)
        assert "Added deliveries sent again “1”" in text(admin_client, history)

    def test_is_offered_when_it_is_over(self, admin_client: Client) -> None:
        assert buttons(admin_client, make_delivery()) == set()
        assert buttons(admin_client, make_delivery(state=DeliveryState.DELIVERED)) == {"send_again"}


class TestPermissions:
    def test_whoever_manages_endpoints_does_all_of_it(self) -> None:
        client = staff(*MANAGES)
        add(client)
        delivery = make_delivery(Endpoint.objects.get(), state=DeliveryState.GIVEN_UP)

        assert secrets_in(press(client, delivery.endpoint, "make_secrets"))
        press(client, delivery, "send_again")

        delivery.refresh_from_db()
        assert delivery.state == DeliveryState.PENDING

    def test_whoever_only_looks_sees_all_and_is_offered_nothing(self) -> None:
        client = staff(*LOOKS)
        delivery = make_delivery(make_endpoint(name="Bot"), state=DeliveryState.GIVEN_UP)

        assert "everything · all sources" in text(client, page_of(delivery.endpoint))
        assert "Secrets" not in text(client, page_of(delivery.endpoint))
        assert (buttons(client, delivery.endpoint), buttons(client, delivery)) == (set(), set())

    @pytest.mark.parametrize("action", ["make_secrets", "send_tests", "switch_on", "delete_selected"])
    def test_whoever_only_looks_can_do_nothing_to_endpoints(self, action: str) -> None:
        client, endpoint = staff(*LOOKS), make_endpoint(failing_since=timezone.now())

        press(client, endpoint, action)
        run(client, "webhooks_endpoint", action, endpoint, post="yes")

        endpoint.refresh_from_db()
        assert (endpoint.failing_since is None, endpoint.secrets.count(), Delivery.objects.count()) == (False, 1, 0)

    def test_whoever_only_looks_cannot_send_again(self) -> None:
        client, delivery = staff(*LOOKS), make_delivery(state=DeliveryState.GIVEN_UP)

        press(client, delivery, "send_again")
        run(client, "webhooks_delivery", "send_again", delivery)

        delivery.refresh_from_db()
        assert delivery.state == DeliveryState.GIVEN_UP

    def test_whoever_may_not_look_sees_neither(self) -> None:
        client, delivery = staff("view_contact"), make_delivery()

        for url in (address("webhooks_endpoint"), address("webhooks_delivery"), page_of(delivery)):
            assert client.get(url).status_code == 403
        assert "Webhooks" not in text(client, "/admin/")


class TestRussian:
    @pytest.mark.parametrize(
        ("count", "told"), [(1, "1 доставка"), (3, "3 доставки"), (5, "5 доставок"), (21, "21 доставка")]
    )
    def test_counts_deliveries(self, admin_client: Client, count: int, told: str) -> None:
        fill(count)

        assert told in text(admin_client, address("webhooks_delivery"), accept_language="ru")

    def test_tells_the_state_and_the_lag(self, admin_client: Client) -> None:
        make_endpoint(failing_since=timezone.now())
        make_delivery(due_at=timezone.now() - timedelta(seconds=22))

        page = text(admin_client, address("webhooks_endpoint"), accept_language="ru")
        assert "не принимает с " in page
        assert "Отправка отстаёт на 22 секунды." in page

    def test_shows_the_secret(self, admin_client: Client) -> None:
        admin_client.cookies["django_language"] = "ru"

        response = press(admin_client, make_endpoint(), "make_secrets")

        assert secrets_in(response)
        assert "показан только один раз" in messages(response)[0]
        assert "Прежний действует ещё сутки." in messages(response)[0]


def words_of_list(client: Client) -> str:
    return text(client, address("webhooks_endpoint"))


def statements(client: Client, url: str) -> int:
    """Return how many statements the page takes when it is asked for the second time."""
    client.get(url)
    with CaptureQueriesContext(connection) as captured:
        assert client.get(url).status_code == 200
    return len(captured)


def fill(count: int, endpoint: Endpoint | None = None, **fields: Any) -> Endpoint:
    """Store an endpoint, unless given, with so many deliveries of its own, each with an attempt."""
    first = make_delivery(endpoint or make_endpoint(), **fields)
    contact = first.event.contact
    assert contact
    event = {"kind": EventKind.ASSIGNED, "contact": contact, "source": contact.source, "operator": contact.operator}
    events = Event.objects.bulk_create(Event(sequence=100 + number, **event) for number in range(count - 1))
    rows = [Delivery(event=event, endpoint=first.endpoint, contact=contact, **fields) for event in events]
    deliveries = Delivery.objects.bulk_create(rows)
    Attempt.objects.bulk_create(Attempt(delivery=one, milliseconds=1) for one in [first, *deliveries])
    return first.endpoint


@pytest.mark.parametrize(("seconds", "well"), [(-1, True), (60, False)])
def test_an_endpoint_is_well_again_when_the_pause_it_asked_for_is_over(seconds: int, well: bool) -> None:
    endpoint = make_endpoint(paused_until=timezone.now() + timedelta(seconds=seconds))

    assert is_well(endpoint) is well
