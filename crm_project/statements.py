"""Statements that the ORM writes once and that run many times.

For the short statements of an arrival the ORM takes longer to write the SQL than the database to run it, and writes
the same text every time. Here the text is kept, one for each kind of database.
"""

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import psycopg
from django.db import DEFAULT_DB_ALIAS, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import Model, QuerySet
from django.db.models.expressions import RawSQL
from django.db.models.sql import InsertQuery, UpdateQuery
from django.db.transaction import TransactionManagementError

type Row = Sequence[Any]
type Change = tuple[QuerySet[Any], dict[str, Any]]
type Converter = tuple[int, Callable[..., Any], Any]


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
    converters: Sequence[Converter] = ()
    make: Callable[[Row], Any] = tuple


class KeptText:
    """A function of values whose statement is written at its first call on each kind of database."""

    def __init__(self, build: Callable[..., Any]) -> None:
        self.__doc__ = build.__doc__
        self._build = build
        self._names = list(inspect.signature(build).parameters)
        self._texts: dict[str, Text] = {}

    def _text(self, database: BaseDatabaseWrapper) -> Text:
        text = self._texts.get(database.vendor)
        if text is None:
            built = self._build(*(RawSQL("%s", [Parameter(name)]) for name in self._names))
            text = self._texts[database.vendor] = self._write(built, database)
        return text

    def _run(self, database: BaseDatabaseWrapper, text: Text, values: Sequence[Any]) -> list[Row]:
        given = dict(zip(self._names, values, strict=True))
        parameters = [given[part.name] if isinstance(part, Parameter) else part for part in text.parameters]
        return _rows(database, text.sql, parameters)

    def _write(self, built: Any, database: BaseDatabaseWrapper) -> Text:
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
        database = connections[DEFAULT_DB_ALIAS]
        text = self._text(database)
        if text.locks and not database.in_atomic_block:
            raise TransactionManagementError("a lock outside a transaction would be gone at once")
        return [text.make(_converted(row, text.converters, database)) for row in self._run(database, text, values)]

    def _write(self, built: QuerySet[Any, Any], database: BaseDatabaseWrapper) -> Text:
        compiler = built.query.get_compiler(connection=database)
        sql, parameters = compiler.as_sql()
        columns = [column for column, _sql, _alias in compiler.select]
        make = tuple if built.query.values_select or not built.query.default_cols else _maker(built)
        converters = [
            (position, convert, expression)
            for position, (functions, expression) in compiler.get_converters(columns).items()
            for convert in functions
        ]
        return Text(sql, parameters, built.query.select_for_update, converters, make)


class KeptUpdate(KeptText):
    """A function that changes rows: it decorates one that returns the query of the rows and their new values.

    It returns the columns `returning`, in their order, of each row that was changed, as they are afterwards.
    """

    def __init__(self, build: Callable[..., Change], returning: Sequence[str] = ()) -> None:
        super().__init__(build)
        self._returning = returning

    def __call__(self, *values: Any) -> list[Row]:
        """Run the statement with a value for each argument."""
        database = connections[DEFAULT_DB_ALIAS]
        return self._run(database, self._text(database), values)

    def _write(self, built: Change, database: BaseDatabaseWrapper) -> Text:
        rows, changes = built
        query: Any = rows.query.chain(UpdateQuery)
        query.add_update_values(changes)
        sql, parameters = query.get_compiler(connection=database).as_sql()
        columns = [database.ops.quote_name(rows.model._meta.get_field(name).column) for name in self._returning]
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
        database = connections[DEFAULT_DB_ALIAS]
        sql = self._texts.get(database.vendor) or self._write(row, database)
        values = [field.get_db_prep_save(field.pre_save(row, add=True), database) for field in self._fields]
        for (key,) in _rows(database, sql, values):
            row.pk = key
            row._state.adding = False
            row._state.db = database.alias
            return True
        return False

    def _write(self, row: M, database: BaseDatabaseWrapper) -> str:
        query = InsertQuery(self._model)
        query.insert_values(self._fields, [row])
        compiler: Any = query.get_compiler(connection=database)
        compiler.returning_fields = [self._model._meta.pk]
        [(sql, _values)] = compiler.as_sql()
        if self._ignore_conflicts:
            # Django would write INSERT OR IGNORE for SQLite, which ignores what breaks a check, too.
            insert, returning, columns = sql.rpartition(" RETURNING ")
            sql = f"{insert} ON CONFLICT DO NOTHING{returning}{columns}"
        self._texts[database.vendor] = sql
        return str(sql)


def _rows(database: BaseDatabaseWrapper, sql: str, values: Sequence[Any]) -> list[Row]:
    """Run a statement on the driver's own cursor and return its rows, none for one that returns nothing.

    Django wraps each cursor for those who listen to what is run, a log or a wrapper: without them it is left bare.
    """
    database.ensure_connection()
    database.validate_no_broken_transaction()
    with database.wrap_database_errors:
        cursor = _preparing_cursor(database)
        if database.queries_logged or database.execute_wrappers:
            cursor = database._prepare_cursor(cursor)  # type: ignore[attr-defined]
        cursor.execute(sql, values)
        return cursor.fetchall() if cursor.description else []


def _preparing_cursor(database: BaseDatabaseWrapper) -> Any:
    """Return a cursor that lets PostgreSQL keep the plan of a statement that runs often on the same connection.

    Django's own cursors put the values into the text, so that PostgreSQL plans each call anew.
    """
    if database.vendor == "postgresql":
        return psycopg.Cursor(database.connection)
    return database.create_cursor()


def _maker(rows: QuerySet[Any]) -> Callable[[Row], Model]:
    model: type[Model] = rows.model
    names = [field.attname for field in model._meta.concrete_fields]
    annotations = list(rows.query.annotation_select)

    def make(row: Row) -> Model:
        instance = model.from_db(DEFAULT_DB_ALIAS, names, row[: len(names)])
        for name, value in zip(annotations, row[len(names) :], strict=True):
            setattr(instance, name, value)
        return instance

    return make


def _converted(row: Row, converters: Sequence[Converter], database: BaseDatabaseWrapper) -> Row:
    if not converters:
        return row
    values = list(row)
    for position, convert, expression in converters:
        values[position] = convert(values[position], expression, database)
    return values
