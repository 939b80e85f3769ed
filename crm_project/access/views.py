"""What every viewset of the API shares: who may call, what they see, and safe retries."""

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from http import HTTPMethod
from typing import Any

from django.db.models import Q, QuerySet
from django.http import Http404, HttpResponseBase
from rest_framework import exceptions, mixins, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from crm_project.access.acting import because
from crm_project.access.callers import CREATING, MANAGING_ALL, READING, Caller, Right
from crm_project.access.idempotency import AnsweredBefore, call_of, doing, is_final, keeping_of, key_of, replay
from crm_project.access.permissions import caller_of
from crm_project.access.schema import Call
from crm_project.access.serializers import REASON
from crm_project.api.errors import LengthRequired
from crm_project.api.filters import checked
from crm_project.api.refusals import Refusal


@contextmanager
def missing_when(gone: type[Refusal]) -> Iterator[None]:
    """Answer 404 when the row that the address names was deleted after it was read."""
    try:
        yield
    except gone as refusal:
        raise Http404 from refusal


class AdmittingViewSet(GenericViewSet[Any]):
    """Calls that know who calls.

    A subclass says in `rights` what each of its actions asks of whoever calls, and in `within` which rows belong to
    some sources; in `calls` what the OpenAPI document says of each action, and in `narrowed` which take filters.
    """

    calls: Mapping[str, Call]
    rights: Mapping[str, Right]
    narrowed: Collection[str] = {"list"}
    parameters: Mapping[str, Any]

    def within(self, source_ids: Collection[int]) -> Q:
        """Return the filter of the rows that whoever is limited to the sources may see."""
        raise NotImplementedError

    @cached_property
    def caller(self) -> Caller:
        """Who calls; they were admitted."""
        caller = caller_of(self.request)
        if caller is None:
            raise exceptions.NotAuthenticated
        return caller

    def get_queryset(self) -> QuerySet[Any]:
        """Return the rows that the caller may see."""
        source_ids = self.caller.source_ids
        rows = super().get_queryset()
        return rows if source_ids is None else rows.filter(self.within(source_ids))

    def filter_queryset(self, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Narrow a list; a single row is named by its address alone."""
        return super().filter_queryset(queryset) if self.action in self.narrowed else queryset

    def validated(self, request: Request, **kwargs: Any) -> dict[str, Any]:
        """Return the fields of the body. Raises ValidationError."""
        serializer = self.get_serializer(data=request.data, **kwargs)
        serializer.is_valid(raise_exception=True)
        return serializer.validated_data

    def answer[T](self, service: Callable[[], T], show: Callable[[T], Response], *, reason: str = "") -> Response:
        """Call the service and show what it returns; with an Idempotency-Key its transaction keeps the answer.

        `reason` is why the caller does it. Raises AnsweredBefore when there is an answer already.
        """
        with because(reason), doing(keeping_of(self.request, self.caller, show)):
            return show(service())

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Check who calls, and that the call can be read.

        Raises LengthRequired, for a body in chunks would look empty, BadIdempotencyKey, and ValidationError for
        parameters that the call does not take; those it takes are put into `parameters`.
        """
        super().initial(request, *args, **kwargs)
        if self.action not in {*self.narrowed, "metadata", None}:  # None: a method that is answered with 405
            self.parameters = checked(request.GET, self.calls[self.action].parameters)
        key_of(request)
        if request.headers.get("transfer-encoding") and not request.headers.get("content-length"):
            raise LengthRequired

    def handle_exception(self, exc: Exception) -> HttpResponseBase:  # type: ignore[override]
        """Return the answer to a call that failed, or that was answered before."""
        if isinstance(exc, AnsweredBefore):
            return replay(exc.answer)
        response = super().handle_exception(exc)
        return self._kept(response) if self.request.method == HTTPMethod.POST and is_final(exc) else response

    def _kept(self, response: Response) -> HttpResponseBase:
        try:
            if call := call_of(self.request, self.caller):
                call.keep(response)
        except AnsweredBefore as before:
            return replay(before.answer)
        except exceptions.APIException as refusal:
            return super().handle_exception(refusal)
        return response


class ReadViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, AdmittingViewSet):
    """A list and single rows, by a numeric id."""

    rights = {"list": READING, "retrieve": READING}
    lookup_value_regex = "[0-9]{1,18}"


class SettingsViewSet(ReadViewSet):
    """Rows that are also created and changed, by the services that a subclass names."""

    rights = {**ReadViewSet.rights, "create": CREATING, "partial_update": MANAGING_ALL}
    http_method_names = ["get", "post", "put", "patch", "head", "options"]

    def create_row(self, **fields: Any) -> Any:
        """Store and return a new row."""
        raise NotImplementedError

    def change_row(self, row_id: int, **changes: Any) -> Any:
        """Set the fields given and return the row."""
        raise NotImplementedError

    def create(self, request: Request) -> Response:
        """Store a new row."""
        fields = self.validated(request)
        reason = fields.pop(REASON, "")
        return self.answer(lambda: self.create_row(**fields), self._show_created, reason=reason)

    def partial_update(self, request: Request, pk: str) -> Response:
        """Set the fields given, leave the others."""
        row = self.get_object()
        changes = self.validated(request, instance=row, partial=True)
        with because(changes.pop(REASON, "")):
            changed = self.change_row(row.pk, **changes)
        return Response(self.get_serializer(changed).data)

    def _show_created(self, row: Any) -> Response:
        return Response(self.get_serializer(row).data, status=status.HTTP_201_CREATED)
