"""The ways to authenticate: an API key, `Authorization: Bearer crm_…`, and the name and password of a user."""

from typing import Any

from rest_framework.authentication import BaseAuthentication, BasicAuthentication, get_authorization_header
from rest_framework.request import Request

from crm_project.access.callers import Caller
from crm_project.access.errors import WithoutBearer
from crm_project.access.keys import KEY, caller_with


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
