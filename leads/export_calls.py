"""The columns of the API's exports, and what the OpenAPI document says of the calls."""

from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from drf_spectacular.types import OpenApiTypes
from rest_framework import status
from rest_framework.serializers import Serializer

from crm_project.access.schema import Body, Call
from crm_project.exports import Column, Table, TooManyExports, lines, plain
from leads.examples import MOMENT
from leads.serializers import ContactSerializer
from operators.serializers import OperatorSerializer


def fields_of(serializer: Serializer[Any]) -> Table:
    """Return the table of what the serializer shows."""
    shown = {name: field for name, field in serializer.fields.items() if not field.write_only}
    return table(**{name: str(field.source).replace(".", "__") for name, field in shown.items()})


def table(**paths: str) -> Table:
    """Return the table with these columns, each by the path to its values."""
    return Table([Column(name, path) for name, path in paths.items()])


TABLES = {
    "operators": fields_of(OperatorSerializer()),
    "weights": table(
        source_id="source_id",
        source_code="source__code",
        operator_id="operator_id",
        operator_name="operator__name",
        operator_external_id="operator__external_id",
        weight="weight",
    ),
    "contacts": fields_of(ContactSerializer()),
    "decisions": table(
        id="id",
        at="at",
        contact_id="contact_id",
        source_id="source_id",
        source_code="source__code",
        trigger="trigger",
        kind="kind",
        strategy="strategy",
        operator_id="operator_id",
        operator_name="told_operator_name",
        actor="told_actor",
        reason="reason",
    ),
}
EXAMPLES: dict[str, list[object]] = {
    "operators": [1, "Оператор 1", True, False, 10, 4, None],
    "weights": [1, "bot_telegram", 2, "Оператор 2", None, 30],
    "contacts": [
        *(1, "user_123", 1, 1, "bot_telegram", 2, "Оператор 2", None, "active", MOMENT, MOMENT, None),
        *("", "+7 900 0000000", "", "", {}),
    ],
    "decisions": [
        *(1, MOMENT, 1, 1, "bot_telegram", "arrival", "draw", "weighted_random", 2, "Оператор 2", "bot", ""),
    ],
}
HOW = _(
    "All rows that match the filters, by id, sent while they are read: UTF-8, commas, the names of the fields in the "
    "first line; times are ISO 8601 in UTC, nothing stands for null. A text that a spreadsheet would run (it begins "
    "with `=`, `+`, `-`, `@`, a tab or a line break, be it after spaces or apostrophes) has one apostrophe more before "
    "it. A file that broke off ends with a line that is no row, or its connection is cut. A server process sends two "
    "long exports at a time."
)


def call(name: str, summary: str | Promise) -> Call:
    """Return what the document says of an export."""
    example: list[list[object]] = [
        [column.heading for column in TABLES[name].columns],
        [plain(value) for value in EXAMPLES[name]],
    ]
    body = Body(OpenApiTypes.STR, lines(example, ","), _("The table."), media_type="text/csv")
    return Call(summary=summary, description=HOW, answers={status.HTTP_200_OK: body}, refusals=[TooManyExports])


EXPORT_CALLS = {
    "operators": call("operators", _("Export operators")),
    "weights": call("weights", _("Export weights")),
    "contacts": call("contacts", _("Export contacts")),
    "decisions": call("decisions", _("Export decisions")),
}
