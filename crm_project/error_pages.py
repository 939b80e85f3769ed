"""Answers to requests that no view could answer: in the API's shape below /api/, as pages elsewhere."""

import sys
from http import HTTPStatus

from django.conf import settings
from django.contrib.admin.options import IncorrectLookupParameters
from django.core.exceptions import FieldError
from django.db import DataError, InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from crm_project.access.errors import TooManyAttempts
from crm_project.api.errors import RETRY_AFTER_SECONDS, BadRequest, FaultOfOurs, TryAgainLater

ADMIN_PREFIX = "/admin/"
API_PREFIX = "/api/"

# What Django's admin lets pass when a query or a form was tampered with: texts for numbers, NUL, numbers too large.
UNREADABLE = (DataError, FieldError, IncorrectLookupParameters, LookupError, OverflowError, TypeError, ValueError)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer a request that cannot be read, such as one with an unknown Host."""
    return _answer(request, HTTPStatus.BAD_REQUEST, BadRequest.default_code, BadRequest.default_detail)


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer a request that is not allowed."""
    return _answer(request, HTTPStatus.FORBIDDEN, "permission_denied", _("You may not do this."))


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer an address that does not exist."""
    return _answer(request, HTTPStatus.NOT_FOUND, "not_found", _("There is nothing at this address."))


def too_many_attempts(request: HttpRequest, response: HttpResponse, credentials: object) -> HttpResponse:
    """Answer a log-in under a name that was tried too often from the same address."""
    response = _answer(
        request, HTTPStatus.TOO_MANY_REQUESTS, TooManyAttempts.default_code, TooManyAttempts.default_detail
    )
    response["Retry-After"] = str(int(settings.AXES_COOLOFF_TIME.total_seconds()))
    return response


def server_error(request: HttpRequest) -> HttpResponse:
    """Answer after an error of ours; 503 when the database is away, 400 when the admin was sent what it cannot read."""
    error = sys.exception()
    if isinstance(error, OperationalError | InterfaceError):
        response = _answer(
            request, HTTPStatus.SERVICE_UNAVAILABLE, TryAgainLater.default_code, TryAgainLater.default_detail
        )
        response["Retry-After"] = str(RETRY_AFTER_SECONDS)
        return response
    if isinstance(error, UNREADABLE) and request.path.startswith(ADMIN_PREFIX) and (request.GET or request.POST):
        return bad_request(request, error)
    return _answer(request, HTTPStatus.INTERNAL_SERVER_ERROR, FaultOfOurs.default_code, FaultOfOurs.default_detail)


def _answer(request: HttpRequest, status: HTTPStatus, code: str, detail: str | Promise) -> HttpResponse:
    if request.path.startswith(API_PREFIX):
        error_type = "server_error" if status.is_server_error else "client_error"
        errors = [{"code": code, "detail": str(detail), "attr": None}]
        return JsonResponse({"type": error_type, "errors": errors}, status=status)
    return render(request, "error.html", {"status": status.value, "detail": detail}, status=status)
