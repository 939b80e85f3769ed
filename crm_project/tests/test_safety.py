"""Against strangers: wrong passwords, scripts from elsewhere, and what goes over the wire in clear."""

import os
import re
import subprocess
import sys
from base64 import b64encode
from datetime import timedelta
from typing import Any

import pytest
from axes.models import AccessAttempt
from django.contrib.auth.models import User
from django.db.models import F
from django.test import Client, RequestFactory
from rest_framework.test import APIClient

from crm_project.access.authentication import address_of
from crm_project.setup.children import BASE_DIR

PASSWORD = "a good long password"
ENOUGH = 10
INLINE_SCRIPT = re.compile(r"<script(?![^>]*\bsrc=)(?![^>]*application/json)|\son[a-z]+\s*=\s*[\"']", re.IGNORECASE)


@pytest.fixture
def supervisor(db: None) -> User:
    return User.objects.create_superuser("anna", password=PASSWORD)


def log_in(password: str, *, name: str = "anna", address: str = "192.0.2.1", language: str = "en") -> Any:
    form = {"username": name, "password": password}
    return Client().post("/admin/login/", form, REMOTE_ADDR=address, headers={"accept-language": language})


def call_api(password: str) -> Any:
    credentials = b64encode(f"anna:{password}".encode()).decode()
    return APIClient().get("/api/operators", headers={"authorization": f"Basic {credentials}"}, REMOTE_ADDR="192.0.2.1")


def try_passwords(times: int = ENOUGH) -> None:
    for number in range(times):
        log_in(f"guess {number}")


@pytest.mark.usefixtures("supervisor")
class TestWrongPasswords:
    def test_a_few_are_forgiven(self) -> None:
        try_passwords(ENOUGH - 1)

        assert log_in(PASSWORD).status_code == 302

    def test_ten_shut_the_name_out_for_the_address(self) -> None:
        try_passwords()

        response = log_in(PASSWORD)

        assert (response.status_code, response["Retry-After"]) == (429, "900")
        assert "Too many wrong passwords" in response.content.decode()

    def test_the_answer_is_in_the_language_of_the_caller(self) -> None:
        try_passwords()

        assert "Слишком много неверных паролей" in log_in(PASSWORD, language="ru").content.decode()

    def test_the_api_is_shut_too_and_says_so_in_its_shape(self) -> None:
        for number in range(ENOUGH):
            call_api(f"guess {number}")

        response = call_api(PASSWORD)

        assert (response.status_code, response["Retry-After"]) == (429, "900")
        assert response.json()["errors"][0]["code"] == "too_many_attempts"

    def test_others_at_the_address_and_the_name_elsewhere_are_let_in(self) -> None:
        User.objects.create_superuser("boris", password=PASSWORD)
        try_passwords()

        assert log_in(PASSWORD, name="boris").status_code == 302
        assert log_in(PASSWORD, address="192.0.2.2").status_code == 302

    @pytest.mark.parametrize(
        ("https", "forwarded", "address"),
        [
            (True, "203.0.113.5", "203.0.113.5"),
            (True, "198.51.100.1, 203.0.113.5", "203.0.113.5"),
            (True, "", "192.0.2.1"),
            (True, "203.0.113.5, nonsense", "192.0.2.1"),
            (False, "203.0.113.5", "192.0.2.1"),
        ],
    )
    def test_behind_a_proxy_it_is_the_address_that_the_proxy_saw(
        self, settings: Any, rf: RequestFactory, https: bool, forwarded: str, address: str
    ) -> None:
        settings.HTTPS = https

        assert address_of(rf.get("/", REMOTE_ADDR="192.0.2.1", headers={"x-forwarded-for": forwarded})) == address

    def test_a_quarter_of_an_hour_later_it_is_open_again(self) -> None:
        try_passwords()
        AccessAttempt.objects.update(attempt_time=F("attempt_time") - timedelta(minutes=16))

        assert log_in(PASSWORD).status_code == 302

    def test_who_tries_on_does_not_make_it_longer(self) -> None:
        try_passwords()
        AccessAttempt.objects.update(attempt_time=F("attempt_time") - timedelta(minutes=14))
        try_passwords(3)
        AccessAttempt.objects.update(attempt_time=F("attempt_time") - timedelta(minutes=2))

        assert log_in(PASSWORD).status_code == 302


