"""Filters that are not known are refused: a misspelt one must not answer with everything."""

from typing import Any

from django import forms
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from django_filters.rest_framework import DjangoFilterBackend, Filter
from rest_framework.exceptions import ErrorDetail, ValidationError
from rest_framework.request import Request
from rest_framework.views import APIView

from crm_project.api.pagination import Pages

PAGE_PARAMETERS = {Pages.page_query_param, Pages.page_size_query_param}


HIGHEST_ID = 2**63 - 1


class IdFilter(Filter):
    """Rows that refer to a row by its id."""

    field_class = forms.IntegerField

    def __init__(self, field_name: str) -> None:
        super().__init__(field_name, min_value=1, max_value=HIGHEST_ID)


class StrictFilterBackend(DjangoFilterBackend):
    """django-filter, which also answers 400 to a parameter that is no filter."""

    def filter_queryset(self, request: HttpRequest | Request, queryset: QuerySet[Any], view: APIView) -> QuerySet[Any]:
        """Return the rows that match. Raises ValidationError for unknown filters and unreadable values."""
        filterset = self.get_filterset_class(view, queryset)
        known = PAGE_PARAMETERS | set(filterset.base_filters if filterset else ())
        unknown = request.GET.keys() - known
        if unknown:
            message = _("There is no such filter. Known are: %(known)s.") % {"known": ", ".join(sorted(known))}
            raise ValidationError({name: [ErrorDetail(message, "unknown_filter")] for name in sorted(unknown)})
        return super().filter_queryset(request, queryset, view)
