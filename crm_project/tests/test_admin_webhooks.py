"""Endpoints and deliveries in the back office: who may do what, and in Russian."""

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from crm_project.testing.admin_pages import address, messages, run
from crm_project.testing.staff import staff
from crm_project.testing.webhook_pages import (
    add,
    buttons,
    fill,
    make_delivery,
    make_endpoint,
    page_of,
    press,
    secrets_in,
    text,
)
from crm_project.webhooks.models import Delivery, DeliveryState, Endpoint

pytestmark = pytest.mark.django_db

MANAGES = ("view_endpoint", "add_endpoint", "change_endpoint", "delete_endpoint", "view_delivery")
LOOKS = ("view_endpoint", "view_delivery")


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
