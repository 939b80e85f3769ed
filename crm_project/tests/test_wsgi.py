from io import BytesIO
from typing import Any

import pytest
from pytest_django import Settings

from crm_project.wsgi import application

pytestmark = pytest.mark.django_db(transaction=True)  # Django closes old connections when a request starts


def status(content_type: str, query: str = "", method: str = "GET", body: bytes = b"") -> str:
    """Return the status line that the server would send."""
    lines: list[str] = []
    environ: dict[str, Any] = {
        "REQUEST_METHOD": method,
        "PATH_INFO": "/api/operators",
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
