"""What the product logs says what failed and where, and names no person and no key."""

import base64
import io
import logging
import sys
from collections.abc import Callable, Iterator
from typing import Any
from unittest.mock import patch

import psycopg
import pytest
from django.contrib.auth.models import User
from django.core.exceptions import ImproperlyConfigured
from django.core.management import CommandError, call_command
from django.db import IntegrityError, OperationalError, connection, transaction
from django.db.models import ProtectedError
from django.test import Client
from django.test.utils import CaptureQueriesContext
from model_bakery import baker
from rest_framework.test import APIClient

from crm_project import wsgi
from crm_project.logs import DiscreetFormatter, said, without_persons
from crm_project.testing.rows import arrive, make_lead, make_operator, make_source
from distribution.assignment import Choice
from distribution.records import Account
from distribution.tests.commands import run
from leads.models import Contact, Lead

pytestmark = pytest.mark.django_db

KEY = "anna_of_the_bot"
NAME = "Анна Каренина"
PHONE = "+7 (912) 345-67-89"
DIGITS = "79123456789"
EMAIL = "anna@example.org"
TEXT = "Позвоните мне\nпосле шести"
PASSWORD = base64.b64encode(b"anna:secret").decode()
PERSON = [KEY, NAME, PHONE, DIGITS, EMAIL, *TEXT.splitlines(), PASSWORD]

type Console = Callable[[], str]


def console_handler() -> logging.StreamHandler[Any]:
    """Return the handler that prints the log of the product."""
    handlers = [handler for handler in logging.getLogger().handlers if isinstance(handler, logging.StreamHandler)]
    return next(handler for handler in handlers if isinstance(handler.formatter, DiscreetFormatter))


@pytest.fixture
def console() -> Iterator[Console]:
    """Give what the console has shown since the test began."""
    handler, shown = console_handler(), io.StringIO()
    before = handler.setStream(shown)
    yield shown.getvalue
    handler.setStream(before)


def with_a_plain_formatter() -> Any:
    return patch.object(console_handler(), "formatter", logging.Formatter("%(levelname)s %(name)s: %(message)s"))


def assert_names_nobody(shown: str) -> None:
    assert shown, "nothing was logged"
    assert [word for word in PERSON if word in shown or repr(word)[1:-1] in shown] == []


def store_a_row_that_a_check_refuses(*_: Any, **__: Any) -> Any:
    """Store a contact that is active without an operator: PostgreSQL quotes the whole row."""
    lead, source = baker.make(Lead), make_source()
    with transaction.atomic():
        Contact.objects.create(
            lead=lead,
            source=source,
            status="active",
            external_id=KEY,
            name=NAME,
            phone=PHONE,
            email=EMAIL,
            text=TEXT,
        )


def store_a_key_that_is_taken(*_: Any, **__: Any) -> Any:
    """Let two leads be known by the same: PostgreSQL quotes the key."""
    for _lead in range(2):
        with transaction.atomic():
            make_lead(KEY)


def fail_with_everything(*_: Any, **__: Any) -> Any:
    raise RuntimeError(f"{KEY} {NAME} {PHONE} {DIGITS} {EMAIL} {TEXT}")


def fail_after_another_failure(*_: Any, **__: Any) -> Any:
    try:
        {TEXT: NAME}[KEY]
    except KeyError as error:
        raise RuntimeError(TEXT) from error


def cast_a_text_to_a_number(*_: Any, **__: Any) -> Any:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT %s::integer", [KEY])


FAILURES = [
    pytest.param(store_a_row_that_a_check_refuses, "contact_status_and_operator_agree", id="a check"),
    pytest.param(fail_with_everything, "RuntimeError", id="an error of ours"),
    pytest.param(fail_after_another_failure, "KeyError", id="an error after another"),
]


class TestAnUnhandledError:
    @pytest.mark.parametrize(("failure", "what"), FAILURES)
    def test_in_the_api_is_logged_without_the_person(
        self, failure: Callable[..., Any], what: str, api: APIClient, console: Console
    ) -> None:
        User.objects.create_superuser("anna", password="secret")
        api.raise_request_exception = False
        with patch("distribution.gathering.register_contact", failure):
            response = api.post(
                "/api/contacts",
                {"external_id": KEY, "source_code": "bot", "name": NAME, "phone": PHONE, "text": TEXT},
                headers={"Authorization": f"Basic {PASSWORD}"},
            )

        assert response.status_code == 500
        assert_names_nobody(console())
        assert "/api/contacts" in console()
        assert what in console()
        assert f"in {failure.__name__}" in console()

    @pytest.mark.parametrize(("failure", "what"), FAILURES)
    def test_in_the_admin_is_logged_without_the_person(
        self, failure: Callable[..., Any], what: str, admin_client: Client, console: Console
    ) -> None:
        admin_client.raise_request_exception = False
        with patch("leads.admin.LeadAdmin.get_queryset", failure):
            admin_client.get("/admin/leads/lead/", {"q": KEY, "phone": PHONE})

        assert_names_nobody(console())
        assert "/admin/leads/lead/" in console()
        assert what in console()
        assert f"in {failure.__name__}" in console()

    def test_past_django_is_logged_without_the_person(self, console: Console) -> None:
        lines: list[str] = []
        with patch.object(wsgi, "django_application", fail_with_everything):
            wsgi.application({}, lambda status, _headers: lines.append(status))

        assert lines == ["500 Internal Server Error"]
        assert_names_nobody(console())
        assert "in fail_with_everything" in console()

    def test_in_a_command_is_logged_without_the_person(self) -> None:
        done = run("shell", "--no-imports", "-c", f"raise RuntimeError('{KEY} {DIGITS}')")

        assert done.returncode == 1
        assert "The command failed" in done.stderr
        assert "RuntimeError: …" in done.stderr
        assert_names_nobody(done.stderr)


