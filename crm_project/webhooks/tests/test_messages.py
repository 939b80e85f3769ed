"""The message about an event, and its signature."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone
from standardwebhooks import Webhook, WebhookVerificationError

from crm_project.testing.rows import arrive, make_operator, make_source
from crm_project.testing.webhooks import make_endpoint
from crm_project.webhooks.messages import body_of, headers, new_secret
from distribution import handling, roster
from distribution.events import send_test
from distribution.models import Event
from leads.models import Source
from operators.models import Operator

BODY = '{"name": "Анна 🎈"}'


def signed(secrets: Sequence[str], body: str = BODY, at: datetime | None = None) -> dict[str, str]:
    return headers(7, body, secrets, at or timezone.now())


class TestTheSignature:
    pytestmark = pytest.mark.once

    def test_is_what_standard_webhooks_verifies(self) -> None:
        secret = new_secret()

        assert Webhook(secret).verify(BODY.encode(), signed([secret])) == {"name": "Анна 🎈"}

    def test_is_made_with_each_of_two_secrets(self) -> None:
        old, new = new_secret(), new_secret()

        for secret in (old, new):
            assert Webhook(secret).verify(BODY, signed([new, old]))

    def test_is_worth_nothing_with_another_secret(self) -> None:
        with pytest.raises(WebhookVerificationError):
            Webhook(new_secret()).verify(BODY, signed([new_secret()]))

    @pytest.mark.parametrize("changed", [{"webhook-id": "evt_8"}, {"webhook-timestamp": "1700000000"}])
    def test_holds_for_its_id_and_time_alone(self, changed: dict[str, str]) -> None:
        secret = new_secret()

        with pytest.raises(WebhookVerificationError):
            Webhook(secret).verify(BODY, signed([secret]) | changed)

    def test_holds_for_its_body_alone(self) -> None:
        secret = new_secret()

        with pytest.raises(WebhookVerificationError):
            Webhook(secret).verify(BODY.replace("Анна", "Инна"), signed([secret]))

    def test_is_of_the_moment_it_is_sent(self) -> None:
        secret = new_secret()

        with pytest.raises(WebhookVerificationError, match="too old"):
            Webhook(secret).verify(BODY, signed([secret], at=timezone.now() - timedelta(minutes=6)))

    def test_names_the_message_by_its_event(self) -> None:
        assert signed([new_secret()], at=datetime(2026, 1, 1, tzinfo=UTC)) | {"webhook-signature": ""} == {
            "Content-Type": "application/json",
            "User-Agent": "contact-distribution-webhooks",
            "webhook-id": "evt_7",
            "webhook-timestamp": "1767225600",
            "webhook-signature": "",
        }

    def test_needs_a_secret_that_nobody_guesses(self) -> None:
        secrets = {new_secret() for _ in range(100)}

        assert len(secrets) == 100
        assert all(secret.startswith("whsec_") and len(secret) == len("whsec_") + 44 for secret in secrets)


@pytest.mark.django_db
class TestTheBody:
    @pytest.fixture
    def anna(self) -> Operator:
        return make_operator(name="Анна", external_id="a-1")

    @pytest.fixture
    def source(self, anna: Operator) -> Source:
        return make_source({anna: 1})

    def last(self) -> dict[str, Any]:
        event = Event.objects.select_related("contact", "source", "operator").latest("pk")
        told: dict[str, Any] = json.loads(body_of(event))
        assert told["type"] == event.kind
        assert datetime.fromisoformat(told["timestamp"]) == event.at
        assert told["timestamp"].endswith("Z")
        data: dict[str, Any] = told["data"]
        return data

    def test_of_an_assignment_tells_whose_the_contact_is(self, source: Source, anna: Operator) -> None:
        contact = arrive(source, "user_123")

        assert self.last() == {
            "contact_id": contact.pk,
            "sequence": 1,
            "status": "active",
            "external_id": "user_123",
            "lead_id": contact.lead_id,
            "source_id": source.pk,
            "source_code": source.code,
            "previous_operator_id": None,
            "operator_id": anna.pk,
            "operator_name": "Анна",
            "operator_external_id": "a-1",
        }

    def test_of_one_that_waits_names_nobody(self) -> None:
        arrive(make_source())

        told = self.last()
        assert (told["status"], told["operator_id"], told["operator_name"]) == ("waiting", None, None)
        assert told["operator_external_id"] is None

    def test_of_a_move_names_who_had_it(self, source: Source, anna: Operator) -> None:
        boris = make_operator()

        handling.reassign_to_operator(arrive(source).pk, boris.pk)

        told = self.last()
        assert (told["status"], told["operator_id"], told["previous_operator_id"]) == ("active", boris.pk, anna.pk)
        assert told["sequence"] == 2

    def test_of_a_closing_names_who_closed_it(self, source: Source, anna: Operator) -> None:
        handling.close_contact(arrive(source).pk)

        assert (self.last()["status"], self.last()["operator_id"]) == ("closed", anna.pk)

    @pytest.mark.parametrize(("is_active", "status"), [(True, "active"), (False, "waiting")])
    def test_of_a_reopening_tells_what_became_of_it(
        self, source: Source, anna: Operator, is_active: bool, status: str
    ) -> None:
        contact = handling.close_contact(arrive(source).pk)
        roster.change_operator(anna.pk, is_active=is_active)

        handling.reopen_contact(contact.pk)

        assert self.last()["status"] == status

    def test_of_a_limit_names_the_operator_alone(self, source: Source, anna: Operator) -> None:
        arrive(source)
        roster.change_operator(anna.pk, max_load=1)

        assert self.last() == {"operator_id": anna.pk, "operator_name": "Анна", "operator_external_id": "a-1"}

    def test_of_a_test_names_nobody(self) -> None:
        send_test(make_endpoint().pk)

        assert self.last() == {"operator_id": None, "operator_name": None, "operator_external_id": None}

    def test_is_as_it_would_be_read(self, source: Source) -> None:
        arrive(source)

        assert "Анна" in body_of(Event.objects.latest("pk"))
