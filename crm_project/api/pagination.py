"""Lists come in pages: numbered ones, or, however long the list, one behind the other by a cursor."""

from collections.abc import Sequence
from functools import cached_property
from typing import Any

from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _
from rest_framework.exceptions import ErrorDetail, NotFound, ValidationError
from rest_framework.pagination import Cursor, CursorPagination, PageNumberPagination
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.utils.urls import remove_query_param
from rest_framework.views import APIView

PAGE_SIZE_OUT_OF_RANGE = "page_size_out_of_range"
CURSOR_UNKNOWN = "cursor_unknown"
HIGHEST_COUNT = 10_000
HIGHEST_KEY = 2**63 - 1
START = "start"


class CountedSoFar(Paginator):
    """Counts up to HIGHEST_COUNT: counting a long list would take longer than reading a page of it."""

    @cached_property
    def _rows(self) -> int:
        rows: Any = self.object_list
        return int(rows[: HIGHEST_COUNT + 1].count())

    @cached_property
    def count(self) -> int:
        """How many rows the numbered pages hold."""
        return min(self._rows, HIGHEST_COUNT)

    @property
    def is_exceeded(self) -> bool:
        """Whether there are more."""
        return self._rows > HIGHEST_COUNT


def is_key(text: str) -> bool:
    """Return whether the text is the key of a row, as a cursor names it."""
    return text.isascii() and text.isdigit() and len(text) < len(str(HIGHEST_KEY))


class CursorPages(CursorPagination):
    """Pages that begin behind a row, in the order of the list, which is by id; the last is as fast as the first."""

    page_size = 50
    page_size_query_param = "page_size"
    max_page_size = 500
    template = None

    def get_ordering(self, _request: Request, queryset: QuerySet[Any], _view: Any) -> tuple[str, ...]:
        """Return the order of the list."""
        return tuple(str(name) for name in queryset.query.order_by or queryset.model._meta.ordering)

    def decode_cursor(self, request: Request) -> Cursor | None:
        """Return what the cursor says. Raises ValidationError for what is none."""
        if request.query_params[self.cursor_query_param] == START:
            return None
        try:
            cursor = super().decode_cursor(request)
        except NotFound:
            cursor = None
        if cursor is None or not is_key(str(cursor.position)):
            message = _("This is no cursor. Take the address of the next page from an answer, or begin with start.")
            raise ValidationError({self.cursor_query_param: [ErrorDetail(str(message), CURSOR_UNKNOWN)]})
        return cursor

    def behind(self, row: Any, request: Request) -> str:
        """Return the address of the page behind a row."""
        self.base_url = request.build_absolute_uri()
        address: str = self.encode_cursor(Cursor(offset=0, reverse=False, position=row.pk))
        return address


class Pages(PageNumberPagination):
    """Pages of 50, or as many as `page_size` says, up to 500: numbered, or with `cursor` one behind the other.

    Where the numbered pages end, after HIGHEST_COUNT rows, `next` leads on by a cursor.
    """

    page_size = CursorPages.page_size
    page_size_query_param = CursorPages.page_size_query_param
    max_page_size = CursorPages.max_page_size
    cursor_query_param = CursorPages.cursor_query_param
    django_paginator_class = CountedSoFar
    page: Any
    request: Any
    _by_cursor: CursorPages | None = None

    def paginate_queryset(
        self, queryset: QuerySet[Any] | Sequence[Any], request: Request, view: APIView | None = None
    ) -> list[Any]:
        """Return the page asked for.

        Raises ValidationError for a size that is out of range and for what is no cursor, NotFound for a page.
        """
        size = request.query_params.get(self.page_size_query_param, "1")
        if not (size.isascii() and size.isdigit() and len(size) <= 3 and 1 <= int(size) <= self.max_page_size):
            message = _("A page holds 1 to %(highest)d rows.") % {"highest": self.max_page_size}
            raise ValidationError({self.page_size_query_param: [message]}, PAGE_SIZE_OUT_OF_RANGE)
        if self.cursor_query_param in request.query_params:
            self._by_cursor = CursorPages()
            return self._by_cursor.paginate_queryset(queryset, request, view) or []
        return super().paginate_queryset(queryset, request, view) or []

    def get_paginated_response(self, data: Any) -> Response:
        """Return the page with the ways to its neighbours, and how many rows there are as far as they are counted."""
        if self._by_cursor is not None:
            pages = self._by_cursor.get_paginated_response(data).data
            return Response({"count": None, "count_exceeds": None, **pages})
        exceeded = self.page.paginator.is_exceeded
        counts = {
            "count": None if exceeded else self.page.paginator.count,
            "count_exceeds": HIGHEST_COUNT if exceeded else None,
        }
        return Response({**super().get_paginated_response(data).data, **counts})

    def get_next_link(self) -> str | None:
        """Return the address of the next page."""
        if self.page.has_next() or not self.page.paginator.is_exceeded:
            return super().get_next_link()
        address = CursorPages().behind(self.page[-1], self.request)
        return str(remove_query_param(address, self.page_query_param))

    def get_schema_operation_parameters(self, view: APIView) -> list[dict[str, Any]]:
        """Return the parameters of a list with the range of each."""
        page, size = super().get_schema_operation_parameters(view)
        page["description"] = _("The number of the page, from 1.")
        page["schema"] |= {"minimum": 1, "default": 1}
        size["description"] = _("How many rows a page holds.")
        size["schema"] |= {"minimum": 1, "maximum": self.max_page_size, "default": self.page_size}
        cursor = {
            "name": self.cursor_query_param,
            "in": "query",
            "required": False,
            "schema": {"type": "string"},
            "description": _(
                "`start` for pages that are as fast at the end of a long list as at its beginning, and stay the same "
                "while rows arrive; `next` leads on."
            ),
        }
        return [page, size, cursor]

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        """Return the schema of a page whose rows have the schema given."""
        address = {"type": ["string", "null"], "format": "uri", "example": None}
        number = {"type": ["integer", "null"]}
        properties = {
            "count": {**number, "example": 1, "description": _("How many rows there are on all pages, if counted.")},
            "count_exceeds": {
                **number,
                "example": None,
                "description": _("10,000 when there are more rows than that: they are not counted."),
            },
            "next": {**address, "description": _("The address of the next page.")},
            "previous": {**address, "description": _("The address of the page before.")},
            "results": schema,
        }
        return {"type": "object", "required": list(properties), "properties": properties}
