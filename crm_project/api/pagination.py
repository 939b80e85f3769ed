"""Lists come in pages: numbered ones, or, however long the list, one behind the other by a cursor."""

from collections.abc import Sequence
from functools import cached_property
from typing import Any

from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _
from rest_framework.exceptions import ErrorDetail, ValidationError
from rest_framework.pagination import PageNumberPagination
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.utils.urls import remove_query_param, replace_query_param
from rest_framework.views import APIView

from crm_project.api.cursors import Cursor, CursorPage, NoCursor, rows_of

PAGE_SIZE_OUT_OF_RANGE = "page_size_out_of_range"
CURSOR_UNKNOWN = "cursor_unknown"
HIGHEST_COUNT = 10_000


class CountedSoFar(Paginator):
    """Counts up to HIGHEST_COUNT: counting a long list would take longer than reading a page of it."""

    @cached_property
    def _rows(self) -> int:
        rows: Any = self.object_list
        return int(rows.order_by()[: HIGHEST_COUNT + 1].count())

    @cached_property
    def count(self) -> int:
        """How many rows the numbered pages hold."""
        return min(self._rows, HIGHEST_COUNT)

    def _get_page(self, *args: Any, **kwargs: Any) -> Any:
        rows: Any = self.object_list
        part, *others = args
        return super()._get_page(rows_of(part, rows), *others, **kwargs)  # type: ignore[misc]

    @property
    def is_exceeded(self) -> bool:
        """Whether there are more."""
        return self._rows > HIGHEST_COUNT


class Pages(PageNumberPagination):
    """Pages of 50, or as many as `page_size` says, up to 500: numbered, or with `cursor` one behind the other.

    Where the numbered pages end, after HIGHEST_COUNT rows, `next` leads on by a cursor.
    """

    page_size = 50
    page_size_query_param = "page_size"
    max_page_size = 500
    cursor_query_param = "cursor"
    django_paginator_class = CountedSoFar
    page: Any
    request: Any
    _by_cursor: CursorPage | None = None

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
            self.request = request
            self._by_cursor = self._page_by_cursor(queryset)
            return self._by_cursor.rows
        return super().paginate_queryset(queryset, request, view) or []

    def get_paginated_response(self, data: Any) -> Response:
        """Return the page with the ways to its neighbours, and how many rows there are as far as they are counted."""
        if self._by_cursor is not None:
            return Response(self._beside_a_cursor(self._by_cursor) | {"results": data})
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
        start = Cursor.start(self.page.paginator.object_list)
        address = self._address(start.at(self.page[-1], backwards=False))
        return str(remove_query_param(address, self.page_query_param))

    def _page_by_cursor(self, queryset: Any) -> CursorPage:
        text = self.request.query_params[self.cursor_query_param]
        try:
            cursor = Cursor.read(text, queryset)
        except NoCursor as error:
            message = _(
                "This is no cursor of this list in this order. Take the address of the next page from an answer, or "
                "begin with start."
            )
            raise ValidationError({self.cursor_query_param: [ErrorDetail(str(message), CURSOR_UNKNOWN)]}) from error
        return CursorPage(queryset, cursor, self.get_page_size(self.request) or self.page_size)

    def _beside_a_cursor(self, page: CursorPage) -> dict[str, Any]:
        ways = {"next": page.next, "previous": page.previous}
        addresses = {name: None if cursor is None else self._address(cursor) for name, cursor in ways.items()}
        return {"count": None, "count_exceeds": None, **addresses}

    def _address(self, cursor: Cursor) -> str:
        return str(replace_query_param(self.request.build_absolute_uri(), self.cursor_query_param, cursor.written()))

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
