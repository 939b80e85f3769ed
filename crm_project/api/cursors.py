"""Pages that begin behind a row: its values in the order of the list say where, so the last is as fast as the first.

No row is skipped or repeated, however many have the same value and whatever arrives meanwhile: the order ends with the
id. A cursor is signed, so what it holds is what an answer has named.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

from django.core import signing
from django.db.models import F, QuerySet
from django.db.models.fields.tuple_lookups import Tuple, TupleGreaterThan, TupleLessThan

START = "start"
SALT = "cursor"


class NoCursor(Exception):
    """The text is no cursor, or one of another list or order."""


@dataclass(frozen=True)
class Cursor:
    """A place in a list: behind the row with the values, or before it when the page is read `backwards` from there.

    Without values it is the beginning, or, backwards, the end.
    """

    of: str
    order: Sequence[str]
    values: Sequence[str] = ()
    backwards: bool = False

    @classmethod
    def start(cls, rows: QuerySet[Any]) -> Self:
        """Return the beginning of a list."""
        order = rows.query.order_by or rows.model._meta.ordering
        return cls(rows.model._meta.label_lower, [str(name) for name in order])

    @classmethod
    def read(cls, text: str, rows: QuerySet[Any]) -> Self:
        """Return what `written` made of a place in the list. Raises NoCursor."""
        start = cls.start(rows)
        if text == START:
            return start
        try:
            of, order, values, backwards = signing.loads(text, salt=SALT)
        except signing.BadSignature as error:
            raise NoCursor from error
        if (of, order) != (start.of, start.order):
            raise NoCursor
        return replace(start, values=values, backwards=backwards)

    def written(self) -> str:
        """Return the cursor as a text."""
        return signing.dumps([self.of, self.order, self.values, self.backwards], salt=SALT)

    def at(self, row: Any, *, backwards: bool) -> Self:
        """Return the place behind a row, or before it."""
        values = [row._meta.get_field(name).value_to_string(row) for name in _fields(self.order)]
        return replace(self, values=values, backwards=backwards)

    def at_the_edge(self, *, backwards: bool) -> Self:
        """Return the beginning, or the end."""
        return replace(self, values=(), backwards=backwards)

    def rows_from_here(self, rows: QuerySet[Any]) -> QuerySet[Any]:
        """Return the rows that lie ahead, in the direction that they are read in."""
        rows = rows.reverse() if self.backwards else rows
        return rows.filter(self._is_ahead()) if self.values else rows

    def _is_ahead(self) -> Any:
        falls = self.order[-1].startswith("-")
        ahead = TupleLessThan if falls != self.backwards else TupleGreaterThan
        return ahead(Tuple(*map(F, _fields(self.order))), list(self.values))


class CursorPage:
    """One page, and the ways to its neighbours, None where there are no rows."""

    def __init__(self, rows: QuerySet[Any], cursor: Cursor, size: int) -> None:
        ahead = cursor.rows_from_here(rows)
        found = list(rows_of(ahead[: size + 1], ahead))
        goes_on, began = len(found) > size, bool(cursor.values)
        self._cursor = cursor
        self.rows = found[:size][::-1] if cursor.backwards else found[:size]
        self.next = self._to(-1, backwards=False) if (began if cursor.backwards else goes_on) else None
        self.previous = self._to(0, backwards=True) if (goes_on if cursor.backwards else began) else None

    def _to(self, place: int, *, backwards: bool) -> Cursor:
        """Return the way on from the row at the place; beside a page without rows there is the edge of the list."""
        if not self.rows:
            return self._cursor.at_the_edge(backwards=backwards)
        return self._cursor.at(self.rows[place], backwards=backwards)


def rows_of(part: QuerySet[Any], rows: QuerySet[Any]) -> QuerySet[Any]:
    """Return the rows of a part of a list, found by their keys.

    The keys of the part come out of an index alone. For whole rows PostgreSQL likes to go through the table instead,
    in the belief that what is looked for lies everywhere in it: the contacts of a new source do not.
    """
    whole = rows.all()
    whole.query.clear_where()
    return whole.filter(pk__in=part.values("pk"))


def _fields(order: Sequence[str]) -> list[str]:
    return [name.removeprefix("-") for name in order]
