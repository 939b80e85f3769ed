"""The example that receives webhooks: what is signed by us is told once, and in order."""

import json
from collections.abc import Iterator
from datetime import timedelta
from ipaddress import ip_network
from threading import Event as Signal
from threading import Thread
from typing import Any

import httpx
import pytest
from django.utils import timezone
from pytest_django import Settings

from crm_project.testing.rows import arrive, make_operator, make_source
from crm_project.webhooks.endpoints import add_secret, subscribe
from crm_project.webhooks.messages import headers, new_secret
from crm_project.webhooks.models import Delivery, Endpoint, EventKind
from crm_project.webhooks.worker import Worker
from distribution.handling import reassign_to_operator
from examples import listener as example
from examples.listener import Listener, sentence_about, server, telegram

SECRET = new_secret()


def message(sequence: int = 1, kind: str = "contact.assigned", **data: Any) -> str:
    told = {"contact_id": 7, "sequence": sequence, "operator_id": 2, "operator_name": "Anna", "external_id": "user_1"}
    return json.dumps({"type": kind, "data": {**told, "operator_external_id": "chat_2", **data}})


def signed(body: str, number: int = 1, secret: str = SECRET, age: int = 0) -> dict[str, str]:
    return headers(number, body, [secret], timezone.now() - timedelta(seconds=age))


class Notes:
    """A listener, and what it told."""

    def __init__(self, *secrets: str) -> None:
        self.told: list[dict[str, Any]] = []
        self.listener = Listener(secrets or (SECRET,), self.told.append)

    def hear(self, body: str, **how: Any) -> int:
        return self.listener.hear(body.encode(), signed(body, **how))


class TestHearing:
    def test_what_is_signed_is_told(self) -> None:
        notes = Notes()

        assert notes.hear(message()) == 204
        assert [event["data"]["contact_id"] for event in notes.told] == [7]

    def test_what_is_signed_with_the_secret_of_yesterday_is_told_too(self) -> None:
        old = new_secret()

        assert Notes(SECRET, old).hear(message(), secret=old) == 204

    @pytest.mark.parametrize("how", [{"secret": new_secret()}, {"age": 600}])
    def test_what_others_signed_or_somebody_kept_is_refused(self, how: dict[str, Any]) -> None:
        notes = Notes()

        assert notes.hear(message(), **how) == 401
        assert notes.told == []

    def test_what_was_altered_is_refused(self) -> None:
        notes = Notes()

        assert notes.listener.hear(message(operator_id=9).encode(), signed(message())) == 401

    def test_what_comes_twice_is_told_once_and_heard_both_times(self) -> None:
        notes = Notes()

        assert [notes.hear(message()), notes.hear(message())] == [204, 204]
        assert len(notes.told) == 1

    def test_what_is_older_than_what_was_told_is_not_told(self) -> None:
        notes = Notes()
        notes.hear(message(sequence=3), number=3)
        notes.hear(message(sequence=2), number=2)

        assert [event["data"]["sequence"] for event in notes.told] == [3]

    def test_what_could_not_be_told_comes_again(self) -> None:
        answers: Iterator[Any] = iter([httpx.ConnectError("away"), None])
        told: list[str] = []

        def tell(event: dict[str, Any]) -> None:
            if error := next(answers):
                raise error
            told.append(event["type"])

        listener = Listener([SECRET], tell)
        body = message()

        assert [listener.hear(body.encode(), signed(body)) for _ in range(2)] == [503, 204]
        assert told == ["contact.assigned"]

    def test_it_remembers_so_much_and_no_more(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(example, "MOST_REMEMBERED", 3)
        notes = Notes()
        for number in range(1, 9):
            notes.hear(message(contact_id=number), number=number)

        assert (len(notes.listener.heard), len(notes.listener.newest)) == (3, 3)


class TestTelling:
    def test_an_operator_is_told_what_is_theirs(self) -> None:
        assert sentence_about(json.loads(message())) == "Anna: contact 7 of user_1 is yours."

    @pytest.mark.parametrize(
        "event", [message(kind="contact.closed"), message(kind="contact.waiting", operator_id=None)]
    )
    def test_and_nothing_else(self, event: str) -> None:
        assert sentence_about(json.loads(event)) is None

    def test_in_telegram_by_their_external_id(self, monkeypatch: pytest.MonkeyPatch) -> None:
        sent: list[Any] = []

        def post(url: str, json: Any) -> httpx.Response:
            sent.append((url, json))
            return httpx.Response(200, request=httpx.Request("POST", url))

        monkeypatch.setattr(httpx, "post", post)

        telegram("123:abc")(json.loads(message()))

        text = "Anna: contact 7 of user_1 is yours."
        assert sent == [("https://api.telegram.org/bot123:abc/sendMessage", {"chat_id": "chat_2", "text": text})]

    @pytest.mark.parametrize(("answered", "status"), [(403, 204), (400, 204), (429, 503), (502, 503)])
    def test_what_telegram_refuses_for_good_does_not_come_again(
        self, monkeypatch: pytest.MonkeyPatch, answered: int, status: int
    ) -> None:
        refused = httpx.Response(answered, request=httpx.Request("POST", "https://api.telegram.org"))
        monkeypatch.setattr(httpx, "post", lambda _url, json: refused)
        body = message()

        assert Listener([SECRET], telegram("123:abc")).hear(body.encode(), signed(body)) == status


@pytest.mark.django_db(transaction=True)
def test_a_move_is_told_to_the_new_operator_by_the_product_itself(settings: Settings) -> None:
    settings.WEBHOOK_NETWORKS = [ip_network("127.0.0.0/8")]
    endpoint = Endpoint.objects.create(name="bot", url="to be known")
    told: list[dict[str, Any]] = []
    with server(0, Listener([add_secret(endpoint)], told.append)) as listening:
        Thread(target=listening.serve_forever, daemon=True).start()
        Endpoint.objects.filter(pk=endpoint.pk).update(url=f"http://127.0.0.1:{listening.server_port}/")
        subscribe(endpoint, [EventKind.ASSIGNED, EventKind.REASSIGNED], None)
        contact, boris = arrive(make_source({make_operator(): 1})), make_operator(name="Boris")
        reassign_to_operator(contact.pk, boris.pk)

        worker = Worker(Signal())
        for _ in range(2):  # the second event of a contact goes when the first has been heard
            worker.send_all()
        listening.shutdown()

    assert [(event["type"], event["data"]["operator_id"]) for event in told] == [
        ("contact.assigned", contact.operator_id),
        ("contact.reassigned", boris.pk),
    ]
    assert set(Delivery.objects.values_list("state", flat=True)) == {"delivered"}
