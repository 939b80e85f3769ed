"""The API's calls about sources, leads and contacts."""

from collections.abc import Callable, Collection
from dataclasses import replace
from functools import partial
from typing import Any

from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils.translation import get_language
from rest_framework import status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from crm_project.access.callers import (
    CLOSING,
    CREATING,
    MANAGING,
    MANAGING_ALL,
    READING,
    READING_ALL,
    READING_CONTACTS,
    REGISTERING,
)
from crm_project.access.errors import NeedsAllSources
from crm_project.access.idempotency import call_of, keeping_of
from crm_project.access.serializers import REASON
from crm_project.access.views import ReadViewSet, SettingsViewSet, missing_when
from crm_project.api.etags import ETAG, etag_of, if_match
from crm_project.api.serializers import NoBody
from crm_project.webhooks.messages import told
from distribution import handling, roster
from distribution.changes import Cursor, changes_after
from distribution.erasing import erase_lead
from distribution.errors import LeadNotFound, SourceNotFound
from distribution.explanation import explained
from distribution.fairness_report import fairness_report
from distribution.gathering import gathering
from distribution.intake import Intake, Registration
from distribution.merging import survivor_of
from distribution.period import Period
from distribution.selectors import first_external_id, newest_decisions, queue_position
from distribution.shares import Share, preview, shares
from distribution.waiting import wait_of
from leads import bulk
from leads.calls import CONTACT_CALLS, LEAD_CALLS, SOURCE_CALLS
from leads.filters import ContactListFilter, LeadFilter, SourceFilter
from leads.models import Contact, Lead, Source
from leads.personal import LeadDataSerializer, data_of
from leads.reports import ChangesSerializer, DecisionsSerializer, FairnessSerializer, PreviewSerializer
from leads.serializers import (
    BulkIntakeSerializer,
    ContactSerializer,
    LeadSerializer,
    ReassignSerializer,
    SharesSerializer,
    SourceSerializer,
    WeightsSerializer,
)
from leads.showing import intake_serializer, shown, shown_as_registered

EVENTS_IN_AN_ANSWER = 100
WEIGHT, DECISION = "operators.weight", "distribution.decision"


class SourceViewSet(SettingsViewSet):
    """Sources: list, create, read, change, and the weights of their operators."""

    rights = {
        "list": READING,
        "retrieve": READING,
        "create": CREATING,
        "partial_update": MANAGING,
        "operators": replace(READING, of=WEIGHT),
        "set_operators": replace(MANAGING, of=WEIGHT),
        "replace_operators": replace(MANAGING, of=WEIGHT),
        "preview": replace(READING, of=WEIGHT),
        "fairness": replace(READING, of=DECISION),
    }
    calls = SOURCE_CALLS
    queryset = Source.objects.all()
    serializer_class = SourceSerializer
    filterset_class = SourceFilter

    def within(self, source_ids: Collection[int]) -> Q:
        """Return the filter of the sources themselves."""
        return Q(pk__in=source_ids)

    def validated(self, request: Request, **kwargs: Any) -> dict[str, Any]:
        """Return the fields of the body. Raises ValidationError, and NeedsAllSources for a code.

        Codes are unique among all sources: whoever may choose one learns which are taken.
        """
        if isinstance(request.data, dict) and "code" in request.data and not self.caller.sees_everything:
            raise NeedsAllSources
        return super().validated(request, **kwargs)

    def create_row(self, **fields: Any) -> Source:
        """Store a new source."""
        return roster.create_source(**fields)

    def change_row(self, row_id: int, **changes: Any) -> Source:
        """Change the source; one that becomes active gives its waiting contacts away."""
        with missing_when(SourceNotFound):
            return roster.change_source(row_id, **changes)

    @action(detail=True, serializer_class=WeightsSerializer, pagination_class=None, filterset_class=None)
    def operators(self, request: Request, pk: str) -> Response:
        """Return every weight of the source with its share now."""
        with missing_when(SourceNotFound):
            return self._show_shares(shares(self.get_object().pk))

    @operators.mapping.post
    def set_operators(self, request: Request, pk: str) -> Response:
        """Set the weights listed and keep the others."""
        return self._set_weights(request, replace=False)

    @operators.mapping.put
    def replace_operators(self, request: Request, pk: str) -> Response:
        """Make the weights listed the whole."""
        return self._set_weights(request, replace=True)

    @action(detail=True, serializer_class=PreviewSerializer, pagination_class=None, filterset_class=None)
    def preview(self, request: Request, pk: str) -> Response:
        """Return what the next contact of the source will meet."""
        with missing_when(SourceNotFound):
            return Response(self.get_serializer(preview(self.get_object().pk)).data)

    @action(detail=True, serializer_class=FairnessSerializer, pagination_class=None, filterset_class=None)
    def fairness(self, request: Request, pk: str) -> Response:
        """Return what the draws of a period were, and whether that was chance."""
        source = self.get_object()
        period = Period.of(self.parameters["from"], self.parameters["to"])
        return Response(self.get_serializer(fairness_report(source, period)).data)

    def _set_weights(self, request: Request, *, replace: bool) -> Response:
        source = self.get_object()
        body = self.validated(request)
        weights = body["operator_weights"]
        among = self.caller.source_ids
        admitted = if_match(request)
        with missing_when(SourceNotFound):
            return self.answer(
                lambda: roster.set_weights(
                    source.pk, weights, replace=replace, among=among, expected=lambda seen: admitted(etag_of(seen))
                ),
                self._show_shares,
                reason=body.get(REASON, ""),
            )

    def _show_shares(self, rows: list[Share]) -> Response:
        weights = {row.operator.pk: row.weight for row in rows}
        return Response(SharesSerializer({"operator_weights": rows}).data, headers={ETAG: etag_of(weights)})


