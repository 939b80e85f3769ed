"""Deliveries in the back office."""

import re
from datetime import timedelta
from html import unescape
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from django.utils.translation import override
from model_bakery import baker

from crm_project.admin.deliveries import FAILURES
from crm_project.testing.admin_pages import address, messages, run, shown
from crm_project.testing.webhook_pages import (
    buttons,
    fill,
    make_delivery,
    make_endpoint,
    page_of,
    press,
    statements,
    text,
)
from crm_project.webhooks.answers import Failure
from crm_project.webhooks.messages import body_of
from crm_project.webhooks.models import Attempt, DeliveryState, EventKind
from distribution.models import Event

pytestmark = pytest.mark.django_db

DATE = r"\d\d/\d\d/\d{4}"


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
