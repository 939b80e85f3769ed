"""The parts of the OpenAPI document that depend on no view: addresses, and how errors look."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

from django.utils.translation import gettext_lazy as _
from drf_spectacular.plumbing import force_instance
from drf_standardized_errors.openapi_utils import (
    InputDataField,
    get_flat_serializer_fields,
    get_form_fields_with_error_codes,
    get_serializer_fields_with_error_codes,
)
from drf_standardized_errors.settings import package_settings
from rest_framework import status
from rest_framework.serializers import BaseSerializer, ListSerializer

from crm_project.api.errors import answer_to
from crm_project.api.filters import NOT_BLANK
from crm_project.api.serializers import Text, TextOrNumber

type Endpoint = tuple[str, str, str, Callable[..., Any]]
type Schema = dict[str, Any]
type CodesByField = dict[str, set[str]]

MEANINGS = {
    status.HTTP_400_BAD_REQUEST: _("The call cannot be read, or a value is not accepted. Correct it first."),
    status.HTTP_401_UNAUTHORIZED: _("Nobody is logged in, or the password or the key is not accepted."),
    status.HTTP_403_FORBIDDEN: _("Whoever calls may not do this."),
    status.HTTP_404_NOT_FOUND: _("There is no such row, or none that the caller may see; or no such page."),
    status.HTTP_406_NOT_ACCEPTABLE: _("The answer is JSON, that of an export CSV, and `Accept` does not admit it."),
    status.HTTP_409_CONFLICT: _("As things stand this cannot be done; nothing was changed."),
    status.HTTP_410_GONE: _("What comes next is no longer kept."),
    status.HTTP_411_LENGTH_REQUIRED: _("The body came in chunks, without `Content-Length`."),
    status.HTTP_412_PRECONDITION_FAILED: _("It is no longer as you have read it; nothing was changed."),
    status.HTTP_413_REQUEST_ENTITY_TOO_LARGE: _("The body is larger than one megabyte."),
    status.HTTP_415_UNSUPPORTED_MEDIA_TYPE: _("The body is not `application/json`."),
    status.HTTP_422_UNPROCESSABLE_ENTITY: _("The Idempotency-Key belongs to another call."),
    status.HTTP_429_TOO_MANY_REQUESTS: _("Wrong passwords were sent too often, or too many exports are running."),
    status.HTTP_500_INTERNAL_SERVER_ERROR: _("An error of ours. It has been logged."),
    status.HTTP_503_SERVICE_UNAVAILABLE: _("A lock or the database did not answer in time; nothing was changed."),
}


def without_trailing_slash(endpoints: list[Endpoint]) -> list[Endpoint]:
    """Return the endpoints by the address that the documents name; the slash at the end is optional."""
    return [(path.rstrip("/"), regex, method, view) for path, regex, method, view in endpoints]


def codes_of_serializer(serializer: BaseSerializer[Any] | type[BaseSerializer[Any]]) -> CodesByField:
    """Return the codes that a body can be refused with, by field."""
    fields = get_flat_serializer_fields(force_instance(serializer))
    # Whatever is inside a free object is taken as it is.
    checked = [field for field in fields if package_settings.DICT_KEY_IN_API_SCHEMA not in field.name.split(".")]
    codes = _by_name(get_serializer_fields_with_error_codes(checked))
    for field in fields:
        if isinstance(field.field, ListSerializer) and getattr(field.field, "max_length", None) is not None:
            codes[field.name].add("max_length")  # which the package knows of texts only
    return codes


def rules_of_text(field: Any, schema: Schema) -> Schema:
    """Return what the schema of a field of a body lacks: that a space is no text, and that numbers are texts too."""
    rules: Schema = {}
    if isinstance(field, Text) and not field.allow_blank:
        rules["pattern"] = NOT_BLANK
    if isinstance(field, TextOrNumber):
        kinds = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
        rules["type"] = [*kinds, "integer"]
    return rules


def codes_of_form(form: Any) -> CodesByField:
    """Return the codes that the values of a form, a filter's, can be refused with, by field."""
    return _by_name(get_form_fields_with_error_codes(form))


def error_responses(
    errors: Iterable[Exception], codes: Mapping[str, Collection[str]], headers: Mapping[int, Schema]
) -> dict[str, Schema]:
    """Return the responses, by status, of a call that can raise the errors.

    `codes` are those of a body or query that is not valid, by field; `headers` those of some statuses.
    """
    bodies: dict[int, list[Schema]] = {status.HTTP_400_BAD_REQUEST: []}
    for error in errors:
        number, body = answer_to(error)
        bodies.setdefault(number, []).append(body)
    return {
        str(number): {
            "description": "\n\n".join(filter(None, [str(MEANINGS[number]), _table(fields)])),
            **({"headers": headers[number]} if number in headers else {}),
            "content": {"application/json": {"schema": _schema(examples, fields), "examples": _named(examples)}},
        }
        for number, examples in sorted(bodies.items())
        for fields in [codes if number == status.HTTP_400_BAD_REQUEST else {}]
    }


def _by_name(fields: list[InputDataField]) -> CodesByField:
    return {field.name: set(field.error_codes) for field in fields}


def _schema(bodies: Sequence[Schema], fields: Mapping[str, Collection[str]]) -> Schema:
    codes = {error["code"] for body in bodies for error in body["errors"]}.union(*fields.values())
    types = {body["type"] for body in bodies} | ({"validation_error"} if fields else set())
    error = {
        "code": {"type": "string", "enum": sorted(codes)},
        "detail": {"type": "string"},
        "attr": {"type": ["string", "null"]},
    }
    properties = {
        "type": {"type": "string", "enum": sorted(types)},
        "errors": {"type": "array", "minItems": 1, "items": _object(error)},
    }
    return _object(properties)


def _object(properties: Schema) -> Schema:
    return {"type": "object", "required": list(properties), "properties": properties}


def _named(bodies: Sequence[Schema]) -> Schema:
    return {body["errors"][0]["code"]: {"value": body} for body in bodies}


def _table(fields: Mapping[str, Collection[str]]) -> str:
    """Return the codes by field, as Markdown."""
    if not fields:
        return ""
    rows = [f"| `{name}` | {', '.join(f'`{code}`' for code in sorted(fields[name]))} |" for name in sorted(fields)]
    return "\n".join([f"| {_('Field')} | {_('Codes')} |", "|---|---|", *rows])
