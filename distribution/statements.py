"""Statements that the ORM writes once and that run many times.

For the short statements of an arrival the ORM takes longer to write the SQL than the database to run it, and writes
the same text every time. Here the text is kept.
"""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.db import connection
from django.db.models import Model, QuerySet
from django.db.models.expressions import RawSQL
from django.db.transaction import TransactionManagementError


@dataclass(frozen=True)
class Parameter:
    """The place of a value that is known only when the statement runs."""

    name: str


@dataclass(frozen=True)
class Text:
    """A statement as one kind of database takes it; `model` is what its rows are made into, None for tuples."""

    sql: str
    parameters: tuple[Any, ...]
    model: type[Model] | None
    locks: bool


class KeptStatement:
    """A function that returns the rows of a query.

    `build` returns the query. It is called once for each kind of database, with an expression for each of its
    arguments, which it may use wherever a filter takes a value. Rows are tuples of plain values when the query says
    `values_list`, else instances of its model.
    """

    def __init__(self, build: Callable[..., QuerySet[Any, Any]]) -> None:
        self.__doc__ = build.__doc__
        self._build = build
        self._names = list(inspect.signature(build).parameters)
        self._texts: dict[str, Text] = {}

    def __call__(self, *values: Any) -> list[Any]:
        """Run the statement with a value for each argument of `build` and return the rows.

        Raises TransactionManagementError when it locks rows outside a transaction, as the ORM would.
        """
        text = self._texts.get(connection.vendor) or self._write()
        if text.locks and not connection.in_atomic_block:
            raise TransactionManagementError("a lock outside a transaction would be gone at once")
        given = dict(zip(self._names, values, strict=True))
        parameters = [given[part.name] if isinstance(part, Parameter) else part for part in text.parameters]
        if text.model is not None:
            return list(text.model._base_manager.raw(text.sql, parameters))
        with connection.cursor() as cursor:
            cursor.execute(text.sql, parameters)
            return cursor.fetchall()

    def _write(self) -> Text:
        rows = self._build(*(RawSQL("%s", [Parameter(name)]) for name in self._names))
        sql, parameters = rows.query.get_compiler(connection=connection).as_sql()
        is_tuple = bool(rows.query.values_select)
        text = self._texts[connection.vendor] = Text(
            sql, parameters, None if is_tuple else rows.model, rows.query.select_for_update
        )
        return text
