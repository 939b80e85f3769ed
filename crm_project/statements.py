"""Statements that the ORM writes once and that run many times.

For the short statements of an arrival the ORM takes longer to write the SQL than the database to run it, and writes
the same text every time. Here the text is kept, one for each kind of database.
"""

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import psycopg
from django.db import connection
from django.db.backends.utils import CursorWrapper
from django.db.models import Model, QuerySet
from django.db.models.expressions import RawSQL
from django.db.models.sql import InsertQuery, UpdateQuery
from django.db.transaction import TransactionManagementError

type Row = Sequence[Any]
type Change = tuple[QuerySet[Any], dict[str, Any]]


@dataclass(frozen=True)
class Parameter:
    """The place of a value that is known only when the statement runs."""

    name: str


@dataclass(frozen=True)
class Text:
    """A statement as one kind of database takes it, and what makes its rows into what the ORM would return."""

    sql: str
    parameters: tuple[Any, ...]
    locks: bool = False
    converters: Mapping[int, Any] | None = None
    make: Callable[[Row], Any] = tuple


class KeptText:
    """A function of values whose statement is written at its first call on each kind of database."""

    def __init__(self, build: Callable[..., Any]) -> None:
        self.__doc__ = build.__doc__
        self._build = build
        self._names = list(inspect.signature(build).parameters)
        self._texts: dict[str, Text] = {}

    def _execute(self, cursor: Any, values: Sequence[Any]) -> Text:
        text = self._texts.get(connection.vendor)
        if text is None:
            built = self._build(*(RawSQL("%s", [Parameter(name)]) for name in self._names))
            text = self._texts[connection.vendor] = self._write(built)
        if text.locks and not connection.in_atomic_block:
            raise TransactionManagementError("a lock outside a transaction would be gone at once")
        given = dict(zip(self._names, values, strict=True))
        cursor.execute(
            text.sql, [given[part.name] if isinstance(part, Parameter) else part for part in text.parameters]
        )
        return text

    def _write(self, built: Any) -> Text:
        raise NotImplementedError


class KeptStatement(KeptText):
    """A function that returns the rows of a query.

    It decorates a function that returns the query. That one is called once for each kind of database, with an
    expression for each of its arguments, which it may use wherever a filter takes a value. Rows are tuples of plain
    values when the query says `values_list`, else instances of its model, with its annotations.
    """

    def __call__(self, *values: Any) -> list[Any]:
        """Run the statement with a value for each argument and return the rows.

        Raises TransactionManagementError when it locks rows outside a transaction, as the ORM would.
        """
        with _preparing_cursor() as cursor:
            text = self._execute(cursor, values)
            return [text.make(_converted(row, text.converters)) for row in cursor.fetchall()]

    def _write(self, built: QuerySet[Any, Any]) -> Text:
        compiler = built.query.get_compiler(connection=connection)
        sql, parameters = compiler.as_sql()
        columns = [column for column, _sql, _alias in compiler.select]
        make = tuple if built.query.values_select or not built.query.default_cols else _maker(built)
        return Text(sql, parameters, built.query.select_for_update, compiler.get_converters(columns), make)


class KeptUpdate(KeptText):
    """A function that changes rows: it decorates one that returns the query of the rows and their new values.

    It returns the columns `returning`, in their order, of each row that was changed, as they are afterwards.
    """

    def __init__(self, build: Callable[..., Change], returning: Sequence[str] = ()) -> None:
        super().__init__(build)
        self._returning = returning

    def __call__(self, *values: Any) -> list[Row]:
        """Run the statement with a value for each argument."""
        with _preparing_cursor() as cursor:
            self._execute(cursor, values)
            return cursor.fetchall() if self._returning else []

    def _write(self, built: Change) -> Text:
        rows, changes = built
        query: Any = rows.query.chain(UpdateQuery)
        query.add_update_values(changes)
        sql, parameters = query.get_compiler(connection=connection).as_sql()
        columns = [connection.ops.quote_name(rows.model._meta.get_field(name).column) for name in self._returning]
        return Text(f"{sql} RETURNING {', '.join(columns)}" if columns else sql, parameters)


def kept_update(*, returning: Sequence[str]) -> Callable[[Callable[..., Change]], KeptUpdate]:
    """Return KeptUpdate as a decorator that takes the columns to return."""
    return partial(KeptUpdate, returning=returning)


class KeptInsert[M: Model]:
    """A function that stores a new row of `model` as `save` would, and says whether it did.

    With `ignore_conflicts` it does not when a row with the same unique value is there. No signals are sent.
    """

    def __init__(self, model: type[M], *, ignore_conflicts: bool = False) -> None:
        self._model = model
        self._ignore_conflicts = ignore_conflicts
        self._fields = [field for field in model._meta.local_concrete_fields if not field.primary_key]
        self._texts: dict[str, str] = {}

    def __call__(self, row: M) -> bool:
        """Store the row, which gets its primary key; return False when a conflict was ignored."""
        sql = self._texts.get(connection.vendor) or self._write(row)
        values = [field.get_db_prep_save(field.pre_save(row, add=True), connection) for field in self._fields]
        with _preparing_cursor() as cursor:
            cursor.execute(sql, values)
            returned = cursor.fetchone()
        if returned is None:
            return False
        row.pk = returned[0]
        row._state.adding = False
        row._state.db = connection.alias
        return True

    def _write(self, row: M) -> str:
        query = InsertQuery(self._model)
        query.insert_values(self._fields, [row])
        compiler: Any = query.get_compiler(connection=connection)
        compiler.returning_fields = [self._model._meta.pk]
        [(sql, _values)] = compiler.as_sql()
        if self._ignore_conflicts:
            # Django would write INSERT OR IGNORE for SQLite, which ignores what breaks a check, too.
            insert, returning, columns = sql.rpartition(" RETURNING ")
            sql = f"{insert} ON CONFLICT DO NOTHING{returning}{columns}"
        self._texts[connection.vendor] = sql
        return str(sql)


def _preparing_cursor() -> CursorWrapper:
    """Return a cursor that lets PostgreSQL keep the plan of a statement that runs often on the same connection.

    Django's own cursors put the values into the text, so that PostgreSQL plans each call anew.
    """
    connection.ensure_connection()
    if connection.vendor != "postgresql":
        return connection.cursor()
    cursor: CursorWrapper = connection._prepare_cursor(psycopg.Cursor(connection.connection))  # type: ignore[attr-defined]
    return cursor


def _maker(rows: QuerySet[Any]) -> Callable[[Row], Model]:
    model: type[Model] = rows.model
    names = [field.attname for field in model._meta.concrete_fields]
    annotations = list(rows.query.annotation_select)

    def make(row: Row) -> Model:
        instance = model.from_db(connection.alias, names, row[: len(names)])
        for name, value in zip(annotations, row[len(names) :], strict=True):
            setattr(instance, name, value)
        return instance

    return make


def _converted(row: Row, converters: Mapping[int, Any] | None) -> Row:
    if not converters:
        return row
    values = list(row)
    for position, (functions, expression) in converters.items():
        for convert in functions:
            values[position] = convert(values[position], expression, connection)
    return values
