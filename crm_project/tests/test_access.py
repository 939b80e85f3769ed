import base64
from typing import Any
from unittest.mock import patch

import pytest
from django.contrib.auth.models import User
from django.test import Client
from pytest_django import Settings

from crm_project.testing.api import errors
from crm_project.testing.rows import arrive, make_operator, make_source
from operators.models import Operator

pytestmark = pytest.mark.django_db

CALLS = [
    ("get", "/api/operators"),
    ("post", "/api/operators"),
    ("get", "/api/sources"),
    ("put", "/api/sources/1/operators"),
    ("get", "/api/contacts/1"),
    ("post", "/api/contacts"),
    ("post", "/api/contacts/1/close"),
    ("get", "/api/leads"),
    ("get", "/api/schema"),
    ("get", "/docs"),
]


def basic(username: str, password: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{username}:{password}".encode()).decode()}


@pytest.fixture
def local() -> Client:
    """A client on this machine."""
    return Client(REMOTE_ADDR="127.0.0.1", SERVER_NAME="127.0.0.1")


def test_who_calls_is_found_out_once(local: Client) -> None:
    with patch("crm_project.access.permissions.is_open_to", return_value=True) as look:
        assert local.get("/api/contacts").status_code == 200

    look.assert_called_once()


class TestWithALogIn:
    @pytest.mark.parametrize(("method", "address"), CALLS)
    def test_every_call_without_one_is_401(self, client: Client, method: str, address: str) -> None:
        response = getattr(client, method)(address, content_type="application/json")

        assert response.status_code == 401
        assert response["WWW-Authenticate"].startswith("Basic")

    def test_the_refusal_has_the_shape_of_every_error(self, client: Client) -> None:
        assert errors(client.get("/api/operators")) == [("not_authenticated", None)]

    def test_staff_are_admitted_by_http_basic(self, client: Client) -> None:
        User.objects.create_superuser("anna", password="secret")

        assert client.get("/api/operators", headers=basic("anna", "secret")).status_code == 200

    def test_staff_are_admitted_by_their_session(self, client: Client) -> None:
        client.force_login(User.objects.create_superuser("anna"))

        assert client.get("/api/operators").status_code == 200

    def test_a_session_needs_the_csrf_token_to_write(self) -> None:
        client = Client(enforce_csrf_checks=True)
        client.force_login(User.objects.create_superuser("anna"))

        response = client.post("/api/operators", {"name": "x"}, content_type="application/json")

        assert (response.status_code, errors(response)) == (403, [("permission_denied", None)])
        assert not Operator.objects.exists()

    def test_a_wrong_password_is_401(self, client: Client) -> None:
        User.objects.create_superuser("anna", password="secret")

        response = client.get("/api/operators", headers=basic("anna", "guess"))

        assert (response.status_code, errors(response)) == (401, [("authentication_failed", None)])

    def test_users_who_are_not_staff_are_403(self, client: Client) -> None:
        User.objects.create_user("boris", password="secret")

        response = client.get("/api/operators", headers=basic("boris", "secret"))

        assert (response.status_code, errors(response)) == (403, [("permission_denied", None)])

    def test_staff_who_were_deactivated_are_401(self, client: Client) -> None:
        User.objects.create_user("anna", password="secret", is_staff=True, is_active=False)

        assert client.get("/api/operators", headers=basic("anna", "secret")).status_code == 401


class TestTheOpenApi:
    @pytest.fixture(autouse=True)
    def _open(self, settings: Settings) -> None:
        settings.OPEN_API = True
        settings.ALLOWED_HOSTS = ["*"]

    @pytest.mark.parametrize(
        ("peer", "host"),
        [
            ("127.0.0.1", "127.0.0.1:8000"),
            ("127.0.0.1", "localhost"),
            ("::1", "[::1]:8000"),
            ("127.8.9.1", "localhost"),
            ("::ffff:127.0.0.1", "LOCALHOST"),
        ],
    )
    def test_admits_this_machine_without_a_log_in(self, client: Client, peer: str, host: str) -> None:
        assert client.get("/api/operators", REMOTE_ADDR=peer, headers={"Host": host}).status_code == 200

    def test_admits_writing(self, local: Client) -> None:
        assert local.post("/api/operators", {"name": "x"}, content_type="application/json").status_code == 201

    @pytest.mark.parametrize("peer", ["192.168.1.7", "8.8.8.8", "::ffff:10.0.0.1", "fe80::1", "", "unix"])
    def test_refuses_another_machine(self, client: Client, peer: str) -> None:
        assert client.get("/api/operators", REMOTE_ADDR=peer, headers={"Host": "localhost"}).status_code == 401

    @pytest.mark.parametrize("host", ["crm.example.org", "192.168.1.7", "localhost.example.org", "127.0.0.1.nip.io"])
    def test_refuses_a_name_that_only_points_here(self, client: Client, host: str) -> None:
        assert client.get("/api/operators", REMOTE_ADDR="127.0.0.1", headers={"Host": host}).status_code == 401

    @pytest.mark.parametrize(
        "header",
        ["Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Forwarded-Anything", "Via"],
    )
    def test_refuses_what_came_through_a_proxy(self, local: Client, header: str) -> None:
        assert local.get("/api/operators", headers={header: "1.2.3.4"}).status_code == 401

    @pytest.mark.parametrize("origin", ["https://evil.example.org", "http://localhost:9000", "null", "http://["])
    def test_refuses_the_page_of_another_site_in_a_browser_here(self, local: Client, origin: str) -> None:
        assert local.post("/api/contacts/1/close", headers={"Origin": origin}).status_code == 401

    def test_admits_our_own_page(self, local: Client) -> None:
        response = local.get("/api/operators", headers={"Host": "127.0.0.1:8000", "Origin": "http://127.0.0.1:8000"})

        assert response.status_code == 200

    def test_a_wrong_password_is_refused_all_the_same(self, local: Client) -> None:
        assert local.get("/api/operators", headers=basic("anna", "guess")).status_code == 401

    def test_is_closed_unless_asked_for(self, local: Client, settings: Settings) -> None:
        settings.OPEN_API = False

        assert local.get("/api/operators").status_code == 401

    def test_does_not_open_the_admin(self, local: Client) -> None:
        response = local.get("/admin/operators/operator/")

        assert response.status_code == 302
        assert response["Location"].startswith("/admin/login/")


class TestBodies:
    @pytest.fixture(autouse=True)
    def _open(self, settings: Settings) -> None:
        settings.OPEN_API = True

    @pytest.mark.parametrize(
        "body",
        [
            b"{",
            b"",
            b"\xff\xfe",
            b'{"name": NaN}',
            b'{"name": Infinity}',
            b'{"name": 1e999}',
            b'{"max_load": ' + b"9" * 5_000 + b"}",
            b"[" * 100_000,
            b'{"a":' * 100_000,
            b'{"name": "x"} x',
            b'{"name": ' + b"[" * 101 + b"]" * 101 + b"}",
        ],
        ids=lambda body: repr(body[:20]),
    )
    def test_json_that_cannot_be_read_is_400(self, local: Client, body: bytes) -> None:
        response = local.post("/api/operators", body, content_type="application/json")

        assert response.status_code == 400
        assert not Operator.objects.exists()

    def test_a_body_over_the_limit_is_413(self, local: Client) -> None:
        response = local.post("/api/operators", b'"' + b"x" * 10_000_000 + b'"', content_type="application/json")

        assert (response.status_code, errors(response)) == (413, [("body_too_large", None)])

    @pytest.mark.parametrize("content_type", ["application/x-www-form-urlencoded", "text/plain", "multipart/form-data"])
    def test_anything_but_json_is_415(self, local: Client, content_type: str) -> None:
        response = local.post("/api/operators", b"name=x", content_type=content_type)

        assert (response.status_code, errors(response)) == (415, [("unsupported_media_type", None)])

    def test_an_answer_in_another_format_is_406(self, local: Client) -> None:
        response = local.get("/api/operators", headers={"Accept": "application/xml"})

        assert (response.status_code, errors(response)) == (406, [("not_acceptable", None)])

    def test_a_field_name_that_cannot_be_encoded_is_quoted_safely(self, local: Client) -> None:
        response = local.post("/api/operators", b'{"name": "x", "\\ud800": 1}', content_type="application/json")

        assert (response.status_code, errors(response)) == (400, [("unknown_field", "?")])


class TestWhatNoDatabaseTakes:
    @pytest.mark.parametrize(
        "headers",
        [
            {"Authorization": "Basic YQBiOmM="},
            {"Cookie": 'sessionid="\\000aaaaaaaaaa"'},
            {"Authorization": "Basic %%%"},
        ],
        ids=["NUL in the name", "NUL in the session", "no base64"],
    )
    def test_in_a_header_is_refused(self, client: Client, headers: dict[str, str]) -> None:
        assert client.get("/api/operators", headers=headers).status_code in {400, 401}

    @pytest.mark.parametrize(
        "query",
        ["created_after=0001-01-01T00:00:00%2B14:00", "created_before=9999-12-31T23:59:59-14:00"],
    )
    def test_in_a_filter_is_refused_or_finds_nothing(self, admin_client: Client, query: str) -> None:
        assert admin_client.get(f"/api/contacts?{query}").status_code in {200, 400}

    def test_a_body_in_chunks_is_411(self, admin_client: Client) -> None:
        response = admin_client.get("/api/operators", headers={"Transfer-Encoding": "chunked"})

        assert (response.status_code, errors(response)) == (411, [("length_required", None)])

    def test_what_a_check_of_the_database_refuses_is_our_fault_and_logged(
        self, admin_client: Client, caplog: pytest.LogCaptureFixture
    ) -> None:
        contact = arrive(make_source({make_operator(): 1}))
        Operator.objects.update(load=0)
        admin_client.raise_request_exception = False

        response = admin_client.post(
            f"/api/contacts/{contact.pk}/close",
            {},
            content_type="application/json",
            headers={"Accept-Language": "ru"},
        )

        assert (response.status_code, errors(response)) == (500, [("error", None)])
        assert "У нас что-то сломалось" in response.json()["errors"][0]["detail"]
        assert "IntegrityError" in caplog.text


class TestLanguages:
    def test_a_caller_is_not_answered_in_the_language_of_the_one_before(self, admin_client: Client) -> None:
        body = {"external_id": "x" * 300, "source_code": "bot"}
        said = {
            language: admin_client.post(
                "/api/contacts", body, content_type="application/json", headers={"Accept-Language": language}
            ).json()["errors"][0]["detail"]
            for language in ("ru", "en")
        }

        assert "255" in said["en"]
        assert said["en"].isascii()
        assert not said["ru"].isascii()

    @pytest.mark.parametrize(
        ("accepted", "language"), [("ru", "ru"), ("ru-RU,ru;q=0.9,en;q=0.8", "ru"), ("en", "en"), ("de", "en")]
    )
    def test_the_caller_chooses(self, client: Client, accepted: str, language: str) -> None:
        response = client.get("/api/operators", headers={"Accept-Language": accepted})

        assert response["Content-Language"] == language


class TestOtherAddresses:
    def test_an_unknown_one_below_the_api_has_the_shape_of_every_error(self, client: Client) -> None:
        response = client.get("/api/nothing")

        assert (response.status_code, errors(response)) == (404, [("not_found", None)])

    def test_an_unknown_one_elsewhere_is_a_page(self, client: Client) -> None:
        response = client.get("/nothing")

        assert response.status_code == 404
        assert b"<h1>404</h1>" in response.content

    def test_an_unknown_host_is_400(self, client: Client) -> None:
        response = client.get("/api/operators", headers={"Host": "evil.example.org"})

        assert (response.status_code, errors(response)) == (400, [("bad_request", None)])

    def test_the_root_leads_to_the_admin(self, client: Client) -> None:
        assert client.get("/")["Location"] == "/admin/"

    @pytest.mark.parametrize("address", ["/docs", "/docs/", "/api/schema", "/api/schema/"])
    def test_the_documents_are_there_for_staff(self, admin_client: Client, address: str) -> None:
        assert admin_client.get(address).status_code == 200

    def test_the_documents_ask_no_other_host_for_anything(self, admin_client: Client) -> None:
        page = admin_client.get("/docs").content.decode()

        assert "https://" not in page.replace("https://github.com", "")

    def test_the_schema_takes_no_version_from_the_caller(self, admin_client: Client) -> None:
        assert admin_client.get("/api/schema?version=%0A").status_code == 200

    @pytest.mark.parametrize(
        "query",
        ["operators/weight/?source=" + "9" * 30, "operators/operator/?name=%00", "leads/lead/?created_at__year=-1"],
    )
    def test_a_query_that_the_admin_cannot_read_is_no_error_of_ours(self, admin_client: Client, query: str) -> None:
        admin_client.raise_request_exception = False

        assert admin_client.get(f"/admin/{query}").status_code in {200, 302, 400}

    def test_both_spellings_reach_the_same(self, admin_client: Client) -> None:
        operator = make_operator()

        for address in (f"/api/operators/{operator.pk}", f"/api/operators/{operator.pk}/"):
            assert admin_client.get(address).json()["id"] == operator.pk


def test_the_schema_names_each_call_once_without_a_trailing_slash(admin_client: Client) -> None:
    accept = {"Accept": "application/json"}
    schema: dict[str, Any] = admin_client.get("/api/schema", headers=accept).json()

    assert set(schema["paths"]) == {
        "/api/contacts",
        "/api/contacts/bulk",
        "/api/contacts/changes",
        "/api/contacts/{id}",
        "/api/contacts/{id}/close",
        "/api/contacts/{id}/decisions",
        "/api/contacts/{id}/reassign",
        "/api/contacts/{id}/reopen",
        "/api/exports/contacts",
        "/api/exports/decisions",
        "/api/exports/operators",
        "/api/exports/weights",
        "/api/leads",
        "/api/leads/{id}",
        "/api/leads/{id}/data",
        "/api/leads/{id}/erase",
        "/api/operators",
        "/api/operators/{id}",
        "/api/sources",
        "/api/sources/{id}",
        "/api/sources/{id}/fairness",
        "/api/sources/{id}/operators",
        "/api/sources/{id}/preview",
    }


def test_the_page_of_the_documents_is_only_read(admin_client: Client) -> None:
    assert admin_client.options("/docs").status_code == 405


@pytest.mark.parametrize("query", ["is_active=false", "page=1", "format=json", "format=xml", "none=1"])
@pytest.mark.parametrize("method", ["get", "patch", "post"])
def test_a_call_that_is_no_list_takes_no_parameters(admin_client: Client, method: str, query: str) -> None:
    address = "/api/operators" if method == "post" else f"/api/operators/{make_operator().pk}"

    response = getattr(admin_client, method)(f"{address}?{query}", {}, content_type="application/json")

    assert (response.status_code, errors(response)) == (400, [("unknown_filter", query.partition("=")[0])])
