"""The board: a column for each operator, with what they have in work."""

from typing import Any
from urllib.parse import urlencode

from django import forms
from django.core.paginator import Paginator
from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminTextInputWidget

from crm_project.admin.columns import age, list_link, load_and_limit
from distribution.availability import obstacle
from distribution.board import Column, columns, operators_at_work
from distribution.phrases import WHY_NOT
from leads.admin.remedies import page_of
from leads.models import ContactStatus

COLUMNS_ON_A_PAGE = 12


class SearchForm(forms.Form):
    """Whose columns are shown."""

    operator = forms.CharField(
        required=False, max_length=200, label=_("Operator"), widget=UnfoldAdminTextInputWidget(attrs={"type": "search"})
    )


def board_context(request: HttpRequest) -> dict[str, Any]:
    """Return what the board shows; with a search that is no text, everybody."""
    form = SearchForm(request.GET)
    named = form.cleaned_data["operator"] if form.is_valid() else ""
    page = Paginator(operators_at_work(named), COLUMNS_ON_A_PAGE).get_page(request.GET.get("page"))
    parameters = {"operator": named} if named else {}
    here = urlencode({**parameters, "page": page.number})
    address = f"{reverse('board')}?{here}"
    return {
        "form": form,
        "named": named,
        "page": page,
        "columns": [_shown(request, column, address) for column in columns(list(page))],
        "rows_address": f"{reverse('board_columns')}?{here}",
        "without_page": urlencode(parameters),
    }


def _shown(request: HttpRequest, column: Column, address: str) -> dict[str, Any]:
    operator = column.operator
    # Whatever their weight: by name, anybody with room can be given a contact.
    why_not = obstacle(operator, weight=1)
    filters = {"operator__id__exact": operator.pk, "status__exact": ContactStatus.ACTIVE}
    return {
        "operator": operator,
        "page": page_of(request, operator),
        "back": f"{address}#board-operator-{operator.pk}",
        "load": load_and_limit(operator),
        "why_not": WHY_NOT[why_not] if why_not else "",
        "contacts": [(contact, age(contact.assigned_at)) for contact in column.contacts],
        "more": list_link("leads_contact", _("and %(count)d more") % {"count": column.more}, **filters)
        if column.more
        else "",
    }
