"""Lists come in pages."""

from collections.abc import Sequence
from typing import Any

from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _
from rest_framework.exceptions import ValidationError
from rest_framework.pagination import PageNumberPagination
from rest_framework.request import Request
from rest_framework.views import APIView

PAGE_SIZE_OUT_OF_RANGE = "page_size_out_of_range"


class Pages(PageNumberPagination):
    """Numbered pages of 50, or as many as `page_size` says, up to 500."""

    page_size = 50
    page_size_query_param = "page_size"
    max_page_size = 500

    def paginate_queryset(
        self, queryset: QuerySet[Any] | Sequence[Any], request: Request, view: APIView | None = None
    ) -> list[Any]:
        """Return the page asked for. Raises ValidationError for a size that is out of range, NotFound for a page."""
        size = request.query_params.get(self.page_size_query_param, "1")
        if not (size.isascii() and size.isdigit() and len(size) <= 3 and 1 <= int(size) <= self.max_page_size):
            message = _("A page holds 1 to %(highest)d rows.") % {"highest": self.max_page_size}
            raise ValidationError({self.page_size_query_param: [message]}, PAGE_SIZE_OUT_OF_RANGE)
        return super().paginate_queryset(queryset, request, view) or []

    def get_schema_operation_parameters(self, view: APIView) -> list[dict[str, Any]]:
        """Return the parameters of a list with the range of each."""
        page, size = super().get_schema_operation_parameters(view)
        page["description"] = _("The number of the page, from 1.")
        page["schema"] |= {"minimum": 1, "default": 1}
        size["description"] = _("How many rows a page holds.")
        size["schema"] |= {"minimum": 1, "maximum": self.max_page_size, "default": self.page_size}
        return [page, size]

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        """Return the schema of a page whose rows have the schema given."""
        address = {"type": ["string", "null"], "format": "uri", "example": None}
        properties = {
            "count": {"type": "integer", "example": 1, "description": _("How many rows there are on all pages.")},
            "next": {**address, "description": _("The address of the next page.")},
            "previous": {**address, "description": _("The address of the page before.")},
            "results": schema,
        }
        return {"type": "object", "required": list(properties), "properties": properties}