class TestWithoutTheFormatter:
    """The proof that the tests would see a person."""

    def test_an_error_of_ours_names_the_person(self, api: APIClient, console: Console) -> None:
        api.raise_request_exception = False
        with with_a_plain_formatter(), patch("distribution.gathering.register_contact", fail_with_everything):
            api.post("/api/contacts", {"external_id": KEY, "source_code": "bot"})

        assert [word for word in (KEY, NAME, PHONE, DIGITS, EMAIL, *TEXT.splitlines()) if word not in console()] == []

    @pytest.mark.postgresql
    def test_a_check_names_the_person(self, api: APIClient, console: Console) -> None:
        api.raise_request_exception = False
        with (
            with_a_plain_formatter(),
            patch("distribution.gathering.register_contact", store_a_row_that_a_check_refuses),
        ):
            api.post("/api/contacts", {"external_id": KEY, "source_code": "bot"})

        assert "Failing row contains" in console()
        assert [word for word in (KEY, NAME, PHONE, EMAIL) if word not in console()] == []

    @pytest.mark.postgresql
    def test_a_drain_names_the_key(self, console: Console) -> None:
        with with_a_plain_formatter(), patch("distribution.queue.next_in_queue", store_a_key_that_is_taken):
            arrive_beside_a_free_operator()

        assert KEY in console()


def arrive_beside_a_free_operator() -> Contact:
    """Register a contact that waits although somebody has room, so that a drain follows the commit."""
    source = make_source({make_operator(max_load=1): 1})
    with patch("distribution.intake.draw_operator", return_value=Choice(None, Account())):
        return arrive(source, KEY, phone=PHONE, text=TEXT)


@pytest.mark.parametrize(
    ("failure", "what"),
    [
        pytest.param(store_a_key_that_is_taken, "external_id", id="a key"),
        pytest.param(store_a_row_that_a_check_refuses, "contact_status_and_operator_agree", id="a check"),
        pytest.param(cast_a_text_to_a_number, "SQLSTATE 22P02", id="a value", marks=pytest.mark.postgresql),
    ],
)
def test_a_drain_that_fails_after_the_commit_is_logged_without_the_person(
    failure: Callable[..., Any], what: str, console: Console
) -> None:
    with patch("distribution.queue.next_in_queue", failure):
        contact = arrive_beside_a_free_operator()

    assert contact.is_waiting
    assert_names_nobody(console())
    assert "could not be drained after a commit" in console()
    assert what in console()


class TestTheSweep:
    COMMAND = "distribution.management.commands.drain_queue.drain"

    def test_goes_on_after_an_error_logged_without_the_person(self, console: Console) -> None:
        answers = iter([store_a_row_that_a_check_refuses])

        def drain(_sources: Any) -> int:
            for failure in answers:
                failure()
            raise KeyboardInterrupt

        with patch(self.COMMAND, drain), patch("django.db.connections.close_all"):
            call_command("drain_queue", "--every", "0.01")

        assert_names_nobody(console())
        assert "The queue was not drained" in console()
        assert "contact_status_and_operator_agree" in console()

    def test_run_once_ends_with_a_sentence_without_the_person(self) -> None:
        with patch(self.COMMAND, store_a_key_that_is_taken), pytest.raises(CommandError) as raised:
            call_command("drain_queue")

        assert_names_nobody(str(raised.value))
        assert "identity" in str(raised.value)


