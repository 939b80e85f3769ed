"""Statements that the ORM writes once and that run many times.

For the short statements of an arrival the ORM takes longer to write the SQL than the database to run it, and writes
the same text every time. Here the text is kept, one for each kind of database.
"""

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache, partial
from typing import Any

from django.db import DEFAULT_DB_ALIAS
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import BooleanField, CharField, ForeignKey, IntegerField, Model, QuerySet, TextField
from django.db.models.expressions import RawSQL
from django.db.models.sql import InsertQuery, UpdateQuery
from django.db.transaction import TransactionManagementError
from django.utils import timezone

from crm_project.sending import Returned, Row, database_of_thread, filled, of_thread, run_on

# Fields whose values every driver takes as they are.
PLAIN = (BooleanField, CharField, ForeignKey, IntegerField, TextField)

type Change = tuple[QuerySet[Any], dict[str, Any]]
type Converter = tuple[int, Callable[..., Any], Any]


@dataclass(frozen=True)
class Parameter:
    """The place of a value that is known only when the statement runs."""

    name: str


@dataclass(frozen=True)
class Text:
    """A statement as one kind of database takes it, and what makes its rows into what the ORM would return.

    `given` says which of the parameters are values of the call: their places and the numbers of the values.
    """

    sql: str
    parameters: tuple[Any, ...]
    given: Sequence[tuple[int, int]]
    returned: Sequence[str] = ()
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
            built = self._build(*self._arguments())
            text = self._texts[database.vendor] = self._write(built, database)
        return text

    def _arguments(self) -> list[RawSQL]:
        """Return the expressions that stand for the values."""
        return [RawSQL("%s", [Parameter(name)]) for name in self._names]

    def _parameters(self, text: Text, values: Sequence[Any]) -> list[Any]:
        parameters = list(text.parameters)
        for place, number in text.given:
            parameters[place] = values[number]
        return parameters

    def _with_constants(
        self, sql: str, parameters: Sequence[Any]
    ) -> tuple[str, tuple[Any, ...], Sequence[tuple[int, int]]]:
        """Return the statement with its constants in the text, the parameters that are left, and which are given.

        A kept plan is for any value of a parameter, and so cannot use an index that holds only rows of one value.
        """
        literals = [_literal(value) for value in parameters]
        left = tuple(value for value, literal in zip(parameters, literals, strict=True) if literal is None)
        return filled(sql, literals), left, self._given(left)

    def _given(self, parameters: Sequence[Any]) -> list[tuple[int, int]]:
        """Return which places of the parameters are for values of a call, and the numbers of these."""
        parts = enumerate(parameters)
        return [(place, self._names.index(part.name)) for place, part in parts if isinstance(part, Parameter)]

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

        Raises TransactionManagementError when it locks its rows outside a transaction, as the ORM would.
        """
        database = database_of_thread()
        text = self._text(database)
        check_lock(text, database)
        rows = run_on(database, text.sql, self._parameters(text, values))
        if text.converters:
            rows = [_converted(row, text.converters, database) for row in rows]
        return [text.make(row) for row in rows]

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
        return Text(
            *self._with_constants(sql, parameters),
            locks=built.query.select_for_update,
            converters=converters,
            make=make,
        )


class KeptUpdate(KeptText):
    """A function that changes rows: it decorates one that returns the query of the rows and their new values.

    It returns the columns `returning`, in their order, of each row that was changed, as they are afterwards.
    """

    def __init__(self, build: Callable[..., Change], returning: Sequence[str] = ()) -> None:
        super().__init__(build)
        self._returning = returning

    def __call__(self, *values: Any) -> list[Row]:
        """Run the statement with a value for each argument.

        Within `together` one that returns something changes one row, and what it returns is known to later writes only.
        """
        database = database_of_thread()
        text = self._text(database)
        parameters = self._parameters(text, values)
        if of_thread.bundle is None:
            return run_on(database, text.sql, parameters, returns=bool(self._returning))
        part = of_thread.bundle.add(text.sql, parameters)
        return [[Returned(part, column) for column in text.returned]] if self._returning else []

    def _write(self, built: Change, database: BaseDatabaseWrapper) -> Text:
        rows, changes = built
        query: Any = rows.query.chain(UpdateQuery)
        query.add_update_values(changes)
        sql, parameters = query.get_compiler(connection=database).as_sql()
        columns = [database.ops.quote_name(rows.model._meta.get_field(name).column) for name in self._returning]
        returning = f" RETURNING {', '.join(columns)}" if columns else ""
        return Text(*self._with_constants(f"{sql}{returning}", parameters), columns)


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
        self._fields = given_fields(model)
        self._converted = [(at, field) for at, field in enumerate(self._fields) if not isinstance(field, PLAIN)]
        self._texts: dict[str, str] = {}

    def __call__(self, row: M) -> bool:
        """Store the row, which gets its primary key; return False when a conflict was ignored."""
        key = self._store([field.pre_save(row, add=True) for field in self._fields], row)
        if key is None:
            return False
        became_stored(row, key)
        return True

    def values(self, **given: Any) -> Any:
        """Store a row of these values, each by the name of its attribute, the others by default; return its key.

        It costs less than to make the row of the model first. Within `together` the key is known to later writes only.
        """
        return self._store(
            [given[field.attname] if field.attname in given else usual_value(field) for field in self._fields]
        )

    def _store(self, values: list[Any], row: M | None = None) -> Any:
        database = database_of_thread()
        sql = self._texts.get(database.vendor) or self._write(database)
        for at, column in self._converted:
            values[at] = as_driver_takes(column, values[at], database)
        if of_thread.bundle is not None and not self._ignore_conflicts:
            return of_thread.bundle.insert(sql, values, str(self._model._meta.pk.column), row)
        return next((key for (key,) in run_on(database, sql, values)), None)

    def _write(self, database: BaseDatabaseWrapper) -> str:
        query = InsertQuery(self._model)
        query.insert_values(self._fields, [self._model()])
        compiler: Any = query.get_compiler(connection=database)
        compiler.returning_fields = [self._model._meta.pk]
        [(sql, _values)] = compiler.as_sql()
        if self._ignore_conflicts:
            # Django would write INSERT OR IGNORE for SQLite, which ignores what breaks a check, too.
            insert, returning, columns = sql.rpartition(" RETURNING ")
            sql = f"{insert} ON CONFLICT DO NOTHING{returning}{columns}"
        self._texts[database.vendor] = sql
        return str(sql)


class KeptCopy(KeptText):
    """A function that stores a row for each row of a query: it decorates one that returns the query of their values.

    The values are those of `columns`, in their order; the others are filled in by the database.
    """

    def __init__(self, build: Callable[..., QuerySet[Any, Any]], model: type[Model], columns: Sequence[str]) -> None:
        super().__init__(build)
        self._model = model
        self._columns = columns

    def __call__(self, *values: Any) -> None:
        """Run the statement with a value for each argument."""
        database = database_of_thread()
        text = self._text(database)
        parameters = self._parameters(text, values)
        if of_thread.bundle is None:
            run_on(database, text.sql, parameters, returns=False)
        else:
            of_thread.bundle.add(text.sql, parameters)

    def _write(self, built: QuerySet[Any, Any], database: BaseDatabaseWrapper) -> Text:
        sql, parameters = built.query.get_compiler(connection=database).as_sql()
        names = ", ".join(database.ops.quote_name(name) for name in self._columns)
        table = database.ops.quote_name(self._model._meta.db_table)
        return Text(*self._with_constants(f"INSERT INTO {table} ({names}) {sql}", parameters))


def kept_copy(model: type[Model], *columns: str) -> Callable[[Callable[..., QuerySet[Any, Any]]], KeptCopy]:
    """Return KeptCopy as a decorator that takes the model and the columns of the new rows."""
    return partial(KeptCopy, model=model, columns=columns)


def check_lock(text: Text, database: BaseDatabaseWrapper) -> None:
    """Raise TransactionManagementError when the statement locks its rows, and would do so outside a transaction."""
    if text.locks and not database.in_atomic_block:
        raise TransactionManagementError("a lock outside a transaction would be gone at once")


def _literal(value: Any) -> str | None:
    """Return a constant as SQL, None for what is passed as a parameter: with a percent sign, it would look like one."""
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, int):
        return str(int(value))
    if isinstance(value, str) and "%" not in value:
        return "'" + str(value).replace("'", "''") + "'"
    return None


def given_fields(model: type[Model]) -> list[Any]:
    """Return the fields that a statement that stores a row names; the others are left to the database."""
    fields: Sequence[Any] = model._meta.local_concrete_fields
    return [one for one in fields if not one.primary_key and (one.has_default() or not one.has_db_default())]


def usual_value(field: Any) -> Any:
    """Return what a new row has in the field unless it is given another value."""
    set_by_itself = getattr(field, "auto_now_add", False) or getattr(field, "auto_now", False)
    return timezone.now() if set_by_itself else field.get_default()


def as_driver_takes(field: Any, value: Any, database: BaseDatabaseWrapper) -> Any:
    """Return the value of a field as the driver of the database takes it."""
    if type(value) is datetime and value.tzinfo is UTC:
        return _moment(value, database.vendor)
    return field.get_db_prep_save(value, database)


@lru_cache(maxsize=64)
def _moment(moment: datetime, _vendor: str) -> Any:
    """Return the moment as the driver takes it; what is stored together has the same few moments again and again."""
    return database_of_thread().ops.adapt_datetimefield_value(moment)


def became_stored(row: Model, key: Any) -> None:
    """Let the row know that it is stored, and by which key."""
    row.pk = key
    row._state.adding = False
    row._state.db = DEFAULT_DB_ALIAS


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
    values = list(row)
    for position, convert, expression in converters:
        values[position] = convert(values[position], expression, database)
    return values