class LeadViewSet(ReadViewSet):
    """Leads: list, read, tell everything that is stored of one, and forget it."""

    rights = {**ReadViewSet.rights, "data": READING_ALL, "erase": MANAGING_ALL}
    calls = LEAD_CALLS
    queryset = Lead.objects.all()
    serializer_class = LeadSerializer
    filterset_class = LeadFilter

    def within(self, source_ids: Collection[int]) -> Q:
        """Return the filter of the leads who wrote to the sources."""
        return Q(Exists(Contact.objects.filter(lead=OuterRef("pk"), source__in=source_ids)))

    def get_queryset(self) -> QuerySet[Lead]:
        """Return the leads that the caller may see, each as it was first known to the caller."""
        source_ids = self.caller.source_ids
        leads = super().get_queryset()
        return leads if source_ids is None else leads.annotate(known_as=first_external_id(source_ids))

    def get_object(self) -> Lead:
        """Return the lead, or the one that it was merged into."""
        self.kwargs["pk"] = survivor_of(int(self.kwargs["pk"]))
        lead: Lead = super().get_object()
        return lead

    @action(detail=True, serializer_class=LeadDataSerializer, pagination_class=None, filterset_class=None)
    def data(self, request: Request, pk: str) -> Response:
        """Return everything that is stored of the lead."""
        with missing_when(LeadNotFound):
            return Response(data_of(self.get_object().pk))

    @action(detail=True, methods=["post"], serializer_class=NoBody)
    def erase(self, request: Request, pk: str) -> Response:
        """Remove what tells who the lead was."""
        self.validated(request)
        lead_id = self.get_object().pk
        with missing_when(LeadNotFound):
            return self.answer(lambda: erase_lead(lead_id), self._show)

    def _show(self, lead: Lead) -> Response:
        return Response(LeadSerializer(lead).data)


