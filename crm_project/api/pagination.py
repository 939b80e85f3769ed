"""Lists come in pages."""

from collections.abc import Sequence
from typing import Any

from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _
from rest_framework.exceptions import ValidationError
from rest_framework.pagination import PageNumberPagination
from rest_framework.request import Request
from rest_framework.views import APIView


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
            raise ValidationError({self.page_size_query_param: [message]}, "page_size_out_of_range")
        return super().paginate_queryset(queryset, request, view) or []
