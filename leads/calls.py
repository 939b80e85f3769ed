"""What the OpenAPI document says of the calls about sources, leads and contacts."""

from django.utils.translation import gettext_lazy as _
from rest_framework import status

from crm_project.access.errors import NeedsAllSources
from crm_project.access.schema import Body, Call
from distribution.errors import (
    ContactClosed,
    ContactNotFound,
    CursorExpired,
    CursorUnknown,
    EmailUnreadable,
    EmptyPeriod,
    NobodyAvailable,
    OperatorNotFound,
    OperatorUnavailable,
    PhoneUnreadable,
    SourceInactive,
    SourceNotFound,
    WeightsChanged,
)
from leads.examples import (
    BULK,
    CHANGES,
    CLOSED,
    CONTACT,
    DECISIONS,
    ERASED_LEAD,
    FAIRNESS,
    INTAKE,
    LEAD,
    LEAD_DATA,
    NEW_SOURCE,
    PREVIEW,
    REASSIGNED,
    REOPENED,
    SHARES,
    SOURCE,
    WEIGHTS,
)
from leads.filters import ChangesForm, PeriodForm
from leads.personal import LeadDataSerializer
from leads.reports import ChangesSerializer, DecisionsSerializer, FairnessSerializer, PreviewSerializer
from leads.serializers import (
    DUPLICATE_OPERATOR,
    BulkIntakeSerializer,
    BulkResultsSerializer,
    ContactInQueueSerializer,
    ContactSerializer,
    IntakeSerializer,
    LeadSerializer,
    ReassignSerializer,
    RegisteredContactSerializer,
    SharesSerializer,
    SourceSerializer,
    WeightsSerializer,
)

SOURCE_CALLS = {
    "list": Call(
        summary=_("List sources"),
        answers={status.HTTP_200_OK: Body(SourceSerializer, SOURCE, _("One page of sources."))},
    ),
    "create": Call(
        summary=_("Create a source"),
        description=_("Its contacts wait until an operator has a weight on it."),
        body=Body(SourceSerializer, NEW_SOURCE),
        answers={status.HTTP_201_CREATED: Body(SourceSerializer, SOURCE, _("The new source."))},
    ),
    "retrieve": Call(
        summary=_("Read a source"),
        answers={status.HTTP_200_OK: Body(SourceSerializer, SOURCE, _("The source."))},
    ),
    "partial_update": Call(
        summary=_("Change a source"),
        description=_(
            "What is left out stays. Switched off, it refuses new contacts and its queue rests; switched on, its "
            "waiting contacts are given away at once."
        ),
        body=Body(SourceSerializer, {"reuse_open_contact": True}),
        answers={status.HTTP_200_OK: Body(SourceSerializer, {**SOURCE, "reuse_open_contact": True}, _("The source."))},
        refusals=[NeedsAllSources],
    ),
    "operators": Call(
        summary=_("Read the weights of a source"),
        description=_(
            "All of them, each with the probability that the next draw takes this operator. The `ETag` is of the "
            "weights alone: shares move with the loads, and it stays."
        ),
        answers={status.HTTP_200_OK: Body(SharesSerializer, SHARES, _("The weights of the source."))},
        tagged=True,
    ),
    "set_operators": Call(
        summary=_("Set weights of a source"),
        description=_("The operators listed get these weights, the others keep theirs."),
        body=Body(WeightsSerializer, WEIGHTS),
        answers={status.HTTP_200_OK: Body(SharesSerializer, SHARES, _("The weights of the source."))},
        refusals=[OperatorNotFound, WeightsChanged],
        codes={"operator_weights": {DUPLICATE_OPERATOR}},
        tagged=True,
    ),
    "replace_operators": Call(
        summary=_("Replace the weights of a source"),
        description=_("The list becomes the whole: whoever is not listed gets nothing more from this source."),
        body=Body(WeightsSerializer, WEIGHTS),
        answers={status.HTTP_200_OK: Body(SharesSerializer, SHARES, _("The weights of the source."))},
        refusals=[OperatorNotFound, WeightsChanged],
        codes={"operator_weights": {DUPLICATE_OPERATOR}},
        tagged=True,
    ),
    "preview": Call(
        summary=_("Preview the next contact"),
        description=_(
            "How the operators of the source stand, and the probability that the next draw takes each of them, by the "
            "strategy of the source. Nothing is drawn. A lead who goes back to the same operator is not drawn for."
        ),
        answers={status.HTTP_200_OK: Body(PreviewSerializer, PREVIEW, _("What the next contact will meet."))},
    ),
    "fairness": Call(
        summary=_("Report whether draws were fair"),
        description=_(
            "What chance gave to each operator in a period beside what it should have given, with one verdict: "
            "ordinary chance, or a real skew, at an error of 1 % for all operators together. Every round is counted, "
            "refused ones too; what came by hand or went back to the same operator is counted apart."
        ),
        parameters=PeriodForm,
        answers={status.HTTP_200_OK: Body(FairnessSerializer, FAIRNESS, _("The report."))},
        refusals=[EmptyPeriod],
    ),
}

