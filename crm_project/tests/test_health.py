import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any
from unittest.mock import patch

import dj_database_url
import httpx
import pytest
from django.db import OperationalError, connection
from django.test import Client
from django.utils import timezone
from model_bakery import baker

from crm_project.testing.server import StartServer
from crm_project.webhooks.models import Delivery, EventKind
from distribution.models import Event

UNKNOWN: dict[str, Any] = {"webhooks": {"seconds_behind": None}}
READY = {"status": "ok", "checks": {"database": "ok", "migrations": "ok"}, "webhooks": {"seconds_behind": 0.0}}
PENDING = {"status": "unavailable", "checks": {"database": "ok", "migrations": "pending"}, **UNKNOWN}
AWAY = {"status": "unavailable", "checks": {"database": "unavailable", "migrations": "pending"}, **UNKNOWN}

needs_database = pytest.mark.django_db(transaction=True)  # the probe opens a connection, which a transaction would lose
both = pytest.mark.parametrize("address", ["/healthz", "/healthz/", "/readyz", "/readyz/"])


@contextmanager
def database(**settings: Any) -> Iterator[None]:
    """Let the next connection lead to another database."""
    connection.close()
    with patch.dict(connection.settings_dict, settings):
        yield
        connection.close()


class TestAlive:
    """Without a mark, pytest-django lets nobody open the database."""

    def test_says_so_without_a_log_in_and_a_database(self, client: Client) -> None:
        response = client.get("/healthz")

        assert (response.status_code, response.json()) == (200, {"status": "ok"})

    def test_looks_at_no_session(self, client: Client) -> None:
        client.cookies["sessionid"] = "x"
        client.cookies["django_language"] = "ru"

        response = client.get("/healthz")

        assert response.status_code == 200
        assert not response.cookies

    @pytest.mark.parametrize("host", ["10.1.2.3:8000", "[fe80::1]", "evil.example.org", "no host!", ""])
    def test_answers_by_any_name(self, client: Client, host: str) -> None:
        assert client.get("/healthz", headers={"Host": host}).status_code == 200

    def test_is_not_kept_by_a_cache(self, client: Client) -> None:
        assert "no-store" in client.get("/healthz")["Cache-Control"]


@needs_database
class TestReady:
    def test_says_so_without_a_log_in(self, client: Client) -> None:
        response = client.get("/readyz")

        assert (response.status_code, response.json()) == (200, READY)
        assert "no-store" in response["Cache-Control"]
        assert "Retry-After" not in response

    def test_answers_by_any_name(self, client: Client) -> None:
        assert client.get("/readyz", headers={"Host": "10.1.2.3:8000"}).json() == READY

    def test_is_unavailable_beside_a_database_that_is_not_migrated(self, client: Client, empty_database: str) -> None:
        with database(NAME=dj_database_url.parse(empty_database)["NAME"]):
            response = client.get("/readyz")

        assert (response.status_code, response.json(), response["Retry-After"]) == (503, PENDING, "2")

    def test_is_unavailable_without_a_database_and_says_why(
        self, client: Client, caplog: pytest.LogCaptureFixture
    ) -> None:
        with database(NAME="/nowhere/crm.db"):
            response = client.get("/readyz")

        assert (response.status_code, response.json(), response["Retry-After"]) == (503, AWAY, "2")
        assert "The database is not ready" in caplog.text

    def test_is_ready_again_when_the_database_is_back(self, client: Client) -> None:
        with database(NAME="/nowhere/crm.db"):
            client.get("/readyz")

        assert client.get("/readyz").json() == READY

    def test_tells_how_far_the_webhooks_are_behind_and_is_ready_all_the_same(self, client: Client) -> None:
        an_hour_ago = timezone.now() - timedelta(hours=1)
        baker.make(Delivery, event=baker.make(Event, kind=EventKind.TEST), due_at=an_hour_ago, contact=None)

        response = client.get("/readyz")

        assert (response.status_code, response.json()["status"]) == (200, "ok")
        assert 3600 <= response.json()["webhooks"]["seconds_behind"] < 3700

    def test_is_ready_when_that_cannot_be_told(self, client: Client, caplog: pytest.LogCaptureFixture) -> None:
        with patch("crm_project.health.seconds_behind", side_effect=OperationalError("gone")):
            response = client.get("/readyz")

        assert (response.status_code, response.json()) == (200, {**READY, **UNKNOWN})
        assert "How far the webhooks are behind is not known" in caplog.text

    @pytest.mark.postgresql
    def test_gives_a_database_that_keeps_silent_no_longer_than_a_connection_may_take(self, client: Client) -> None:
        started = time.monotonic()
        with socket.create_server(("127.0.0.1", 0)) as silent:
            options = {**connection.settings_dict["OPTIONS"], "connect_timeout": 2}
            with database(HOST="127.0.0.1", PORT=silent.getsockname()[1], OPTIONS=options):
                response = client.get("/readyz")

        assert (response.status_code, response.json()) == (503, AWAY)
        assert time.monotonic() - started < 5


@needs_database
@both
class TestBoth:
    def test_are_only_read(self, client: Client, address: str) -> None:
        allowed = [client.generic(method, address).status_code for method in ("GET", "HEAD")]
        refused = [client.generic(method, address).status_code for method in ("POST", "PUT", "DELETE", "OPTIONS")]

        assert (allowed, refused) == ([200] * 2, [405] * 4)

    def test_have_no_body_for_head(self, client: Client, address: str) -> None:
        assert client.head(address).content == b""


def test_other_addresses_are_not_probes(client: Client) -> None:
    assert client.get("/healthz/more").status_code == 404


def test_a_server_whose_database_is_away_is_alive_and_not_ready(
    server: StartServer, request: pytest.FixtureRequest
) -> None:
    away = "sqlite:////nowhere/crm.db"
    if request.config.getoption("database") == "postgresql":
        away = "postgres://crm@127.0.0.1:1/crm"
    running = server(database_url=away, workers=1)
    host = {"Host": "10.1.2.3"}

    assert httpx.get(f"{running.base_url}/healthz", headers=host).json() == {"status": "ok"}
    answer = httpx.get(f"{running.base_url}/readyz", headers=host)
    assert (answer.status_code, answer.json()) == (503, AWAY)
    assert httpx.head(f"{running.base_url}/healthz").status_code == 200
