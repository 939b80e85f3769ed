"""The ways to authenticate: an API key, `Authorization: Bearer crm_…`, and the name and password of a user."""

from ipaddress import ip_address
from typing import Any

from django.conf import settings
from django.http import HttpRequest
from rest_framework.authentication import BaseAuthentication, BasicAuthentication, get_authorization_header
from rest_framework.request import Request

from crm_project.access.callers import Caller
from crm_project.access.errors import WithoutBearer
from crm_project.access.keys import KEY, caller_with


def address_of(request: HttpRequest) -> str:
    """Return the address that a log-in comes from: with HTTPS=1 the last that the proxy names, else the peer's.

    The proxy adds whom it saw to the end of X-Forwarded-For; what stands before that, anybody may have written.
    """
    peer: str = request.META.get("REMOTE_ADDR", "")
    named = request.headers.get("x-forwarded-for", "").rpartition(",")[2].strip()
    try:
        return str(ip_address(named)) if settings.HTTPS else peer
    except ValueError:
        return peer


class KeyAuthentication(BaseAuthentication):
    """Recognises the caller by the key that is sent; one that is sent is always checked."""

    def authenticate(self, request: Request) -> tuple[Caller, Caller] | None:
        """Return the caller, None when no key is sent. Raises UnknownKey, RevokedKey, ExpiredKey and WithoutBearer.

        A key that is sent without the word Bearer is refused: where the API is open, a bot would not notice.
        """
        header = get_authorization_header(request).decode("latin-1").strip()
        scheme, _space, key = header.partition(" ")
        if scheme.lower() != "bearer":
            if KEY.search(header):
                raise WithoutBearer
            return None
        caller = caller_with(key.strip())
        return caller, caller

    def authenticate_header(self, request: Request) -> str:
        """Return how one may authenticate."""
        return 'Basic realm="api", Bearer realm="api"'


class PasswordAuthentication(BasicAuthentication):
    """HTTP Basic, with the count of wrong passwords that the log-in page keeps."""

    def authenticate_credentials(self, userid: str, password: str, request: Any = None) -> Any:
        """Return the user. Raises AuthenticationFailed.

        Whoever counts the attempts looks for its marks on Django's request, not on REST framework's.
        """
        return super().authenticate_credentials(userid, password, request and request._request)
