"""Django's middleware without what none of our addresses needs: every call of the API goes through it."""

from typing import Any

from django.contrib.messages.middleware import MessageMiddleware
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.middleware.locale import LocaleMiddleware
from django.utils.cache import patch_vary_headers
from django.utils.translation import activate, get_language, get_language_from_request

from crm_project.time_zone import BACK_OFFICE


class Language(LocaleMiddleware):
    """Answers in the language that the cookie or Accept-Language asks for; it looks for none in the address."""

    def process_request(self, request: HttpRequest) -> None:
        """Choose the language."""
        activate(get_language_from_request(request))
        request.LANGUAGE_CODE = get_language()

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        """Say in which language the answer is, and on what that depends."""
        patch_vary_headers(response, ("Accept-Language",))
        response.headers.setdefault("Content-Language", get_language())
        return response


class Messages(MessageMiddleware):
    """Keeps what one page of the back office has to say on the next; nothing else says anything so."""

    def __call__(self, request: HttpRequest) -> Any:
        """Answer the request."""
        return super().__call__(request) if request.path_info.startswith(BACK_OFFICE) else self.get_response(request)
