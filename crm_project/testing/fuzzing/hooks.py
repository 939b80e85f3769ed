"""What schemathesis loads: makes valid data acceptable to the rules that no schema can say, and adds a check of ours.

Who calls stands in FUZZING_CALLER.
"""

import os
from collections.abc import Callable
from itertools import count
from typing import Any

import schemathesis

from crm_project.testing.fuzzing.house import HOW_MANY, source_code

CALLER = os.environ["FUZZING_CALLER"]
REAL_IDS = 10_000
LONGEST_CODE = 100
IDEMPOTENCY_KEY = "Idempotency-Key"
IF_MATCH = "If-Match"
BEFORE_EVERY_MOMENT = "0001-01-02T00:00:00Z"
A_MOMENT_IN_THE_PAST = "2026-01-01T00:00:00Z"

# An address that does not exist, and a method that it has not: there is no call to admit anybody to.
NO_CALL = frozenset({404, 405})

# By id, of the sources that contacts are registered with and that must be found under their codes.
CODES = {str(number): source_code(number) for number in range(1, HOW_MANY + 1)}

type Body = dict[str, Any]
type Adjust = Callable[[Body, Any], Body]

_numbers = count(1)


@schemathesis.hook
def before_call(context: schemathesis.HookContext, case: schemathesis.Case, kwargs: dict[str, Any]) -> None:
    """Make valid data acceptable: rows that exist, values that are unique, a key of its own for each call."""
    if case.meta is None or not case.meta.generation.mode.is_positive:
        return
    name = case.operation.definition.raw["operationId"]
    if "id" in case.path_parameters:
        case.path_parameters["id"] = existing_id(case.path_parameters["id"])
    if "from" in (case.query or ()):
        case.query["from"] = beginning(case.query)
    if "cursor" in (case.query or ()):
        # Any other one is known to whoever got it as an answer only.
        case.query["cursor"] = "latest" if name == "contacts_changes" else "start"
    if IDEMPOTENCY_KEY in case.headers:
        case.headers[IDEMPOTENCY_KEY] = f"key-{next(_numbers)}"
    if IF_MATCH in case.headers:
        case.headers[IF_MATCH] = "*"  # any other is known to whoever got it as an answer only
    adjust = ADJUSTMENTS.get(name)
    if adjust and isinstance(case.body, dict):
        case.body = adjust(case.body, case.path_parameters.get("id"))


@schemathesis.check
def rights(ctx: schemathesis.CheckContext, response: schemathesis.Response, case: schemathesis.Case) -> None:
    """Refuse a caller who is admitted where the document says they may not be, or not admitted where they may."""
    status = response.status_code
    if CALLER == "nobody":
        assert status in {401, 404}, f"nobody was answered {status}"
    elif response.request.method != case.operation.method.upper():
        return  # a method that the operation is not about
    elif may_call(case.operation.definition.raw["security"]):
        assert status not in {401, 403}, f"{CALLER} may call this and was answered {status}"
    else:
        assert status in {403, *NO_CALL}, f"{CALLER} may not call this and was answered {status}"


def may_call(security: list[dict[str, list[str]]]) -> bool:
    """Return whether the caller has one of the rights that an operation asks for."""
    return CALLER == "supervisor" or any(CALLER in scopes for row in security for scopes in row.values())


def beginning(query: dict[str, Any]) -> str:
    """Return the `from` of a period that is not empty: before any `to`, and without one before now."""
    return BEFORE_EVERY_MOMENT if "to" in query else min(str(query["from"]), A_MOMENT_IN_THE_PAST)


def existing_id(number: Any) -> Any:
    """Return the id of a row that is there for one that is beyond all that were made."""
    return number % HOW_MANY + 1 if isinstance(number, int) and number > REAL_IDS else number


def unique(field: str) -> Adjust:
    """Return what makes a field unique, if it is there, and keeps as much of its text as has room."""

    def adjust(body: Body, _row_id: Any) -> Body:
        if not isinstance(body.get(field), str):
            return body
        ending = f"~{CALLER}{next(_numbers)}"
        return {**body, field: body[field][: LONGEST_CODE - len(ending)] + ending}

    return adjust


def of_a_source(body: Body, row_id: Any) -> Body:
    """Return changes of a source that leave it its code where that is needed, and else make it unique."""
    code = CODES.get(str(row_id))
    return {**body, "code": code} if code and "code" in body else unique("code")(body, row_id)


def of_existing_operators(body: Body, _row_id: Any) -> Body:
    """Return weights of operators that are there, each named once."""
    rows = {int(row["operator_id"]) % HOW_MANY + 1: row for row in body["operator_weights"]}
    return {**body, "operator_weights": [{**row, "operator_id": number} for number, row in rows.items()]}


def to_existing_operator(body: Body, _row_id: Any) -> Body:
    """Return the operator to reassign to, if one is named, as one that is there."""
    return {**body, "operator_id": int(body["operator_id"]) % HOW_MANY + 1} if "operator_id" in body else body


def from_existing_source(body: Body, _row_id: Any) -> Body:
    """Return a contact from a source that is there."""
    return {**body, "source_code": source_code(next(_numbers) % HOW_MANY + 1)}


def from_existing_sources(body: Body, _row_id: Any) -> Body:
    """Return contacts from sources that are there."""
    rows = body["contacts"]
    return {**body, "contacts": [from_existing_source(row, None) if isinstance(row, dict) else row for row in rows]}


ADJUSTMENTS: dict[str, Adjust] = {
    "operators_create": unique("external_id"),
    "operators_partial_update": unique("external_id"),
    "sources_create": unique("code"),
    "sources_partial_update": of_a_source,
    "sources_set_operators": of_existing_operators,
    "sources_replace_operators": of_existing_operators,
    "contacts_create": from_existing_source,
    "contacts_bulk": from_existing_sources,
    "contacts_reassign": to_existing_operator,
}
