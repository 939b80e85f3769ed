"""The OpenAPI document, and whether what the API answers is what it says."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from http import HTTPMethod
from typing import Any
from unittest.mock import patch

from django.test import Client
from django.urls import Resolver404
from django.utils.translation import override
from jsonschema import Draft202012Validator

JSON, CSV = "application/json", "text/csv"


@cache
def document(language: str = "en") -> dict[str, Any]:
    """Return the document in a language."""
    return fresh_document(language)


def fresh_document(language: str = "en") -> dict[str, Any]:
    """Generate the document anew."""
    from drf_spectacular.generators import SchemaGenerator  # not before the plugin has named the database

    with override(language):
        return SchemaGenerator().get_schema(public=True)


def operations(whole: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield method, path and operation of each call."""
    for path, methods in whole["paths"].items():
        for method, operation in methods.items():
            yield method, path, operation


def responses(whole: dict[str, Any], operation: dict[str, Any]) -> dict[int, dict[str, Any]]:
    """Return the responses of an operation by status, those that are shared included."""
    shared = whole["components"]["responses"]
    return {
        int(status): shared[response["$ref"].rpartition("/")[2]] if "$ref" in response else response
        for status, response in operation["responses"].items()
    }


def codes(response: dict[str, Any]) -> set[str]:
    """Return the error codes that a response names."""
    errors = response["content"][JSON]["schema"]["properties"]["errors"]
    return set(errors["items"]["properties"]["code"]["enum"])


def faults(whole: dict[str, Any], schema: dict[str, Any], value: Any) -> list[str]:
    """Return in what a value is not as a schema of the document says."""
    validator = Draft202012Validator({"allOf": [schema], "components": whole["components"]})
    return [f"{error.json_path}: {error.message}" for error in validator.iter_errors(value)]


@contextmanager
def every_answer_is_documented() -> Iterator[None]:
    """Refuse, within, every answer to a test client that the document does not name."""
    original: Any = Client.request

    def request(client: Client, **environ: Any) -> Any:
        response = original(client, **environ)
        found = undocumented(response)
        assert not found, found
        return response

    with patch.object(Client, "request", request):
        yield


def undocumented(response: Any) -> list[str]:
    """Return what an answer to a test client has that the document does not name."""
    operation = _operation_of(response)
    if operation is None:
        return []
    named = responses(document(), operation)
    if response.status_code not in named:
        return [f"{operation['operationId']} answers {response.status_code}, which the document does not name"]
    content = named[response.status_code]["content"]
    media_type = response["Content-Type"].partition(";")[0]
    if media_type not in content:
        return [f"{operation['operationId']} answers {media_type}, which the document does not name"]
    missing = {"Retry-After", "WWW-Authenticate", "Idempotent-Replayed", "ETag"} & set(response.headers)
    missing -= set(named[response.status_code].get("headers", {}))
    # A table is a text, and to read it here would leave nothing for the test.
    faulty = [] if media_type == CSV else faults(document(), content[JSON]["schema"], response.json())
    found = faulty + [f"the header {name}" for name in missing]
    return [f"{operation['operationId']} {response.status_code}: {fault}" for fault in found]


def _operation_of(response: Any) -> dict[str, Any] | None:
    try:
        view = response.resolver_match.func
    except Resolver404:
        return None
    action = getattr(view, "actions", {}).get(response.request["REQUEST_METHOD"].lower())
    if action is None or response.request["REQUEST_METHOD"] == HTTPMethod.HEAD:
        return None
    operation_id = f"{view.initkwargs['basename']}s_{action}"
    return next(operation for _m, _p, operation in operations(document()) if operation["operationId"] == operation_id)
