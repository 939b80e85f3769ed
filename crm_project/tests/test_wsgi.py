import gc
import os
import subprocess
import sys
from io import BytesIO
from typing import Any

import pytest
from django.apps import apps
from django.contrib import admin
from model_bakery import baker
from pytest_django import Settings
from rest_framework.response import Response

from crm_project.setup.children import BASE_DIR
from crm_project.wsgi import LARGE_BYTES, application

pytestmark = pytest.mark.django_db(transaction=True)  # Django closes old connections when a request starts


def status(
    content_type: str, query: str = "", method: str = "GET", body: bytes = b"", path: str = "/api/operators"
) -> str:
    """Return the status line that the server would send."""
    lines: list[str] = []
    environ: dict[str, Any] = {
        "REQUEST_METHOD": method,
        "PATH_INFO": path,
        "QUERY_STRING": query,
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "80",
        "REMOTE_ADDR": "127.0.0.1",
        "CONTENT_TYPE": content_type,
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.input": BytesIO(body),
        "wsgi.url_scheme": "http",
    }
    response = application(environ, lambda status, _headers: lines.append(status))
    b"".join(response)
    response.close()  # type: ignore[attr-defined]
    return lines[0]


@pytest.fixture(autouse=True)
def _open(settings: Settings) -> None:
    settings.OPEN_API = True


@pytest.mark.parametrize("charset", ["rot13", "hex", "undefined", "utf-16", "nonsense", "UTF-8"])
def test_a_charset_that_cannot_be_meant_harms_nothing(charset: str) -> None:
    assert status(f"application/json; charset={charset}", query="is_active=true") == "200 OK"


def test_a_body_is_utf_8_whatever_it_claims() -> None:
    body = '{"name": "Анна"}'.encode()

    assert status("application/json; charset=cp1251", method="POST", body=body) == "201 Created"


def test_what_a_large_answer_leaves_behind_is_gone_before_the_next_request() -> None:
    baker.make("leads.Contact", text="x" * 2 * LARGE_BYTES)
    gc.disable()
    try:
        status("", path="/api/contacts")
        assert left_behind(Response)
        status("", path="/api/sources")
        assert not [answer for answer in left_behind(Response) if len(answer.content) > LARGE_BYTES]
    finally:
        gc.enable()


def left_behind(kind: type) -> list[Any]:
    return [thing for thing in gc.get_objects() if type(thing) is kind]


def test_a_static_file_is_passed_on() -> None:
    assert status("", path="/static/admin/css/base.css") == "200 OK"


def prints(code: str) -> str:
    """Return what a process of its own prints, one that no test has made load anything."""
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "crm_project.settings"}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=BASE_DIR, env=environment, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_a_server_process_has_loaded_the_pages_before_its_first_request() -> None:
    code = "import gc, sys, crm_project.wsgi; print('leads.admin.pages' in sys.modules, gc.isenabled())"

    assert prints(code) == "True True"


def test_a_server_process_does_not_load_what_only_the_sender_of_webhooks_needs() -> None:
    code = "import sys, crm_project.wsgi; print('crm_project.webhooks' in sys.modules, 'httpcore' in sys.modules)"

    assert prints(code) == "True False"


def test_a_command_does_not_load_the_pages() -> None:
    code = "import sys, django; django.setup(); print('leads.admin' in sys.modules)"

    assert prints(code) == "False"


def test_the_pages_are_as_django_wants_them() -> None:
    assert admin.site.check(list(apps.get_app_configs())) == []
