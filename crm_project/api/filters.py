"""Filters that are not known are refused: a misspelt one must not answer with everything."""

from collections.abc import Collection
from datetime import UTC, datetime
from typing import Any

from django import forms
from django.db.models import QuerySet
from django.http import HttpRequest, QueryDict
from django.utils.functional import Promise
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _
from django_filters.fields import IsoDateTimeField
from django_filters.rest_framework import (
    CharFilter,
    ChoiceFilter,
    DjangoFilterBackend,
    Filter,
    IsoDateTimeFilter,
    TypedChoiceFilter,
)
from django_filters.utils import translate_validation
from drf_spectacular.drainage import set_override
from rest_framework.exceptions import ErrorDetail, ValidationError
from rest_framework.request import Request
from rest_framework.views import APIView

from crm_project.api.pagination import Pages

PAGE_PARAMETERS = {Pages.page_query_param, Pages.page_size_query_param, Pages.cursor_query_param}
UNKNOWN_FILTER = "unknown_filter"
EMPTY_FILTER = "empty_filter"
HIGHEST_ID = 2**63 - 1
ID = {"type": "integer", "minimum": 1, "maximum": HIGHEST_ID}

# As a pattern of JSON Schema: a character that strip() leaves. `\S` is not the same in every language.
NOT_BLANK = r"[^\t-\r\x1c-\x20\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]"


class IdFilter(Filter):
    """Rows that refer to a row by its id."""

    field_class = forms.IntegerField

    def __init__(self, field_name: str, help_text: str | Promise, method: str | None = None) -> None:
        super().__init__(field_name, method=method, min_value=1, max_value=HIGHEST_ID)
        set_override(self, "field", {**ID, "description": help_text})


class TextFilter(CharFilter):
    """Rows that have a text."""

    def __init__(self, field_name: str, help_text: str | Promise, method: str | None = None) -> None:
        super().__init__(field_name, method=method)
        set_override(self, "field", {"type": "string", "pattern": NOT_BLANK, "description": help_text})


class MomentField(IsoDateTimeField):
    """A moment, in whatever zone it is told."""

    def clean(self, value: Any) -> datetime | None:
        """Return the moment in UTC. Raises ValidationError."""
        moment: datetime | None = super().clean(value)
        return moment and in_utc(moment)


class MomentFilter(IsoDateTimeFilter):
    """Rows before or after a moment."""

    field_class = MomentField


class YesNoFilter(TypedChoiceFilter):
    """Rows where a switch is on or off; any other word is refused."""

    def __init__(self, field_name: str, help_text: str | Promise) -> None:
        words = [(word, word) for word in ("true", "false", "1", "0")]
        super().__init__(field_name, choices=words, coerce=lambda word: word in {"true", "1"})
        set_override(self, "field", {"type": "boolean", "description": help_text})


class OrderFilter(ChoiceFilter):
    """The order of the list: by a field, with a minus the greatest first, and by id where it has the same value."""

    def __init__(self, *fields: str) -> None:
        known = [sign + name for name in fields for sign in ("", "-")]
        refusal = format_lazy(_("There is no such order. Known are: {known}."), known=", ".join(known))
        super().__init__(choices=[(name, name) for name in known], error_messages={"invalid_choice": refusal})
        meaning = _("The order of the rows: by this field, with a minus the greatest first; then by id.")
        set_override(self, "field", {"type": "string", "enum": known, "description": meaning})

    def filter(self, queryset: QuerySet[Any], value: str) -> QuerySet[Any]:
        """Return the rows in the order, None for that of the list."""
        if not value:
            return queryset
        sign = "-" if value.startswith("-") else ""
        return queryset.order_by(*dict.fromkeys([value, f"{sign}id"]))


class StrictFilterBackend(DjangoFilterBackend):
    """django-filter, which also answers 400 to a parameter that is no filter."""

    def filter_queryset(self, request: HttpRequest | Request, queryset: QuerySet[Any], view: APIView) -> QuerySet[Any]:
        """Return the rows that match. Raises ValidationError for unknown filters and unreadable values."""
        filterset = self.get_filterset_class(view, queryset)
        known = set(filterset.base_filters if filterset else ())
        if getattr(view, "pagination_class", None) is not None:
            known |= PAGE_PARAMETERS
        refuse_misspelt(request.GET, known)
        return super().filter_queryset(request, queryset, view)


def in_utc(moment: datetime) -> datetime:
    """Return the moment in UTC: PostgreSQL knows no zone 16 hours or more away, and an ISO time may name one."""
    try:
        return moment.astimezone(UTC)
    except OverflowError:  # in the first or the last year, where a few hours matter to no row
        return moment.replace(tzinfo=UTC)


def checked(query: QueryDict, form: type[forms.Form]) -> dict[str, Any]:
    """Return the values of the parameters that the form describes; None for one left out. Raises ValidationError."""
    if not query and not form.base_fields:
        return {}
    refuse_misspelt(query, set(form.base_fields))
    filled = form(query)
    if not filled.is_valid():
        errors: Any = filled.errors
        failure: Any = translate_validation(errors)
        raise failure
    return filled.cleaned_data


def refuse_misspelt(query: QueryDict, known: Collection[str]) -> None:
    """Raise ValidationError for parameters that are none of those known, and for those without a value."""
    refuse_unknown(sorted(query.keys() - set(known)), known)
    _refuse(
        [name for name in query if not str(query[name]).strip()],
        EMPTY_FILTER,
        _("Give the filter a value, or leave it out."),
    )


def refuse_unknown(names: list[str], known: Collection[str]) -> None:
    """Raise ValidationError when there are `names` that are none of those known."""
    message = (
        _("There is no such filter. Known are: %(known)s.") % {"known": ", ".join(sorted(known))}
        if known
        else _("This call takes no parameters in its address.")
    )
    _refuse(names, UNKNOWN_FILTER, message)


def _refuse(names: list[str], code: str, message: str | Promise) -> None:
    if names:
        raise ValidationError({name: [ErrorDetail(str(message), code)] for name in names})
