"""One call, to receivers of every kind."""

import socket
import ssl
import time
import tracemalloc
from collections.abc import Iterator
from datetime import timedelta
from email.utils import format_datetime
from ipaddress import ip_network
from typing import Any

import pytest
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from crm_project.testing.receiver import (
    SELF_SIGNED,
    Behaviour,
    Receiver,
    always,
    drip,
    gigabyte,
    hang,
    hang_up,
    receiver,
    redirect,
    saying,
    self_signed,
    status,
)
from crm_project.testing.server import free_port
from crm_project.webhooks import sending
from crm_project.webhooks.answers import Answer, Failure
from crm_project.webhooks.models import LONGEST_ANSWER
from crm_project.webhooks.sending import _pause_asked_for

pytestmark = pytest.mark.once

SECONDS = 0.5
SLACK = 1.5
BODY = '{"name": "Анна 🎈"}'
OK = "HTTP/1.1 200 OK\r\n"


@pytest.fixture(autouse=True)
def _loopback(settings: Any) -> None:
    settings.WEBHOOK_NETWORKS = [ip_network("127.0.0.0/8"), ip_network("::1/128")]


@pytest.fixture
def elsewhere() -> Iterator[Receiver]:
    with receiver() as elsewhere:
        yield elsewhere


def call(url: str, **headers: str) -> Answer:
    """Call, and hold the call to its time."""
    began = time.monotonic()
    answer = sending.call(url, headers, BODY, SECONDS)
    assert time.monotonic() - began < SECONDS + SLACK
    return answer


def answer_to(behaviour: Behaviour) -> Answer:
    with receiver(always(behaviour)) as listening:
        return call(listening.url)


class TestAMessage:
    def test_arrives_as_it_is_with_its_headers(self) -> None:
        with receiver() as listening:
            answer = call(listening.url, **{"webhook-id": "evt_1", "Content-Type": "application/json"})

        (message,) = listening.messages
        assert (message.body, message.id, message.path) == (BODY, "evt_1", "/webhooks")
        assert message.headers["content-type"] == "application/json"
        assert message.headers["host"] == listening.url.split("/")[2]
        assert (answer.is_heard, answer.status, answer.failure) == (True, 200, "")

    def test_keeps_the_query_of_its_address(self) -> None:
        with receiver() as listening:
            call(f"{listening.url}/a?key=%D0%B0&b=1")

        assert listening.messages[0].path == "/webhooks/a?key=%D0%B0&b=1"

    def test_finds_an_address_of_the_new_kind(self) -> None:
        with receiver(host="::1") as listening:
            assert call(listening.url).is_heard

        assert listening.messages[0].headers["host"] == listening.url.split("/")[2]

    def test_is_no_longer_than_it_says(self) -> None:
        answer = answer_to(status(201, "thank you"))

        assert (answer.status, answer.text) == (201, "thank you")
        assert 0 <= answer.milliseconds < 1000 * (SECONDS + SLACK)


class TestAReceiverThat:
    @pytest.mark.parametrize("number", [400, 401, 404, 410, 429, 500, 503, 599])
    def test_answers_with_an_error_has_not_heard(self, number: int) -> None:
        answer = answer_to(status(number, "sorry"))

        assert (answer.is_heard, answer.status, answer.failure, answer.text) == (False, number, "", "sorry")

    def test_hangs_is_left_in_time(self) -> None:
        assert answer_to(hang) == Answer(failure=Failure.TIMEOUT, milliseconds=answered_after())

    def test_drips_its_headers_is_left_in_time(self) -> None:
        assert answer_to(drip(OK, "X-Drop: x\r\n")).failure == Failure.TIMEOUT

    def test_says_for_ever_that_it_goes_on_is_left_in_time(self) -> None:
        assert answer_to(drip("", "HTTP/1.1 102 Processing\r\n\r\n")).failure == Failure.TIMEOUT

    def test_drips_its_answer_has_heard_and_is_left_in_time(self) -> None:
        answer = answer_to(drip(f"{OK}Content-Length: 1000\r\n\r\n", "x"))

        assert (answer.is_heard, answer.failure) == (True, "")
        assert set(answer.text) == {"x"}

    def test_breaks_its_answer_off_has_heard(self) -> None:
        answer = answer_to(saying(f"{OK}Content-Length: 1000\r\n\r\nhalf"))

        assert (answer.is_heard, answer.text) == (True, "half")

    @pytest.mark.parametrize(
        "text",
        [
            "SSH-2.0-OpenSSH_9.6\r\n",
            "\0" * 1000,
            "HTTP/1.1 abc OK\r\n\r\n",
            f"{OK}no header\r\n\r\n",
            f"{OK}X: \0\r\n\r\n",
        ],
    )
    def test_speaks_no_http_has_not_heard(self, text: str) -> None:
        assert answer_to(saying(text)).failure == Failure.NO_HTTP

    def test_sends_headers_without_an_end_has_not_heard(self) -> None:
        assert answer_to(saying(OK + "X-Long: " + "x" * 2**20)).failure == Failure.NO_HTTP

    def test_hangs_up_has_not_heard(self) -> None:
        assert answer_to(hang_up).failure in {Failure.NO_HTTP, Failure.NO_CONNECTION}

    def test_is_not_there_has_not_heard(self) -> None:
        assert call(f"http://127.0.0.1:{free_port()}/").failure == Failure.NO_CONNECTION

    def test_answers_with_a_gigabyte_is_read_no_further_than_is_kept(self) -> None:
        tracemalloc.start()
        try:
            answer = answer_to(gigabyte)
            _now, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()

        assert (answer.is_heard, answer.text) == (True, "x" * LONGEST_ANSWER)
        assert peak < 8 * 2**20

    def test_answers_with_what_is_no_text_is_kept_as_text(self) -> None:
        text = answer_to(saying(f"{OK}\r\n\0я")).text

        assert text == "\N{REPLACEMENT CHARACTER}я"

    @pytest.mark.parametrize("number", [301, 302, 303, 307, 308])
    def test_redirects_is_not_followed(self, elsewhere: Receiver, number: int) -> None:
        answer = answer_to(status(number, Location=elsewhere.url))

        assert (answer.is_heard, answer.status, answer.failure) == (False, number, Failure.REDIRECT)
        assert elsewhere.messages == []

    def test_redirects_to_itself_is_asked_once(self) -> None:
        with receiver(always(redirect("/webhooks"))) as listening:
            call(listening.url)

        assert len(listening.messages) == 1


