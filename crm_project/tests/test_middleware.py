"""Django's middleware without what none of our addresses needs does what Django's does."""

from typing import Any

import pytest
from django.conf import settings
from django.contrib import messages
from django.contrib.messages.middleware import MessageMiddleware
from django.http import HttpRequest, HttpResponse
from django.middleware.locale import LocaleMiddleware
from django.test import Client, RequestFactory
from django.utils.translation import get_language, gettext

from crm_project.middleware import Language, Messages

pytestmark = pytest.mark.once

PATHS = ["/api/contacts", "/admin/", "/ru/", "/ru/api/contacts", "/en", "/"]
ACCEPTED = [
    None,
    "",
    "ru",
    "en",
    "de",
    "ru-RU,ru;q=0.9,en;q=0.8",
    "en;q=0.1,ru;q=0.2",
    "*",
    "ru;q=x",
    "\N{PILE OF POO}",
]
IN_COOKIE = [None, "", "ru", "en", "de", "ru-x1", "../ru"]


def answered(
    middleware: type[LocaleMiddleware], path: str, accepted: str | None, in_cookie: str | None
) -> tuple[object, ...]:
    """Return what a view finds behind the middleware, and what its answer says before it."""

    def view(request: HttpRequest) -> HttpResponse:
        return HttpResponse(f"{request.LANGUAGE_CODE} {get_language()} {gettext('Operator')}", status=404)

    request = RequestFactory().get(path, headers={} if accepted is None else {"Accept-Language": accepted})
    if in_cookie is not None:
        request.COOKIES[settings.LANGUAGE_COOKIE_NAME] = in_cookie
    response: Any = middleware(view)(request)
    return response.content, response.status_code, dict(response.items())


class TestLanguage:
    @pytest.mark.parametrize("path", PATHS)
    @pytest.mark.parametrize("accepted", ACCEPTED)
    def test_is_the_one_that_django_would_choose_and_says_so(self, path: str, accepted: str | None) -> None:
        for in_cookie in IN_COOKIE:
            case = (path, accepted, in_cookie)

            assert answered(Language, *case) == answered(LocaleMiddleware, *case)

    def test_that_a_view_has_named_stays(self) -> None:
        middleware = Language(lambda _request: HttpResponse(headers={"Content-Language": "fr", "Vary": "Cookie"}))

        response: Any = middleware(RequestFactory().get("/"))

        assert (response["Content-Language"], response["Vary"]) == ("fr", "Cookie, Accept-Language")


class TestMessages:
    def test_of_a_page_of_the_back_office_are_kept_for_the_next(self) -> None:
        def view(request: HttpRequest) -> HttpResponse:
            messages.success(request, "Saved.")
            return HttpResponse()

        request: Any = RequestFactory().get("/admin/")
        request.session = {}

        assert "messages" in Messages(view)(request).cookies

    def test_are_looked_for_by_no_call_of_the_api(self, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
        asked = []
        monkeypatch.setattr(MessageMiddleware, "process_request", lambda _self, request: asked.append(request.path))

        client.get("/api/nothing")
        client.get("/admin/login/")

        assert asked == ["/admin/login/"]