class ContactViewSet(ReadViewSet):
    """Contacts: list, register, read, explain, close, reopen, reassign."""

    rights = {
        "list": READING_CONTACTS,
        "retrieve": READING_CONTACTS,
        "create": REGISTERING,
        "bulk": REGISTERING,
        "decisions": replace(READING, of=DECISION),
        "changes": READING_CONTACTS,
        "close": CLOSING,
        "reopen": MANAGING,
        "reassign": MANAGING,
    }
    calls = CONTACT_CALLS
    queryset = Contact.objects.select_related("source", "operator")
    serializer_class = ContactSerializer
    filterset_class = ContactListFilter

    def within(self, source_ids: Collection[int]) -> Q:
        """Return the filter of the contacts that came from the sources."""
        return Q(source__in=source_ids)

    def create(self, request: Request) -> Response:
        """Register a contact: it is given to an operator by draw, or waits."""
        intake = Intake(**intake_serializer(get_language()).run_validation(request.data))
        keeping = keeping_of(request, self.caller, self._show_registered)
        return self._show_registered(gathering.register(intake, among=self.caller.source_ids, keeping=keeping))

    @action(detail=False, methods=["post"], serializer_class=BulkIntakeSerializer)
    def bulk(self, request: Request) -> Response:
        """Register many contacts: what becomes of each, in their order."""
        serializer = intake_serializer(get_language())
        rows = [bulk.read(row, serializer) for row in self.validated(request)["contacts"]]
        return bulk.register(rows, among=self.caller.source_ids, call=call_of(request, self.caller))

    def retrieve(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Return the contact and its place in the queue."""
        contact = self.get_object()
        return Response({**shown(contact), "queue_position": queue_position(contact)})

    @action(detail=True, serializer_class=DecisionsSerializer, pagination_class=None, filterset_class=None)
    def decisions(self, request: Request, pk: str) -> Response:
        """Return how the contact came to its operator, or why it waits."""
        contact = self.get_object()
        wait = wait_of(contact)
        story = {
            "contact_id": contact.pk,
            "status": contact.status,
            "queue_position": wait.position,
            "waiting_because": wait.because,
            "decisions": explained(newest_decisions(contact.pk), among=self.caller.source_ids),
        }
        return Response(DecisionsSerializer(story).data)

    @action(detail=False, serializer_class=ChangesSerializer, pagination_class=None, filterset_class=None)
    def changes(self, request: Request) -> Response:
        """Return what became of contacts since the cursor."""
        cursor = Cursor.read(self.parameters["cursor"])
        found = changes_after(cursor, self.parameters["limit"] or EVENTS_IN_AN_ANSWER, self.caller.source_ids)
        changes = [told(event) for event in found.events]
        return Response({"changes": changes, "cursor": found.cursor.written(), "more": found.more})

    @action(detail=True, methods=["post"], serializer_class=NoBody)
    def close(self, request: Request, pk: str) -> Response:
        """Close the contact; a closed one stays as it is."""
        self.validated(request)
        return self._handle(handling.close_contact)

    @action(detail=True, methods=["post"], serializer_class=NoBody)
    def reopen(self, request: Request, pk: str) -> Response:
        """Reopen the contact: back to its operator, else into the queue with its first age."""
        self.validated(request)
        return self._handle(handling.reopen_contact)

    @action(detail=True, methods=["post"], serializer_class=ReassignSerializer)
    def reassign(self, request: Request, pk: str) -> Response:
        """Move the contact to the operator named, or without one to another by draw."""
        body = self.validated(request)
        reason = body.get(REASON, "")
        if "operator_id" not in body:
            return self._handle(handling.reassign_by_draw, reason)
        to_operator = partial(
            handling.reassign_to_operator, operator_id=body["operator_id"], among=self.caller.source_ids
        )
        return self._handle(to_operator, reason)

    def _handle(self, service: Callable[[int], Contact], reason: str = "") -> Response:
        contact_id = int(self.kwargs["pk"])
        if not self.caller.sees_everything:
            self.get_object()
        return self.answer(lambda: service(contact_id), self._show, reason=reason)

    def _show(self, contact: Contact) -> Response:
        return Response(shown(contact))

    def _show_registered(self, registration: Registration) -> Response:
        body = shown_as_registered(registration)
        return Response(body, status=status.HTTP_201_CREATED if registration.created else status.HTTP_200_OK)