def answered_after() -> Any:
    """Return what is equal to any number of milliseconds that is near the time limit."""
    return pytest.approx(1000 * SECONDS, abs=1000 * SLACK)


class TestWhatMayNotBeCalled:
    def test_hears_nothing(self, settings: Any) -> None:
        settings.WEBHOOK_NETWORKS = []
        with receiver() as listening:
            assert call(listening.url).failure == Failure.NOT_SECURE
            assert call(listening.url.replace("http:", "https:")).failure == Failure.ADDRESS_REFUSED

        assert listening.messages == []

    def test_is_the_internet_without_tls(self) -> None:
        assert call("http://93.184.216.34/").failure == Failure.NOT_SECURE

    def test_is_hidden_behind_a_redirect_in_vain(self, settings: Any) -> None:
        settings.WEBHOOK_NETWORKS = [ip_network("127.0.0.1/32")]
        with receiver(host="127.0.0.2") as private, receiver(always(redirect(private.url))) as listening:
            assert call(listening.url).failure == Failure.REDIRECT
            assert call(private.url).failure == Failure.NOT_SECURE

        assert private.messages == []


class TestTls:
    def test_with_a_certificate_that_nobody_vouches_for_is_refused(self) -> None:
        with receiver(context=self_signed()) as listening:
            assert call(listening.url).failure == Failure.NO_TLS

        assert listening.messages == []

    def test_with_a_certificate_that_is_trusted_works(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sending, "trust", lambda: ssl.create_default_context(cafile=SELF_SIGNED))
        with receiver(context=self_signed()) as listening:
            assert call(listening.url).is_heard

    def test_with_the_certificate_of_another_is_refused(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sending, "trust", lambda: ssl.create_default_context(cafile=SELF_SIGNED))
        with receiver(host="127.0.0.2", context=self_signed()) as listening:
            assert call(listening.url).failure == Failure.NO_TLS

    def test_that_does_not_come_about_is_left_in_time(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as silent:
            assert call(f"https://127.0.0.1:{silent.getsockname()[1]}/").failure == Failure.TIMEOUT


class TestThePauseAskedFor:
    def test_is_told_in_seconds(self) -> None:
        assert answer_to(status(429, Retry_After="120")).retry_after == 120

    def test_is_told_as_a_date(self) -> None:
        at = format_datetime(timezone.now() + timedelta(minutes=2), usegmt=True)

        assert answer_to(status(503, Retry_After=at)).retry_after == pytest.approx(120, abs=10)

    def test_is_none_when_the_date_has_passed(self) -> None:
        assert _pause_asked_for("Wed, 21 Oct 2015 07:28:00 GMT") == 0

    @pytest.mark.parametrize("value", ["", "soon", "-5", "1.5", "Wed, 99 Oct 2015 07:28:00 GMT", "0x10"])
    def test_is_not_guessed(self, value: str) -> None:
        assert _pause_asked_for(value) is None

    @given(st.text(alphabet=st.characters(max_codepoint=127)) | st.from_regex(r"\w{3}, \d+ \w{3} \d+ \d+:\d+:\d+ \S+"))
    def test_is_a_number_or_none_whatever_is_sent(self, value: str) -> None:
        pause = _pause_asked_for(value)

        assert pause is None or pause >= 0
