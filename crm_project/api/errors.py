"""One shape for every error of the API: type, and for each error a code, a sentence and the field."""

from typing import Any

from django.core.exceptions import RequestDataTooBig
from django.db import InterfaceError, OperationalError
from django.db.utils import IntegrityError
from django.utils.translation import gettext_lazy as _
from drf_standardized_errors.handler import ExceptionHandler as StandardizedExceptionHandler
from rest_framework import exceptions, status

from crm_project.api.refusals import Refusal

RETRY_AFTER_SECONDS = 2


class Refused(exceptions.APIException):
    """A refusal on its way out through the API."""

    def __init__(self, refusal: Refusal) -> None:
        self.status_code = refusal.status
        super().__init__(refusal.message, refusal.code)


class ChangedMeanwhile(exceptions.APIException):
    """Two callers wrote the same unique value, or one deleted what the other used."""

    status_code = status.HTTP_409_CONFLICT
    default_code = "changed_meanwhile"
    default_detail = _("Somebody else changed this at the same moment. Read it again and repeat the call.")


class TryAgainLater(exceptions.APIException):
    """A lock or the database did not answer in time."""

    status_code = status.HTTP_503_SERVICE_UNAVAILABLE
    default_code = "try_again_later"
    default_detail = _("The database did not answer in time and nothing was changed. Repeat the call in a moment.")
    wait = RETRY_AFTER_SECONDS


class BodyTooLarge(exceptions.APIException):
    """The body is larger than DATA_UPLOAD_MAX_MEMORY_SIZE."""

    status_code = status.HTTP_413_REQUEST_ENTITY_TOO_LARGE
    default_code = "body_too_large"
    default_detail = _("The body is too large: send at most one megabyte.")


class ExceptionHandler(StandardizedExceptionHandler):
    """Adds refusals, conflicts and a database that is away to what the package knows."""

    def convert_known_exceptions(self, exc: Exception) -> Exception:
        """Return the API's exception for ours and the database's."""
        match exc:
            case Refusal(status=status.HTTP_400_BAD_REQUEST):
                return exceptions.ValidationError({exc.field: [exceptions.ErrorDetail(str(exc), exc.code)]})
            case Refusal(status=status.HTTP_404_NOT_FOUND):
                return exceptions.NotFound(str(exc), exc.code)
            case Refusal():
                return Refused(exc)
            case RequestDataTooBig():
                return BodyTooLarge()
            case IntegrityError():
                return ChangedMeanwhile()
            case OperationalError() | InterfaceError():
                return TryAgainLater()
        return super().convert_known_exceptions(exc)

    def format_exception(self, exc: exceptions.APIException) -> dict[str, Any]:
        """Return the body; whatever it quotes from the request can be encoded."""
        return _encodable(super().format_exception(exc))


def _encodable(body: dict[str, Any]) -> dict[str, Any]:
    for error in body["errors"]:
        for key, value in error.items():
            if isinstance(value, str):
                error[key] = value.encode(errors="replace").decode()
    return body
