"""Many contacts by one call: each row is read, registered and answered by itself."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from functools import partial
from http import HTTPStatus
from typing import Any

from rest_framework.exceptions import ValidationError
from rest_framework.response import Response

from crm_project.access.idempotency import Retryable, doing
from crm_project.api.errors import answer_to
from crm_project.api.refusals import Refusal
from distribution.intake import Intake, Registration
from distribution.intake_in_bulk import MOST_IN_A_CHUNK, register_chunk
from distribution.queue import draining_at_the_end
from leads.serializers import IntakeSerializer
from leads.showing import shown_as_registered

type Row = Intake | ValidationError
type Result = Registration | Refusal
type Outcome = Result | ValidationError


def read(row: Any, serializer: IntakeSerializer) -> Row:
    """Return what a row says, or what is wrong with it."""
    try:
        return Intake(**serializer.run_validation(row))
    except ValidationError as error:
        return error


def readable(rows: Iterable[Row]) -> list[Intake]:
    """Return the rows that could be read."""
    return [row for row in rows if isinstance(row, Intake)]


def outcomes[Other](rows: Iterable[Row], results: Iterable[Other]) -> Iterator[Other | ValidationError]:
    """Yield what became of each row: the results are those of the rows that could be read."""
    of_readable = iter(results)
    return (next(of_readable) if isinstance(row, Intake) else row for row in rows)


def register(rows: Sequence[Row], *, among: Collection[int] | None, call: Retryable | None) -> Response:
    """Register the rows in their order, a chunk in each transaction, and return what became of each.

    The transaction of a chunk keeps what was answered by then under the key of the call, if it has one; a call that is
    repeated goes on behind the last one. Raises what `Retryable.step` raises.
    """
    answers = [] if call is None else call.begun()
    with draining_at_the_end():
        while len(answers) < len(rows):
            chunk = rows[len(answers) : len(answers) + MOST_IN_A_CHUNK]
            show = partial(_shown, chunk, len(answers))
            is_last = len(answers) + len(chunk) == len(rows)
            step = (
                partial(call.step, show=show, behind=len(answers), finish=_answer if is_last else None)
                if call
                else None
            )
            with doing(step):
                results = register_chunk(readable(chunk), among=among)
            answers += show(results)
    return _answer(answers)


def _answer(answers: Sequence[Any]) -> Response:
    return Response({"results": answers})


def _shown(rows: Sequence[Row], first: int, results: Sequence[Result]) -> list[dict[str, Any]]:
    """Return what the rows are answered with, `results` being what became of those that could be read."""
    return [{"index": index, **_told(outcome)} for index, outcome in enumerate(outcomes(rows, results), first)]


def _told(result: Outcome) -> dict[str, Any]:
    if isinstance(result, Registration):
        contact = shown_as_registered(result)
        return {"status": HTTPStatus.CREATED if result.created else HTTPStatus.OK, "contact": contact}
    number, body = answer_to(result)
    return {"status": number, "errors": body["errors"]}
