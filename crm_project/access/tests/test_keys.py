"""API keys: how they are made, recognised and revoked."""

from datetime import timedelta
from typing import Any
from unittest.mock import Mock, patch

import pytest
from django.db import IntegrityError, OperationalError, connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django import Settings
from rest_framework.test import APIClient

from crm_project.access import keys
from crm_project.access.errors import TooManyKeys
from crm_project.access.keys import digest, make_key, revoke
from crm_project.access.models import ApiClient, ApiKey
from crm_project.testing.api import errors
from crm_project.testing.clients import key_for, make_client, with_key
from crm_project.testing.rows import make_source

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _as_after_a_start() -> None:
    keys._tried_at.clear()


def answer(key: str) -> Any:
    return with_key(key).get("/api/contacts")


class TestMaking:
    def test_a_key_admits_its_client(self) -> None:
        assert answer(make_key(make_client())).status_code == 200

    def test_only_a_hash_of_the_secret_is_kept(self) -> None:
        key = make_key(make_client())
        secret = key.split("_", 2)[2]

        stored = ApiKey.objects.values().get()

        assert stored["digest"] == digest(secret)
        assert not [value for value in stored.values() if secret in str(value)]

    def test_the_secret_has_256_bits_and_does_not_depend_on_the_secret_key(self, settings: Settings) -> None:
        key = make_key(make_client())

        settings.SECRET_KEY = "another" * 10

        assert keys.SECRET_BYTES == 32
        assert answer(key).status_code == 200

    def test_a_client_has_two_keys_at_a_time_for_a_rotation_without_a_gap(self) -> None:
        client = make_client()
        first, second = make_key(client), make_key(client)
        assert [answer(key).status_code for key in (first, second)] == [200, 200]

        with pytest.raises(TooManyKeys):
            make_key(client)
        revoke(ApiKey.objects.filter(prefix=first.split("_")[1]))
        third = make_key(client)

        assert [answer(key).status_code for key in (first, second, third)] == [401, 200, 200]

    def test_an_expired_key_makes_room_for_another(self) -> None:
        client = make_client()
        make_key(client, expires_at=timezone.now() - timedelta(seconds=1))
        make_key(client)

        assert answer(make_key(client)).status_code == 200

    def test_the_database_itself_allows_no_third(self) -> None:
        client = make_client()
        make_key(client)

        with pytest.raises(IntegrityError):
            ApiKey.objects.create(client=client, place=1, prefix="other", digest="0" * 64)

    def test_a_client_that_may_nothing_is_refused_by_the_database(self) -> None:
        with pytest.raises(IntegrityError):
            ApiClient.objects.create(name="Idle")


class TestRecognising:
    @pytest.mark.parametrize(
        "spoil",
        [
            lambda key: key[:-1] + ("A" if key[-1] != "A" else "B"),
            lambda key: key[:-1],
            lambda key: key + "A",
            lambda key: key.replace("crm_", "crm_x", 1),
            lambda key: key.upper(),
            lambda _key: "crm_abcdefgh_" + "A" * 43,
            lambda _key: "",
            lambda _key: "nonsense",
            lambda _key: "\xff\xfe",
        ],
        ids=["another end", "short", "long", "another prefix", "upper case", "unknown", "empty", "no key", "no text"],
    )
    def test_what_is_no_key_of_ours_is_401(self, spoil: Any) -> None:
        response = answer(spoil(make_key(make_client())))

        assert (response.status_code, errors(response)) == (401, [("unknown_key", None)])
        assert "Bearer" in response.headers["WWW-Authenticate"]

    def test_a_revoked_key_is_401_at_once(self) -> None:
        key = make_key(make_client())
        assert answer(key).status_code == 200

        assert revoke(ApiKey.objects.all()) == 1

        assert errors(answer(key)) == [("revoked_key", None)]

    def test_an_expired_key_is_401(self) -> None:
        response = answer(make_key(make_client(), expires_at=timezone.now() - timedelta(seconds=1)))

        assert (response.status_code, errors(response)) == (401, [("expired_key", None)])

    def test_a_key_that_expires_later_is_admitted(self) -> None:
        assert answer(make_key(make_client(), expires_at=timezone.now() + timedelta(hours=1))).status_code == 200

    def test_the_word_bearer_is_read_in_any_case(self) -> None:
        client = APIClient(headers={"Authorization": f"bearer  {make_key(make_client())} "})

        assert client.get("/api/contacts").status_code == 200

    def test_a_key_is_checked_where_the_api_is_open_too(self, settings: Settings) -> None:
        settings.OPEN_API = True
        settings.ALLOWED_HOSTS = ["localhost"]
        here = {"Host": "localhost"}
        assert APIClient(headers=here).get("/api/leads").status_code == 200

        assert with_key("crm_wrong").get("/api/leads", headers=here).status_code == 401
        assert key_for("register").get("/api/leads", headers=here).status_code == 403

    @pytest.mark.parametrize("header", ["{key}", "Token {key}", "Key={key}", "Basic {key}"])
    def test_a_key_without_the_word_bearer_is_refused_where_the_api_is_open_too(
        self, settings: Settings, header: str
    ) -> None:
        settings.OPEN_API = True
        settings.ALLOWED_HOSTS = ["localhost"]
        headers = {"Host": "localhost", "Authorization": header.format(key=make_key(make_client()))}

        response = APIClient(headers=headers).get("/api/contacts")

        assert (response.status_code, errors(response)) == (401, [("without_bearer", None)])

    def test_a_key_does_not_open_the_admin(self) -> None:
        assert key_for().get("/admin/").status_code == 302

    def test_it_takes_one_statement_however_many_sources_the_client_has(self) -> None:
        client = key_for(sources=[make_source() for _ in range(5)])
        client.get("/api/contacts/1")

        with CaptureQueriesContext(connection) as queries:
            client.get("/api/contacts/1")

        assert len([query for query in queries if "access_apikey" in query["sql"]]) == 1


class TestLastUse:
    def test_is_noted_at_most_once_a_minute(self) -> None:
        key = make_key(make_client())
        answer(key)
        noted = ApiKey.objects.get().last_used_at

        answer(key)
        assert ApiKey.objects.get().last_used_at == noted is not None

        ApiKey.objects.update(last_used_at=timezone.now() - timedelta(seconds=61))
        keys._tried_at.clear()
        answer(key)
        assert ApiKey.objects.filter(last_used_at__gt=timezone.now() - timedelta(seconds=30)).exists()

    def test_is_not_noted_for_a_key_that_was_refused(self) -> None:
        key = make_key(make_client())
        revoke(ApiKey.objects.all())
        answer(key)

        assert ApiKey.objects.get().last_used_at is None

    def test_that_cannot_be_noted_fails_no_call_and_is_tried_once_a_minute(self) -> None:
        key = make_key(make_client())

        with patch.object(keys, "transaction", Mock(atomic=Mock(side_effect=OperationalError))) as database:
            assert [answer(key).status_code for _ in range(3)] == [200, 200, 200]

        assert database.atomic.call_count == 1
