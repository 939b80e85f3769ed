"""One shape for every error of the API: type, and for each error a code, a sentence and the field."""

from http import HTTPStatus
from typing import Any

from django.core.exceptions import RequestDataTooBig
from django.db import DataError, InterfaceError, OperationalError
from django.db.utils import IntegrityError
from django.utils.translation import gettext_lazy as _
from drf_standardized_errors.handler import ExceptionHandler as StandardizedExceptionHandler
from rest_framework import exceptions, status
from rest_framework.settings import api_settings

from crm_project.api.refusals import Refusal

NON_FIELD_ERRORS_KEY: str = api_settings.NON_FIELD_ERRORS_KEY
CHECK_VIOLATION = "23514"  # PostgreSQL's code
RETRY_AFTER_SECONDS = 2


class Refused(exceptions.APIException):
    """A refusal on its way out through the API."""

    def __init__(self, refusal: Refusal) -> None:
        self.status_code = refusal.status
        self.wait = refusal.wait
        super().__init__(str(refusal), refusal.code)


class ChangedMeanwhile(exceptions.APIException):
    """Two callers wrote the same unique value, or one deleted what the other used."""

    status_code = status.HTTP_409_CONFLICT
    default_code = "changed_meanwhile"
    default_detail = _("Somebody else changed this at the same moment. Read it again and repeat the call.")


class TryAgainLater(exceptions.APIException):
    """A lock or the database did not answer in time."""

    status_code = status.HTTP_503_SERVICE_UNAVAILABLE
    default_code = "try_again_later"
    default_detail = _("The database did not answer in time. Repeat the call in a moment.")
    wait = RETRY_AFTER_SECONDS


class BodyTooLarge(exceptions.APIException):
    """The body is larger than DATA_UPLOAD_MAX_MEMORY_SIZE."""

    status_code = status.HTTP_413_REQUEST_ENTITY_TOO_LARGE
    default_code = "body_too_large"
    default_detail = _("The body is too large: send at most one megabyte.")


class UnreadableValue(exceptions.APIException):
    """A header, a cookie or a query holds what no database can take: NUL, or a moment outside the calendar."""

    status_code = status.HTTP_400_BAD_REQUEST
    default_code = "unreadable_value"
    default_detail = _("The request holds a value that cannot be read. Check its headers and its query.")


class BadRequest(exceptions.APIException):
    """No view could be asked: the Host is unknown, for example."""

    status_code = status.HTTP_400_BAD_REQUEST
    default_code = "bad_request"
    default_detail = _("The request cannot be read.")


class LengthRequired(exceptions.APIException):
    """The body comes in chunks, without its length."""

    status_code = status.HTTP_411_LENGTH_REQUIRED
    default_code = "length_required"
    default_detail = _("Send the body in one piece, with a Content-Length.")


class FaultOfOurs(exceptions.APIException):
    """Something happened that nobody expected."""

    default_detail = _("Something went wrong on our side. It has been logged.")


TRANSLATIONS: dict[type[Exception], type[exceptions.APIException]] = {
    RequestDataTooBig: BodyTooLarge,
    DataError: UnreadableValue,
    OverflowError: UnreadableValue,
    UnicodeError: UnreadableValue,
    OperationalError: TryAgainLater,
    InterfaceError: TryAgainLater,
}


class ExceptionHandler(StandardizedExceptionHandler):
    """Adds refusals, conflicts and a database that is away to what the package knows."""

    def convert_known_exceptions(self, exc: Exception) -> Exception:
        """Return the API's exception for ours and the database's."""
        if isinstance(exc, Refusal):
            return _from_refusal(exc)
        if isinstance(exc, IntegrityError) and not _is_fault_of_ours(exc):
            return ChangedMeanwhile()
        for known, ours in TRANSLATIONS.items():
            if isinstance(exc, known):
                return ours()
        return super().convert_known_exceptions(exc)

    def convert_unhandled_exceptions(self, exc: Exception) -> exceptions.APIException:
        """Return the API's exception for what nobody expected, which says nothing of it."""
        return exc if isinstance(exc, exceptions.APIException) else FaultOfOurs()

    def format_exception(self, exc: exceptions.APIException) -> dict[str, Any]:
        """Return the body; whatever it quotes from the request can be encoded."""
        return _encodable(super().format_exception(exc))


def answer_to(error: Exception) -> tuple[int, dict[str, Any]]:
    """Return the status and the body that a call is answered with when it raises `error`."""
    handler = ExceptionHandler(error, {})  # type: ignore[typeddict-item]  # neither needs the view or the request
    ours = handler.convert_unhandled_exceptions(handler.convert_known_exceptions(error))
    return ours.status_code, handler.format_exception(ours)


def _is_fault_of_ours(error: IntegrityError) -> bool:
    # A unique or a foreign key fails when two callers meet; a check fails again however often the call is repeated.
    return getattr(error.__cause__, "sqlstate", None) == CHECK_VIOLATION or "CHECK constraint failed" in str(error)


def _from_refusal(refusal: Refusal) -> exceptions.APIException:
    match refusal.status:
        case HTTPStatus.BAD_REQUEST:
            detail = exceptions.ErrorDetail(str(refusal), refusal.code)
            return exceptions.ValidationError({refusal.field or NON_FIELD_ERRORS_KEY: [detail]})
        case HTTPStatus.NOT_FOUND:
            return exceptions.NotFound(str(refusal), refusal.code)
        case _:
            return Refused(refusal)


def _encodable(body: dict[str, Any]) -> dict[str, Any]:
    for error in body["errors"]:
        for key, value in error.items():
            if isinstance(value, str):
                error[key] = value.encode(errors="replace").decode()
    return body