def policy(response: Any) -> dict[str, str]:
    rules = (rule.strip().partition(" ") for rule in response["Content-Security-Policy"].split(";"))
    return {name: sources for name, _space, sources in rules}


@pytest.mark.django_db
class TestContentSecurityPolicy:
    @pytest.mark.parametrize("address", ["/admin/", "/admin/leads/contact/", "/docs", "/api/operators", "/nowhere"])
    def test_every_answer_carries_it(self, admin_client: Client, address: str) -> None:
        rules = policy(admin_client.get(address))

        assert rules["default-src"] == rules["form-action"] == "'self'"
        assert rules["script-src"] == "'self' 'unsafe-eval'"
        assert rules["frame-ancestors"] == rules["object-src"] == rules["base-uri"] == "'none'"

    @pytest.mark.parametrize(
        "address",
        [
            *("/admin/", "/admin/login/", "/admin/leads/contact/", "/admin/leads/source/add/", "/docs"),
            *("/admin/operators/operator/", "/admin/operators/operator/add/", "/admin/distribution/decision/"),
        ],
    )
    def test_no_page_has_a_script_that_it_would_stop(self, admin_client: Client, address: str) -> None:
        page = admin_client.get(address, follow=True).content.decode()

        assert "<script" in page
        assert not INLINE_SCRIPT.search(page)

    def test_the_page_of_the_api_has_its_script_in_an_answer_of_its_own(self, admin_client: Client) -> None:
        response = admin_client.get("/docs?script=")

        assert response["Content-Type"] == "application/javascript"
        assert "SwaggerUIBundle" in response.content.decode()


@pytest.mark.once
class TestHttps:
    def run(self, code: str, **environment: str) -> str:
        variables = {**os.environ, "DJANGO_SETTINGS_MODULE": "crm_project.settings", **environment}
        done = subprocess.run(
            [sys.executable, "-c", f"import django; django.setup(); {code}"],
            cwd=BASE_DIR,
            env=variables,
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout + done.stderr

    def test_the_check_before_deployment_has_nothing_to_say(self) -> None:
        check = "from django.core.management import call_command; call_command('check', deploy=True)"

        assert "no issues" in self.run(check, HTTPS="1", DEBUG="0")
        assert "security.W008" in self.run(check, HTTPS="0", DEBUG="0")

    def test_with_it_cookies_stay_off_plain_http_and_callers_are_sent_on(self) -> None:
        ask = (
            "from django.test import Client; from django.conf import settings; "
            "answer = Client().get('/admin/login/', SERVER_NAME='localhost'); "
            "print(answer.status_code, answer['Location'], settings.SESSION_COOKIE_SECURE, settings.CSRF_COOKIE_SECURE)"
        )

        assert self.run(ask, HTTPS="1").split() == ["301", "https://localhost/admin/login/", "True", "True"]

    def test_behind_a_proxy_that_ends_tls_the_page_is_served_with_strict_transport(self) -> None:
        ask = (
            "from django.test import Client; "
            "answer = Client(headers={'x-forwarded-proto': 'https'}).get('/nowhere', SERVER_NAME='localhost'); "
            "print(answer.status_code, answer['Strict-Transport-Security'])"
        )

        assert self.run(ask, HTTPS="1").split(maxsplit=1) == [
            "404",
            "max-age=31536000; includeSubDomains; preload\n",
        ]

    def test_without_it_plain_http_is_served(self) -> None:
        ask = (
            "from django.test import Client; "
            "print(Client(headers={'x-forwarded-proto': 'https'}).get('/nowhere', SERVER_NAME='localhost').status_code)"
        )

        assert self.run(ask, HTTPS="0").split() == ["404"]
