"""Reading a table in the order of its ids."""

from typing import Any

from django.db.models import QuerySet
from django.db.models.sql.datastructures import BaseTable


class TableById(BaseTable):
    """A table of which SQLite uses no index but that of the ids.

    Left to itself it looks up a filter in an index that has one, and sorts all it finds anew for every batch.
    """

    def as_sqlite(self, compiler: Any, connection: Any) -> tuple[str, Any]:
        """Return the table as SQLite's FROM names it."""
        sql, parameters = self.as_sql(compiler, connection)
        return f"{sql} NOT INDEXED", parameters


def in_order_of_ids[Rows: QuerySet[Any]](rows: Rows) -> Rows:
    """Return the rows by id, the lowest first; PostgreSQL, which knows what it has, chooses its way by itself."""
    ordered = rows.order_by("pk")
    query = ordered.query
    alias = query.get_initial_alias()
    query.alias_map[alias] = TableById(query.alias_map[alias].table_name, alias)
    return ordered
