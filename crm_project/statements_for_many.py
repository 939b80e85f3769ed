"""Kept statements that take many values, or many rows, as one parameter.

It is a list as JSON, which both databases unpack: so the text of a statement is the same for any number of them, and
is written once.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from typing import Any

import orjson
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import DateTimeField, Field, ForeignObject, Func, IntegerField, JSONField, Lookup, Model, QuerySet
from django.db.models.expressions import RawSQL

from crm_project.sending import database_of_thread, of_thread, run_on
from crm_project.statements import (
    PLAIN,
    KeptText,
    Parameter,
    Text,
    as_driver_takes,
    became_stored,
    check_lock,
    given_fields,
    usual_value,
)

type Values = Mapping[str, Any]
type Written = tuple[str, tuple[Any, ...]]  # a part of a statement, and its parameters


def packed(values: Iterable[Any]) -> str:
    """Return the values as the one parameter that they are passed as, of a mapping its keys; moments become text."""
    return _as_text(list(values))


def packed_by_key(values: Mapping[Any, Any]) -> str:
    """Return the mapping as the one parameter that it is passed as."""
    return _as_text(dict(values))


def _as_text(values: Any) -> str:
    try:
        return orjson.dumps(values, default=str, option=orjson.OPT_NON_STR_KEYS).decode()
    except TypeError:  # such as for a whole number of more than 64 bits, which the data of a lead may hold
        return json.dumps(values, ensure_ascii=False, separators=(",", ":"), default=str)


@Field.register_lookup
@ForeignObject.register_lookup
class Among(Lookup):
    """Whether the column is one of the packed values: `pk__among`."""

    lookup_name = "among"
    prepare_rhs = False

    def as_sql(self, compiler: Any, connection: BaseDatabaseWrapper) -> Written:
        """Write the condition for SQLite."""
        return self._written(compiler, connection, "{} IN (SELECT value FROM json_each({}))")

    def as_postgresql(self, compiler: Any, connection: BaseDatabaseWrapper) -> Written:
        """Write it for PostgreSQL: as a join, whose plan does no harm when the table grows after it was kept.

        `= ANY` would compare each row with each value as long as the plan is that for a small table.
        """
        kind = _kind_of(self.lhs.output_field, connection)
        return self._written(compiler, connection, f"{{}} IN (SELECT json_array_elements_text({{}}::json)::{kind})")

    def _written(self, compiler: Any, connection: BaseDatabaseWrapper, condition: str) -> Written:
        column, of_column = self.process_lhs(compiler, connection)
        values, of_values = self.process_rhs(compiler, connection)
        return condition.format(column, values), (*of_column, *of_values)


class NumberFor(Func):
    """The number that a mapping, packed by key, has for a key: `NumberFor(mapping, key)`."""

    output_field = IntegerField()

    def as_sqlite(self, compiler: Any, connection: BaseDatabaseWrapper, **_context: Any) -> Written:
        """Write it for SQLite, where what is looked up is a path."""
        return self._written(compiler, """json_extract({}, '$."' || {} || '"')""")

    def as_postgresql(self, compiler: Any, connection: BaseDatabaseWrapper, **_context: Any) -> Written:
        """Write it for PostgreSQL."""
        return self._written(compiler, "({}::json ->> {}::text)::integer")

    def _written(self, compiler: Any, template: str) -> Written:
        texts, parameters = zip(*(compiler.compile(one) for one in self.source_expressions), strict=True)
        return template.format(*texts), tuple(chain(*parameters))


class KeptForEach(KeptText):
    """A function that looks one thing up for each of many values.

    It decorates a function that returns the query of it, `values_list` of one column and one row at most, for one of
    the values as its first argument; the function takes them all. Each is looked up by itself, by an index: asked for
    all at once, a database reads the whole of a table that has some ten thousand rows.
    """

    def __call__(self, values: Iterable[Any], *others: Any) -> list[tuple[Any, Any]]:
        """Return the values for which there is something, in their order and as JSON has them, each with what it is.

        Raises TransactionManagementError when it locks rows outside a transaction, as the ORM would.
        """
        database = database_of_thread()
        text = self._text(database)
        check_lock(text, database)
        rows = run_on(database, text.sql, self._parameters(text, [packed(values), *others]))
        return [(value, found) for value, found in rows if found is not None]

    def _arguments(self) -> list[RawSQL]:
        return [RawSQL("one.value", []), *super()._arguments()[1:]]

    def _write(self, built: QuerySet[Any, Any], database: BaseDatabaseWrapper) -> Text:
        sql, parameters = built.query.get_compiler(connection=database).as_sql()
        unpacked = "json_array_elements_text(%s::json)" if database.vendor == "postgresql" else "json_each(%s)"
        whole = f"SELECT one.value, ({sql}) FROM {unpacked} AS one"  # noqa: S608, a query of the ORM
        text = self._with_constants(whole, [*parameters, Parameter(self._names[0])])
        return Text(*text, locks=built.query.select_for_update)


class KeptInserts[M: Model]:
    """A function that stores many new rows of `model`, each as KeptInsert would store it, in one statement.

    What a column of JSON gets is an object or a list, its numbers finite.
    """

    def __init__(self, model: type[M]) -> None:
        self._model = model
        self._fields = given_fields(model)
        self._converted = [field for field in self._fields if not isinstance(field, PLAIN)]
        self._texts: dict[str, str] = {}

    def __call__(self, rows: Sequence[M]) -> None:
        """Store the rows, which get their primary keys."""
        keys = _keys(*self._statement([self._values(row) for row in rows])) if rows else []
        for row, key in zip(rows, keys, strict=True):
            became_stored(row, key)

    def values(self, rows: Iterable[Values]) -> list[Any]:
        """Store rows of these values, each by the name of its attribute, the others by default; return their keys.

        Within `together` the keys are not known, and none are returned; nor can a value be what another write returns.
        """
        given = list(rows)
        if not given:
            return []
        usual = {field.attname: usual_value(field) for field in self._fields}
        sql, parameter = self._statement([{**usual, **row} for row in given])
        if of_thread.bundle is None:
            return _keys(sql, parameter)
        of_thread.bundle.add(sql, [parameter])
        return []

    def _values(self, row: M) -> dict[str, Any]:
        return {field.attname: field.pre_save(row, add=True) for field in self._fields}

    def _statement(self, rows: list[dict[str, Any]]) -> tuple[str, str]:
        """Return the statement that stores the rows, and its one parameter."""
        database = database_of_thread()
        sql = self._texts.get(database.vendor) or self._write(database)
        for field in self._converted:
            for row in rows:
                row[field.attname] = _as_json(field, row[field.attname], database)
        return sql, packed(rows)

    def _write(self, database: BaseDatabaseWrapper) -> str:
        quoted = database.ops.quote_name
        names = ", ".join(quoted(str(field.column)) for field in self._fields)
        table, key = quoted(self._model._meta.db_table), quoted(str(self._model._meta.pk.column))
        unpacked = self._unpacked_by_postgresql(database) if database.vendor == "postgresql" else self._unpacked()
        sql = self._texts[database.vendor] = f"INSERT INTO {table} ({names}) {unpacked} RETURNING {key}"
        return sql

    def _unpacked(self) -> str:
        columns = ", ".join(f"json_extract(value, '$.{field.attname}')" for field in self._fields)
        return f"SELECT {columns} FROM json_each(%s)"  # noqa: S608, names of ours

    def _unpacked_by_postgresql(self, database: BaseDatabaseWrapper) -> str:
        columns = ", ".join(f'"{field.attname}" {_kind_of(field, database)}' for field in self._fields)
        return f"SELECT * FROM json_to_recordset(%s) AS given({columns})"  # noqa: S608, names of ours


def _keys(sql: str, parameter: str) -> list[Any]:
    return [key for (key,) in run_on(database_of_thread(), sql, [parameter])]


def _as_json(field: Any, value: Any, database: BaseDatabaseWrapper) -> Any:
    """Return the value as the packed row holds it: JSON within JSON as it is, and PostgreSQL takes moments so, too."""
    if isinstance(field, JSONField) or (isinstance(field, DateTimeField) and database.vendor == "postgresql"):
        return value
    return as_driver_takes(field, value, database)


def _kind_of(field: Any, database: BaseDatabaseWrapper) -> str:
    """Return the type of a column's values; text for a limited one, which else would be cut off unnoticed."""
    kind = str(field.rel_db_type(database) if field.primary_key else field.db_type(database))
    return "text" if kind.startswith("varchar") else kind
