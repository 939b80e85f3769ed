"""The API's exports: all operators, weights, contacts or decisions as CSV."""

from collections.abc import Callable, Collection
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import Any

from django.db.models import Q, QuerySet
from django.http import HttpResponseBase, StreamingHttpResponse
from rest_framework.decorators import action
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request

from crm_project.access.callers import READING, READING_CONTACTS
from crm_project.access.views import AdmittingViewSet
from crm_project.api.negotiation import CSVAnswers
from crm_project.exports import download
from distribution.models import Decision
from distribution.selectors import as_told, on_list_of
from leads.export_calls import EXPORT_CALLS, TABLES
from leads.filters import ContactFilter, DecisionFilter
from leads.models import Contact
from operators.filters import OperatorFilter, WeightFilter
from operators.models import Operator, Weight

export: Callable[..., Any] = partial(action, detail=False, pagination_class=None)


class ExportViewSet(AdmittingViewSet):
    """Exports, each asking for what the list of the same rows asks for."""

    rights = {
        "operators": replace(READING, of="operators.operator"),
        "weights": replace(READING, of="operators.weight"),
        "contacts": replace(READING_CONTACTS, of="leads.contact"),
        "decisions": replace(READING, of="distribution.decision"),
    }
    calls = EXPORT_CALLS
    narrowed = EXPORT_CALLS.keys()
    http_method_names = ["get", "head"]
    queryset = Contact.objects.all()
    filterset_class = ContactFilter
    renderer_classes = [CSVAnswers]

    def within(self, source_ids: Collection[int]) -> Q:
        """Return the filter of the operators on the lists of the sources, or of what belongs to the sources."""
        return on_list_of(source_ids) if self.action == "operators" else Q(source__in=source_ids)

    def handle_exception(self, exc: Exception) -> HttpResponseBase:  # type: ignore[override]
        """Return the refusal, which is no table."""
        self.request.accepted_renderer = JSONRenderer()
        self.request.accepted_media_type = JSONRenderer.media_type
        return super().handle_exception(exc)

    @export(queryset=Operator.objects.all(), filterset_class=OperatorFilter)
    def operators(self, request: Request) -> StreamingHttpResponse:
        """Return the operators."""
        return self._download(self.get_queryset())

    @export(queryset=Weight.objects.all(), filterset_class=WeightFilter)
    def weights(self, request: Request) -> StreamingHttpResponse:
        """Return the weights."""
        return self._download(self.get_queryset())

    @export()
    def contacts(self, request: Request) -> StreamingHttpResponse:
        """Return the contacts."""
        return self._download(self.get_queryset())

    @export(queryset=Decision.objects.all(), filterset_class=DecisionFilter)
    def decisions(self, request: Request) -> StreamingHttpResponse:
        """Return the decisions."""
        return self._download(as_told(self.get_queryset(), self.caller.source_ids))

    def _download(self, rows: QuerySet[Any]) -> StreamingHttpResponse:
        name = f"{self.action}-{datetime.now(UTC).date()}"
        return download(self.request, name, self.filter_queryset(rows), TABLES[self.action])
