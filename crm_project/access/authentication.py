"""API keys as REST framework's way to authenticate: `Authorization: Bearer crm_…`."""

from rest_framework.authentication import BaseAuthentication, get_authorization_header
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
