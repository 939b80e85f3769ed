"""The example bot, against the real server and against fakes that fail first."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import chain, count, repeat
from typing import Any

import httpx
import pytest

from crm_project.setup.children import BASE_DIR
from crm_project.testing.server import Server, StartServer
from examples.bot import RETRIES, Crm, CrmBusy, CrmError, Message

pytestmark = pytest.mark.once

ASKED_FOR_A_WAIT = {"Retry-After": "7"}
numbers = count(1)


def message(**fields: Any) -> Message:
    return Message(**{"source_code": "bot", "external_id": "lead", "text": "Hello", **fields})


class House:
    """One operator with room for one contact on a source of their own."""

    def __init__(self, server: Server, key: str, stack: ExitStack) -> None:
        self.server = server
        self.key = key
        self._stack = stack
        self.source = f"bot_{next(numbers)}"
        operator = self._make("operators", {"name": "Anna", "max_load": 1})
        source = self._make("sources", {"name": "Bot", "code": self.source})
        self._make(
            f"sources/{source['id']}/operators", {"operator_weights": [{"operator_id": operator["id"], "weight": 1}]}
        )

    def _make(self, path: str, body: dict[str, Any]) -> Any:
        with self.server.client() as client:
            return client.post(f"/api/{path}", json=body).raise_for_status().json()

    def message(self, **fields: Any) -> Message:
        """A message to the source."""
        return message(source_code=self.source, **fields)

    def crm(self, transport: httpx.BaseTransport | None = None) -> Crm:
        """The client, which never really pauses."""
        crm = Crm(self.server.base_url, self.key, transport=transport, pause=lambda _seconds: None)
        return self._stack.enter_context(crm)

    def contacts(self) -> list[tuple[Any, ...]]:
        """Return id, text and status of each contact of the source in the database."""
        return self.server.rows(
            "SELECT contact.id, text, status FROM leads_contact contact JOIN leads_source source"
            f" ON source.id = source_id WHERE code = '{self.source}' ORDER BY contact.id"
        )


@pytest.fixture(scope="module")
def with_key(lasting_server: StartServer) -> tuple[Server, str]:
    """A server, and a key that registers contacts."""
    server = lasting_server()
    return server, server.manage("create_api_key", "A bot", "--scope", "register").stdout.strip()


@pytest.fixture
def house(with_key: tuple[Server, str]) -> Iterator[House]:
    with ExitStack() as stack:
        yield House(*with_key, stack)


def run_script(house: House, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(BASE_DIR / "examples" / "bot.py"), *arguments],
        env={
            **os.environ,
            "CRM_URL": house.server.base_url,
            "CRM_KEY": house.key,
            "CRM_SOURCE": house.source,
            **environment,
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


class TestTheScript:
    def test_registers_a_contact_says_who_got_it_reads_it_and_closes_it(self, house: House) -> None:
        done = run_script(house, "I would like a quote")

        assert done.returncode == 0, done.stderr
        said = done.stdout.splitlines()
        ((number, *stored),) = house.contacts()
        assert said[:2] == [f"Contact {number} is active, operator: Anna.", "Read again, it is active."]
        assert said[2].startswith("Closed at 2")
        assert stored == ["I would like a quote", "closed"]

    def test_says_when_the_contact_waits(self, house: House) -> None:
        first = house.crm().register(house.message())["id"]

        said = run_script(house, "Hello").stdout.splitlines()

        assert said[:2] == [f"Contact {first + 1} is waiting, operator: none yet.", "Read again, it is waiting."]

    def test_ends_with_one_line_when_the_key_is_wrong(self, house: House) -> None:
        refused = run_script(house, "Hello", CRM_KEY=house.key[:-1])

        assert refused.returncode == 1
        assert refused.stderr.startswith("401 unknown_key: This API key is not known.")
        assert refused.stderr.count("\n") == 1

    def test_needs_no_key_where_the_api_is_open(self, house: House) -> None:
        assert run_script(house, "Hello", CRM_KEY="").returncode == 0

    def test_without_a_text_says_how_to_call_it(self, house: House) -> None:
        assert "python examples/bot.py" in run_script(house).stderr


class TestAgainstTheServer:
    def test_registers_reads_and_closes(self, house: House) -> None:
        crm = house.crm()

        made = crm.register(house.message(more={"name": "Иван", "data": {"lang": "ru"}}))
        closed = crm.close(made["id"])

        assert (made["operator_name"], made["name"], made["created"]) == ("Anna", "Иван", True)
        assert closed["status"] == "closed"
        assert crm.close(made["id"]) == closed
        assert crm.read(made["id"]) == {**closed, "queue_position": None}

    def test_an_answer_that_was_lost_on_the_way_leaves_one_contact(self, house: House) -> None:
        made = house.crm(Losing(1)).register(house.message())

        assert made["created"]
        assert house.contacts() == [(made["id"], "Hello", "active")]

    def test_the_same_message_sent_again_later_is_the_same_contact(self, house: House) -> None:
        hello = house.message()
        with pytest.raises(CrmBusy, match=r"no_answer: http://.*/api/contacts: lost"):
            house.crm(Losing(RETRIES + 1)).register(hello)

        made = house.crm().register(hello)

        assert house.contacts() == [(made["id"], "Hello", "active")]

    def test_an_event_that_the_platform_delivers_twice_is_one_contact(self, house: House) -> None:
        first, again = (house.crm().register(house.message(event_id="update_1")) for _ in range(2))

        assert (first["created"], again["created"]) == (True, False)
        assert first["id"] == again["id"]

    def test_two_messages_are_two_contacts(self, house: House) -> None:
        made = [house.crm().register(house.message())["id"] for _ in range(2)]

        assert made == [number for number, *_stored in house.contacts()]

    def test_a_refusal_is_told_with_code_and_detail_and_not_repeated(self, house: House) -> None:
        counting = Losing(0)

        with pytest.raises(CrmError) as refused:
            house.crm(counting).register(message(source_code="bott"))

        assert not isinstance(refused.value, CrmBusy)
        assert (refused.value.status, refused.value.code) == (400, "source_not_found")
        assert str(refused.value).startswith("400 source_not_found: source_code: There is no such source.")
        assert counting.calls == 1

    def test_a_contact_that_is_not_there_is_404(self, house: House) -> None:
        with pytest.raises(CrmError, match="404 not_found"):
            house.crm().read(1_000_000)


class Losing(httpx.BaseTransport):
    """Carries every call to the server, and loses the first answers on the way back."""

    def __init__(self, answers: int) -> None:
        self._to_lose = answers
        self._really = httpx.HTTPTransport()
        self.calls = 0

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        answer = self._really.handle_request(request)
        self.calls += 1
        if self.calls > self._to_lose:
            return answer
        answer.close()
        raise httpx.ReadTimeout("lost", request=request)

    def close(self) -> None:
        self._really.close()


def refusal(status: int, code: str, **headers: str) -> httpx.Response:
    error = {"code": code, "detail": "Not now.", "attr": None}
    return httpx.Response(status, json={"type": "client_error", "errors": [error]}, headers=headers)


class Fake:
    """A server that answers as told, then as it should, and remembers what it was asked and how long a bot paused."""

    def __init__(self, *first: httpx.Response | type[httpx.TransportError]) -> None:
        self._answers = chain(first, repeat(httpx.Response(201, json={"id": 1})))
        self.asked: list[httpx.Request] = []
        self.pauses: list[float] = []
        self.crm = Crm("http://crm", transport=httpx.MockTransport(self._answer), pause=self.pauses.append)

    def _answer(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        answer = next(self._answers)
        if isinstance(answer, httpx.Response):
            return answer
        raise answer("It went wrong.", request=request)


class TestRetries:
    @pytest.mark.parametrize(
        "failure",
        [
            lambda: httpx.ConnectError,
            lambda: httpx.ReadTimeout,
            lambda: httpx.RemoteProtocolError,
            lambda: refusal(409, "still_running"),
            lambda: refusal(503, "try_again_later"),
            lambda: httpx.Response(502, text="<h1>Bad gateway</h1>"),
            lambda: httpx.Response(429),
        ],
        ids=["no connection", "no answer in time", "cut off", "still running", "503", "a proxy's 502", "429"],
    )
    def test_what_passes_by_itself_is_repeated_with_the_same_key_and_body(self, failure: Callable[[], Any]) -> None:
        fake = Fake(failure(), failure())

        assert fake.crm.register(message()) == {"id": 1}
        assert len(fake.asked) == 3
        assert len({(call.headers["Idempotency-Key"], call.content) for call in fake.asked}) == 1

    @pytest.mark.parametrize(
        ("status", "code"),
        [
            (400, "required"),
            (401, "revoked_key"),
            (403, "missing_scope"),
            (404, "not_found"),
            (409, "source_inactive"),
            (413, "body_too_large"),
            (422, "idempotency_key_reused"),
        ],
    )
    def test_what_is_wrong_in_the_call_is_not_repeated(self, status: int, code: str) -> None:
        fake = Fake(refusal(status, code))

        with pytest.raises(CrmError, match=f"{status} {code}: Not now."):
            fake.crm.register(message())
        assert (len(fake.asked), fake.pauses) == (1, [])

    def test_an_error_without_our_words_is_told_as_it_came(self) -> None:
        with pytest.raises(CrmError, match="404 unknown: no such page"):
            Fake(httpx.Response(404, text="no such page")).crm.read(1)

    def test_the_pauses_grow_and_end(self) -> None:
        fake = Fake(*[httpx.ConnectError] * (RETRIES + 1))

        with pytest.raises(CrmBusy, match="It went wrong"):
            fake.crm.register(message())
        assert len(fake.pauses) == len(fake.asked) - 1 == RETRIES
        assert fake.pauses == sorted(fake.pauses)
        assert sum(fake.pauses) < 20

    def test_the_server_says_how_long_to_wait_at_least(self) -> None:
        fake = Fake(refusal(503, "try_again_later", **ASKED_FOR_A_WAIT), httpx.ConnectError)

        fake.crm.register(message())

        assert fake.pauses[0] >= 7 > fake.pauses[1]

    @pytest.mark.parametrize("asked", ["86400", "Fri, 31 Dec 2027 23:59:59 GMT"])
    def test_nobody_waits_for_longer_than_about_a_minute(self, asked: str) -> None:
        fake = Fake(refusal(503, "try_again_later", **{"Retry-After": asked}))

        fake.crm.register(message())

        assert fake.pauses[0] < 62

    def test_each_message_has_a_key_of_its_own(self) -> None:
        fake = Fake()

        for _ in range(2):
            fake.crm.register(message())

        assert len({call.headers["Idempotency-Key"] for call in fake.asked}) == 2
