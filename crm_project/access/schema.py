"""The OpenAPI document: what each call takes, answers and refuses, read off the view that carries it out."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPMethod
from typing import Any

import uritemplate
from django import forms
from django.core.exceptions import RequestDataTooBig
from django.http import Http404
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from drf_spectacular.authentication import BasicScheme, SessionScheme
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema as SpectacularAutoSchema
from drf_spectacular.plumbing import ResolvedComponent, force_instance
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse
from drf_standardized_errors.openapi_utils import get_filter_forms
from rest_framework import exceptions, status
from rest_framework.serializers import BaseSerializer, ListSerializer
from rest_framework.validators import UniqueValidator

from crm_project.access import errors
from crm_project.access.callers import Right
from crm_project.access.idempotency import HEADER, REPLAYED
from crm_project.api.errors import (
    RETRY_AFTER_SECONDS,
    BadRequest,
    ChangedMeanwhile,
    LengthRequired,
    TryAgainLater,
    UnreadableValue,
    answer_to,
)
from crm_project.api.etags import ETAG, IF_MATCH, READABLE, BadIfMatch
from crm_project.api.filters import EMPTY_FILTER, UNKNOWN_FILTER, refuse_unknown
from crm_project.api.pagination import CURSOR_UNKNOWN, PAGE_SIZE_OUT_OF_RANGE, Pages
from crm_project.api.refusals import Refusal
from crm_project.api.schema import (
    CodesByField,
    Schema,
    codes_of_form,
    codes_of_serializer,
    error_responses,
    rules_of_text,
)
from crm_project.api.serializers import UNKNOWN_FIELD, StrictSerializer

MISSPELT = "misspelt"
ANY_OTHER = "*"
BEARER = "apiKey"

# Whose codes or texts differ from call to call.
OF_THIS_CALL = {
    status.HTTP_400_BAD_REQUEST,
    status.HTTP_403_FORBIDDEN,
    status.HTTP_404_NOT_FOUND,
    status.HTTP_409_CONFLICT,
    status.HTTP_410_GONE,
}


@dataclass(frozen=True)
class Body:
    """A body that is sent or answered: its serializer or type, an example, and for an answer what it means."""

    serializer: type[BaseSerializer[Any]] | OpenApiTypes
    example: Any
    meaning: str | Promise = ""
    media_type: str = "application/json"


@dataclass(frozen=True, kw_only=True)
class Call:
    """What the document says of a call and cannot read off its view.

    `parameters` are those of the address of a call that is no list; `answers` the bodies of success by status;
    `refusals` those that the service can raise; `codes` by field those that no validator shows. A `tagged` call
    answers with an ETag, and takes If-Match when it writes.
    """

    summary: str | Promise
    description: str | Promise = ""
    parameters: type[forms.Form] = forms.Form
    body: Body | None = None
    answers: Mapping[int, Body]
    refusals: Sequence[type[Refusal | exceptions.APIException]] = ()
    codes: Mapping[str, Collection[str]] = field(default_factory=dict)
    tagged: bool = False


class KeyScheme(OpenApiAuthenticationExtension):
    """How an API key is sent, and which scopes a call asks of it: one of several is enough."""

    target_class = "crm_project.access.authentication.KeyAuthentication"
    name = BEARER

    def get_security_definition(self, auto_schema: SpectacularAutoSchema) -> Schema:
        """Return the scheme."""
        return {"type": "http", "scheme": "bearer", "description": _("An API key: `Authorization: Bearer crm_…`.")}

    def get_security_requirement(self, auto_schema: SpectacularAutoSchema) -> list[dict[str, list[str]]]:
        """Return one requirement for each scope that is enough."""
        return [{self.name: [scope]} for scope in sorted(right_of(auto_schema.view).scopes)]


class StaffScheme(BasicScheme):
    """The name and password of a member of staff."""

    target_class = "crm_project.access.authentication.PasswordAuthentication"

    def get_security_definition(self, auto_schema: SpectacularAutoSchema) -> Schema:
        """Return the scheme."""
        definition = super().get_security_definition(auto_schema)
        return {**definition, "description": _("The name and password of a member of staff.")}


class BackOfficeScheme(SessionScheme):
    """The session of the back office."""

    priority = 0

    def get_security_definition(self, auto_schema: SpectacularAutoSchema) -> Schema:
        """Return the scheme."""
        definition = super().get_security_definition(auto_schema)
        return {**definition, "description": _("The session of the back office; to write, with `X-CSRFToken`.")}


class AutoSchema(SpectacularAutoSchema):
    """Describes a call by its view's `calls` and `rights`, serializer, filters and method."""

    view: Any

    @property
    def call(self) -> Call:
        """What the view says of the call."""
        call: Call = self.view.calls[self.view.action]
        return call

    @property
    def right(self) -> Right:
        """What the call asks of a key."""
        return right_of(self.view)

    def get_operation_id(self) -> str:
        """Return a name made of the tag and the action."""
        return f"{self.get_tags()[0]}_{self.view.action}"

    def get_summary(self) -> str:
        """Return what the call does, in a few words."""
        return str(self.call.summary)

    def get_description(self) -> str:  # type: ignore[override]
        """Return what there is to know, and which keys may."""
        return "\n\n".join(filter(None, [str(self.call.description), self._asked_of_a_key()]))

    def get_request_serializer(self) -> Any:
        """Return the serializer of the body."""
        return self.call.body.serializer if self.call.body else super().get_request_serializer()

    def get_response_serializers(self) -> Any:
        """Return the serializers of success by status."""
        return {
            (number, answer.media_type): OpenApiResponse(
                answer.serializer, description=str(answer.meaning or _("Done."))
            )
            for number, answer in self.call.answers.items()
        }

    def get_examples(self) -> list[OpenApiExample]:
        """Return the examples of the body and of the answers."""
        sent = [OpenApiExample("Example", self.call.body.example, request_only=True)] if self.call.body else []
        return sent + [
            OpenApiExample(
                "Example",
                answer.example,
                response_only=True,
                status_codes=[str(number)],
                media_type=answer.media_type,
            )
            for number, answer in self.call.answers.items()
        ]

    def get_filter_backends(self) -> list[Any]:
        """Return what narrows the rows."""
        return list(self.view.filter_backends) if self._takes_filters else []

    def get_override_parameters(self) -> list[Any]:
        """Return the id in the address, the call's own parameters, and the headers of one that may be repeated."""
        ids = [
            OpenApiParameter(name, {"type": "integer", "minimum": 1}, "path", description=_("The id of the row."))
            for name in self._names_in_path()
        ]
        own = [
            OpenApiParameter(name, _type_of(field), description=str(field.help_text))
            for name, field in self.call.parameters.base_fields.items()
        ]
        repetition = self._headers_of_repetition() if self._may_be_repeated else []
        return ids + own + repetition + list(self._headers_of_tags())

    def _headers_of_tags(self) -> Iterator[OpenApiParameter]:
        if self.call.tagged:
            meaning = _("The tag of what is stored, for `If-Match`. What is only computed does not change it.")
            yield _in_header(ETAG, {"type": "string"}, meaning, response=list(self.call.answers))
        if self.call.tagged and self._takes_body:
            yield _in_header(
                IF_MATCH,
                {"type": "string", "pattern": READABLE},
                _("The `ETag` of what you have read, or several, or `*`: when it is another by now, nothing is done."),
            )

    def _headers_of_repetition(self) -> list[OpenApiParameter]:
        return [
            _in_header(
                HEADER,
                {"type": "string", "minLength": 1, "maxLength": 255, "pattern": r"^[\x21-\x7e]+$"},
                _("A key of your own for this very call, a UUID for example, so that it can be repeated."),
            ),
            _in_header(
                REPLAYED,
                {"type": "string", "enum": ["true"]},
                _("Present when the answer was kept from the first call with the same key."),
                response=[*self.call.answers, status.HTTP_400_BAD_REQUEST],
            ),
        ]

    def _get_response_bodies(self, direction: Any = "response") -> Schema:
        headers = {
            status.HTTP_400_BAD_REQUEST: self._get_response_headers_for_code(str(status.HTTP_400_BAD_REQUEST)),
            status.HTTP_401_UNAUTHORIZED: {"WWW-Authenticate": _header({"type": "string"}, _("How to authenticate."))},
            status.HTTP_429_TOO_MANY_REQUESTS: {"Retry-After": _retry_after()},
            status.HTTP_503_SERVICE_UNAVAILABLE: {"Retry-After": _retry_after()},
        }
        if self._may_be_repeated:
            headers[status.HTTP_409_CONFLICT] = {"Retry-After": _retry_after()}
        answers = super()._get_response_bodies(direction)
        refused = error_responses(
            self._errors(), self._codes(), {number: some for number, some in headers.items() if some}
        )
        return answers | {number: self._shared(number, response) for number, response in refused.items()}

    def _shared(self, number: str, response: Schema) -> Schema:
        """Return the response, or the reference to it when it is the same for every call."""
        of_this_call = OF_THIS_CALL | {answer_to(refusal())[0] for refusal in self.call.refusals}
        if int(number) in of_this_call:
            return response
        name = f"Error{number}"
        component = ResolvedComponent(name, ResolvedComponent.RESPONSE, response, name)
        self.registry.register_on_missing(component)
        return component.ref

    def _map_serializer_field(self, field: Any, direction: Any, bypass_extensions: bool = False) -> Schema:
        schema: Schema = super()._map_serializer_field(field, direction, bypass_extensions)
        most = getattr(field, "max_length", None)
        if isinstance(field, ListSerializer) and most is not None:
            return {**schema, "maxItems": most}
        return {**schema, **rules_of_text(field, schema)} if direction == "request" else schema

    def _map_basic_serializer(self, serializer: Any, direction: Any) -> Schema:
        schema: Schema = super()._map_basic_serializer(serializer, direction)
        if direction == "response":
            left_out: frozenset[str] = getattr(force_instance(serializer), "may_be_left_out", frozenset())
            return {**schema, "required": sorted(schema["properties"].keys() - left_out)}
        if isinstance(force_instance(serializer), StrictSerializer):
            return {**schema, "additionalProperties": False}
        return schema

    @property
    def _may_be_repeated(self) -> bool:
        return self.method == HTTPMethod.POST

    @property
    def _takes_body(self) -> bool:
        return self.method in {HTTPMethod.POST, HTTPMethod.PUT, HTTPMethod.PATCH}

    @property
    def _takes_filters(self) -> bool:
        return self.view.action in self.view.narrowed

    def _asked_of_a_key(self) -> str:
        scopes = ", ".join(f"`{scope}`" for scope in sorted(self.right.scopes))
        if self.right.all_sources:
            return _("An API key needs one of the scopes: %(scopes)s; and all sources.") % {"scopes": scopes}
        return _("An API key needs one of the scopes: %(scopes)s.") % {"scopes": scopes}

    def _errors(self) -> Iterator[Exception]:
        yield from self._errors_of_every_call()
        if self._is_list_view() or self._names_in_path():
            yield Http404()
        if self._takes_body:
            yield from self._errors_of_a_body()
        if self._may_be_repeated:
            yield from (errors.BadIdempotencyKey(), errors.StillRunning(), errors.IdempotencyKeyReused())
        if self.call.tagged and self._takes_body:
            yield BadIfMatch()
        yield from (refusal() for refusal in self.call.refusals)
        yield from self._invalid()

    def _errors_of_every_call(self) -> Iterator[Exception]:
        yield from (UnreadableValue(), BadRequest())
        yield from (exceptions.NotAuthenticated(), exceptions.AuthenticationFailed(), errors.TooManyAttempts())
        yield from (errors.UnknownKey(), errors.RevokedKey(), errors.ExpiredKey(), errors.WithoutBearer())
        yield from (exceptions.PermissionDenied(), errors.MissingScope(self.right.scopes))
        if self.right.all_sources:
            yield errors.NeedsAllSources()
        yield from (exceptions.NotAcceptable(), LengthRequired(), TryAgainLater(), Exception())

    def _errors_of_a_body(self) -> Iterator[Exception]:
        yield from (exceptions.ParseError(), RequestDataTooBig(), exceptions.UnsupportedMediaType("text/plain"))
        fields = force_instance(self.get_request_serializer()).fields.values()
        if any(isinstance(validator, UniqueValidator) for field in fields for validator in field.validators):
            yield ChangedMeanwhile()

    def _invalid(self) -> Iterator[Exception]:
        """Yield what a misspelt name of a field or a filter is answered with."""
        try:
            if self._takes_body:
                force_instance(self.get_request_serializer()).run_validation({MISSPELT: 1})
            elif self._takes_filters:
                refuse_unknown([MISSPELT], [parameter["name"] for parameter in self._get_parameters()])
            elif self.call.parameters.base_fields:
                refuse_unknown([MISSPELT], self.call.parameters.base_fields)
        except exceptions.ValidationError as error:
            yield error

    def _codes(self) -> CodesByField:
        codes: CodesByField = {name: set(some) for name, some in self.call.codes.items()}
        _add(codes, self._codes_of_body() if self._takes_body else {})
        _add(codes, self._codes_of_query())
        return codes

    def _codes_of_body(self) -> CodesByField:
        return {**codes_of_serializer(self.get_request_serializer()), ANY_OTHER: {UNKNOWN_FIELD}}

    def _codes_of_query(self) -> CodesByField:
        codes: CodesByField = {ANY_OTHER: {UNKNOWN_FILTER}}
        if self.call.parameters.base_fields:
            codes[ANY_OTHER].add(EMPTY_FILTER)
            _add(codes, codes_of_form(self.call.parameters()))
        if self._is_list_view():
            codes[Pages.page_size_query_param] = {PAGE_SIZE_OUT_OF_RANGE}
            codes[Pages.cursor_query_param] = {CURSOR_UNKNOWN}
        if self._takes_filters:
            codes[ANY_OTHER].add(EMPTY_FILTER)
            for form in get_filter_forms(self.view, [backend() for backend in self.get_filter_backends()]):
                _add(codes, codes_of_form(form))
        return codes

    def _names_in_path(self) -> list[str]:
        return list(uritemplate.variables(self.path))


def right_of(view: Any) -> Right:
    """Return what the view asks of a key for the call that it stands for."""
    return view.rights[view.action]


def _add(codes: CodesByField, more: CodesByField) -> None:
    for name, some in more.items():
        codes[name] = codes.get(name, set()) | some


def _in_header(name: str, schema: Schema, meaning: str, response: Any = False) -> OpenApiParameter:
    return OpenApiParameter(name, schema, OpenApiParameter.HEADER, description=meaning, response=response)


def _header(schema: Schema, description: str) -> Schema:
    return {"schema": schema, "description": description}


def _type_of(field: forms.Field) -> Any:
    """Return what the document says of a parameter of the address."""
    if isinstance(field, forms.IntegerField):
        return {"type": "integer", "minimum": field.min_value, "maximum": field.max_value}
    if isinstance(field, forms.CharField):
        return {"type": "string", "maxLength": field.max_length}
    return OpenApiTypes.DATETIME


def _retry_after() -> Schema:
    schema = {"type": "integer", "minimum": 1, "example": RETRY_AFTER_SECONDS}
    return _header(schema, _("After how many seconds the call is worth repeating."))
