"""Why a key is not accepted or made, and why a call with an Idempotency-Key is not carried out."""

from collections.abc import Iterable
from http import HTTPStatus
from typing import Self

from django.utils.translation import gettext_lazy as _
from rest_framework import exceptions, status

from crm_project.api.refusals import Refusal


class UnknownKey(exceptions.AuthenticationFailed):
    """There is no such key."""

    default_code = "unknown_key"
    default_detail = _("This API key is not known. Check that it is whole, or ask for a new one.")


class WithoutBearer(exceptions.AuthenticationFailed):
    """A key was sent in another way than ours."""

    default_code = "without_bearer"
    default_detail = _("Send the API key with the word Bearer before it: “Authorization: Bearer crm_…”.")


class RevokedKey(exceptions.AuthenticationFailed):
    """The key was revoked."""

    default_code = "revoked_key"
    default_detail = _("This API key was revoked. Use the newer one, or ask for it.")


class ExpiredKey(exceptions.AuthenticationFailed):
    """The key's time is over."""

    default_code = "expired_key"
    default_detail = _("This API key has expired. Ask for a new one.")


class TooManyAttempts(exceptions.APIException):
    """Wrong passwords were sent again and again under this name from this address."""

    status_code = status.HTTP_429_TOO_MANY_REQUESTS
    default_code = "too_many_attempts"
    default_detail = _("Too many wrong passwords. Wait a quarter of an hour, or ask an administrator.")


class MissingScope(exceptions.PermissionDenied):
    """The key was not given what the call asks for."""

    default_code = "missing_scope"
    default_detail = _("This API key may not do this. The call needs one of the scopes: %(scopes)s.")

    def __init__(self, scopes: Iterable[str]) -> None:
        super().__init__(self.default_detail % {"scopes": ", ".join(sorted(scopes))})


class NeedsAllSources(exceptions.PermissionDenied):
    """The key is limited to some sources, and the call concerns them all."""

    default_code = "needs_all_sources"
    default_detail = _("This concerns all sources, and the API key is limited to some. Use one for all sources.")


class BadIdempotencyKey(exceptions.APIException):
    """The header holds no key that could be kept."""

    status_code = status.HTTP_400_BAD_REQUEST
    default_code = "bad_idempotency_key"
    default_detail = _("An Idempotency-Key is 1 to 255 visible ASCII characters, a UUID for example.")


class NotCarriedOut(exceptions.APIException):
    """The call with an Idempotency-Key is not the one to be done."""

    def __copy__(self) -> Self:
        """Return the same, said in the language of whoever copies it."""
        return type(self)()


class IdempotencyKeyReused(NotCarriedOut):
    """The key came with another call before."""

    status_code = status.HTTP_422_UNPROCESSABLE_ENTITY
    default_code = "idempotency_key_reused"
    default_detail = _("This Idempotency-Key came with another call before. Give each call a key of its own.")


class StillRunning(NotCarriedOut):
    """The first call with the key has not ended yet."""

    status_code = status.HTTP_409_CONFLICT
    default_code = "still_running"
    default_detail = _("The first call with this Idempotency-Key is still running. Repeat it in a moment.")
    wait = 1


class TooManyKeys(Refusal):
    """The client has as many valid keys as it can have."""

    code = "too_many_keys"
    message = _("This client has two valid keys. Revoke the one that is no longer used, then make another.")
    status = HTTPStatus.CONFLICT