class TestRequestsThatAreRefused:
    def test_an_unknown_host_is_named_but_not_the_person(self, client: Client, console: Console) -> None:
        client.post(
            f"/api/contacts?external_id={KEY}",
            {"external_id": KEY, "text": TEXT},
            content_type="application/json",
            headers={"Host": "crm.example.com", "Authorization": f"Basic {PASSWORD}"},
        )

        assert_names_nobody(console())
        assert "'crm.example.com'" in console()

    def test_a_phone_for_a_host_is_not_printed(self, client: Client, console: Console) -> None:
        client.get("/api/contacts", headers={"Host": f"{DIGITS}.example.com"})

        assert_names_nobody(console())
        assert "Invalid HTTP_HOST header" in console()

    @pytest.mark.parametrize(
        "headers",
        [{}, {"Referer": f"https://example.com/?external_id={KEY}"}, {"Origin": f"https://{DIGITS}.example.com"}],
        ids=["without a cookie", "from a page elsewhere", "from another site"],
    )
    def test_a_form_without_its_token_is_told_without_the_person(
        self, headers: dict[str, str], console: Console
    ) -> None:
        client = Client(enforce_csrf_checks=True)
        client.post(
            f"/admin/login/?external_id={KEY}", {"username": EMAIL, "password": NAME}, headers=headers, secure=True
        )

        assert_names_nobody(console())
        assert "Forbidden" in console()
        assert "/admin/login/" in console()

    def test_a_line_of_runserver_has_no_query(self, console: Console) -> None:
        line = f"GET /api/leads?external_id={KEY} HTTP/1.1"
        logging.getLogger("django.server").warning('"%s" %s %s', line, "404", "12")

        assert_names_nobody(console())
        assert '"GET /api/leads?… HTTP/1.1" 404 12' in console()


def test_statements_and_their_values_are_not_logged(console: Console) -> None:
    with CaptureQueriesContext(connection) as statements:
        Lead.objects.create(external_id=KEY)

    assert KEY in str(statements.captured_queries)
    assert console() == ""


def test_django_has_no_handlers_beside_the_console() -> None:
    assert [name for name in ("django", "django.server") if logging.getLogger(name).handlers] == []
    assert logging.getLogger("django.server").propagate


class TestAnError:
    @pytest.mark.parametrize(
        ("error", "text"),
        [
            (OperationalError("connection\n\trefused"), "connection refused"),
            (IntegrityError(KEY), "…"),
            (ProtectedError("kept", {Lead(pk=1, external_id=KEY)}), "…"),
            (psycopg.errors.UniqueViolation(f"Key (external_id)=({KEY})"), "… (SQLSTATE 23505)"),
            (psycopg.DataError(KEY), "…"),
            (NameError("name 'x' is not defined"), "name 'x' is not defined"),
            (ImproperlyConfigured("SECRET_KEY is too short"), "SECRET_KEY is too short"),
            (ConnectionRefusedError(111, "Connection refused", KEY), "Connection refused"),
            (OSError(), "…"),
            (ValueError(KEY), "…"),
        ],
        ids=repr,
    )
    def test_says_only_what_quotes_nothing(self, error: Exception, text: str) -> None:
        assert said(error) == text

    def test_given_to_the_message_says_no_more(self, console: Console) -> None:
        logger = logging.getLogger("crm_project")
        logger.warning("first: %s", ValueError(KEY))
        logger.warning("second: %(error)s", {"error": ValueError(KEY)})
        logger.warning(ValueError(KEY))

        assert [line.partition("crm_project: ")[2] for line in console().splitlines()] == ["first: …", "second: …", "…"]

    def test_that_another_handler_printed_before_is_printed_anew(self, console: Console) -> None:
        try:
            fail_after_another_failure()
        except RuntimeError:
            record = logging.getLogger().makeRecord("x", logging.ERROR, "", 0, "It failed", (), sys.exc_info())
        logging.Formatter().format(record)

        shown = console_handler().format(record)

        assert_names_nobody(shown)
        assert shown.index("KeyError: …") < shown.index("direct cause") < shown.index("RuntimeError: …")

    def test_that_goes_round_in_a_circle_is_printed_once(self) -> None:
        first, second = ValueError(KEY), TypeError(KEY)
        first.__cause__, second.__cause__ = second, first

        shown = DiscreetFormatter().formatException((ValueError, first, None))

        assert (shown.count("ValueError"), shown.count("TypeError")) == (1, 1)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (f"Call {PHONE}.", "Call …."),
        (f"/leads/%2B{DIGITS}/", "/leads/%2B…/"),
        (f"Write to {EMAIL} now", "Write to … now"),
        ("postgres://crm:secret@db/crm fails", "… fails"),
        (f"Authorization: Basic {PASSWORD}", "Authorization: Basic …"),
        (f"/api/contacts/crm_k3yk3yk3_{'-aB4' * 10}xyz/", "/api/contacts/…/"),
        ("GET /leads?q=a?b", "GET /leads?…"),
        ("Where? Here: 10.120.130.140:5432, contact 123456", "Where? Here: 10.120.130.140:5432, contact 123456"),
    ],
)
def test_what_has_the_form_of_a_person_is_left_out_of_a_text(text: str, shown: str) -> None:
    assert without_persons(text) == shown


def test_a_long_path_takes_no_time() -> None:
    for letter in "/?@1a ":
        without_persons(letter * 100_000)