LEAD_CALLS = {
    "list": Call(
        summary=_("List leads"),
        answers={status.HTTP_200_OK: Body(LeadSerializer, LEAD, _("One page of leads, the newest first."))},
    ),
    "retrieve": Call(
        summary=_("Read a lead"),
        description=_("A lead that was merged into another is answered as that one."),
        answers={status.HTTP_200_OK: Body(LeadSerializer, LEAD, _("The lead."))},
    ),
    "data": Call(
        summary=_("Read everything that is stored of a lead"),
        description=_("For whoever asks what is known of them: identities, contacts, and what became of each."),
        answers={status.HTTP_200_OK: Body(LeadDataSerializer, LEAD_DATA, _("The lead with all that is stored."))},
    ),
    "erase": Call(
        summary=_("Erase what tells who a lead was"),
        description=_(
            "Identities go, and the external id, name, phone, e-mail, text and data of every contact. The contacts "
            "themselves stay with their operators and decisions: counts and loads are as before. Whoever writes by an "
            "identity that the lead had is a new lead. It cannot be undone, and may be repeated."
        ),
        answers={status.HTTP_200_OK: Body(LeadSerializer, ERASED_LEAD, _("The lead, erased."))},
    ),
}

CONTACT_CALLS = {
    "list": Call(
        summary=_("List contacts"),
        answers={status.HTTP_200_OK: Body(ContactSerializer, CONTACT, _("One page of contacts, the newest first."))},
    ),
    "create": Call(
        summary=_("Register a contact"),
        description=_(
            "The lead is found or created by `external_id`: as it is or, where the source says so in `identified_by`, "
            "as the phone or the e-mail that it is, however it is written. An operator is drawn; when nobody is "
            "available the contact waits: `status` is `waiting` and `operator_id` null.\n\n"
            "With an `event_id` that the source sent before, and for a lead whose contact on a source with "
            "`reuse_open_contact` is still open, the existing contact is given back."
        ),
        body=Body(IntakeSerializer, INTAKE),
        answers={
            status.HTTP_201_CREATED: Body(
                RegisteredContactSerializer, {**CONTACT, "created": True}, _("A new contact was stored.")
            ),
            status.HTTP_200_OK: Body(
                RegisteredContactSerializer, {**CONTACT, "created": False}, _("An existing contact was given back.")
            ),
        },
        refusals=[SourceNotFound, SourceInactive, PhoneUnreadable, EmailUnreadable],
    ),
    "bulk": Call(
        summary=_("Register many contacts"),
        description=_(
            "Up to 1,000, in one megabyte, one after the other in the order sent, each by the same rules as one alone. "
            "What is wrong with one refuses no other: `results` tells of each what it would be answered with alone.\n\n"
            "A hundred are stored at a time. With an Idempotency-Key a call that broke off in between goes on behind "
            "the last hundred when it is repeated; an `event_id` makes each recognisable for good."
        ),
        body=Body(BulkIntakeSerializer, {"contacts": [INTAKE, {**INTAKE, "source_code": "bot_telegramm"}]}),
        answers={status.HTTP_200_OK: Body(BulkResultsSerializer, BULK, _("What became of each."))},
    ),
    "retrieve": Call(
        summary=_("Read a contact"),
        answers={
            status.HTTP_200_OK: Body(
                ContactInQueueSerializer, {**CONTACT, "queue_position": None}, _("The contact and its place.")
            )
        },
    ),
    "decisions": Call(
        summary=_("Read why a contact is where it is"),
        description=_(
            "Every attempt to give it to an operator, those that failed included: the newest 100. `sentence` tells "
            "each in words, `rounds` in numbers: who stood how, with which probability, and which ticket was drawn. "
            "The ticket falls to the operator whose tickets, counted in the order of the ids, hold it."
        ),
        answers={status.HTTP_200_OK: Body(DecisionsSerializer, DECISIONS, _("The decisions, the newest last."))},
    ),
    "changes": Call(
        summary=_("Follow what becomes of contacts"),
        description=_(
            "Every event after the cursor, the oldest first, for those who cannot take webhooks. Call it again and "
            "again with the cursor of the last answer: nothing is skipped, and nothing comes twice."
        ),
        parameters=ChangesForm,
        answers={status.HTTP_200_OK: Body(ChangesSerializer, CHANGES, _("The next events."))},
        refusals=[CursorUnknown, CursorExpired],
    ),
    "close": Call(
        summary=_("Close a contact"),
        description=_("The place becomes free for whoever waits. A closed contact is answered as it is."),
        answers={status.HTTP_200_OK: Body(ContactSerializer, CLOSED, _("The contact."))},
        refusals=[ContactNotFound],
    ),
    "reopen": Call(
        summary=_("Reopen a contact"),
        description=_(
            "It goes back to its operator when they are active and below the limit, else into the queue with its first "
            "age. An open contact is answered as it is."
        ),
        answers={status.HTTP_200_OK: Body(ContactSerializer, REOPENED, _("The contact."))},
        refusals=[ContactNotFound],
    ),
    "reassign": Call(
        summary=_("Give a contact to another operator"),
        description=_(
            "To the one named, who must be active and below the limit, whatever their weight and whoever waits; or "
            "without a name to another by draw. With the operator who has it already, nothing changes."
        ),
        body=Body(ReassignSerializer, {"operator_id": 1}),
        answers={status.HTTP_200_OK: Body(ContactSerializer, REASSIGNED, _("The contact."))},
        refusals=[ContactNotFound, ContactClosed, OperatorNotFound, OperatorUnavailable, NobodyAvailable],
    ),
}
