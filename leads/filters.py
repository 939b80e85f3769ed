"""What sources, leads, contacts and decisions can be narrowed by."""

from collections.abc import Collection
from typing import Any

from django import forms
from django.db.models import Q, QuerySet
from django.utils.translation import gettext_lazy as _
from django_filters import rest_framework as filters

from crm_project.access.permissions import caller_of
from crm_project.api.filters import IdFilter, MomentField, MomentFilter, OrderFilter, TextFilter, YesNoFilter
from distribution.identities import leads_named, sent_as
from distribution.merging import survivor_of
from distribution.models import Decision
from leads.models import Contact, ContactStatus, Lead, Source


class NarrowedFilter(filters.FilterSet):
    """Filters that tell whoever is limited to some sources nothing of others."""

    @property
    def among(self) -> Collection[int] | None:
        """The sources that exist for the caller, None for all."""
        request: Any = self.request
        caller = request and caller_of(request)
        return caller.source_ids if caller else None


class SourceFilter(filters.FilterSet):
    """Filters of sources."""

    code = TextFilter("code", help_text=_("The word by which a bot names this source."))
    is_active = YesNoFilter("is_active", help_text=_("Whether it takes new contacts."))
    ordering = OrderFilter("id", "name", "code")

    class Meta:
        model = Source
        fields: list[str] = []


class LeadFilter(NarrowedFilter):
    """Filters of leads."""

    external_id = TextFilter(
        "external_id", help_text=_("A phone, an e-mail, or the id in the bot."), method="filter_known_by"
    )
    ordering = OrderFilter("id", "created_at")

    class Meta:
        model = Lead
        fields: list[str] = []

    def filter_known_by(self, leads: QuerySet[Lead], _name: str, external_id: str) -> QuerySet[Lead]:
        """Return the leads who are known by it."""
        return leads.filter(pk__in=leads_named(external_id, self.among))


class PeriodForm(forms.Form):
    """The parameters of a call about a period."""


# Not in the class, where a name cannot be a word of Python's own.
PeriodForm.base_fields = {
    "from": MomentField(required=False, help_text=_("From this moment on; 30 days before the end when left out.")),
    "to": MomentField(required=False, help_text=_("Before this moment; now when left out.")),
}


class ChangesForm(forms.Form):
    """The parameters of the call that asks for changes."""

    cursor = forms.CharField(
        required=False,
        max_length=100,
        strip=False,
        help_text=_("That of your last answer; `latest` to begin now; left out, the oldest event comes first."),
    )
    limit = forms.IntegerField(
        required=False, min_value=1, max_value=500, help_text=_("At most so many events, 1 to 500; otherwise 100.")
    )


class SourceCodeFilter(TextFilter):
    """Contacts of the source with a code.

    The source is looked up first: PostgreSQL plans by how many contacts it has, which it can tell of an id only.
    """

    def filter(self, queryset: QuerySet[Any], value: str) -> QuerySet[Any]:
        """Return the contacts of the source, all of them without a code."""
        if not value:
            return queryset
        source = Source.objects.filter(code=value).first()
        return queryset.none() if source is None else queryset.filter(source=source)


class ContactFilter(NarrowedFilter):
    """Filters of contacts."""

    status = filters.ChoiceFilter(choices=ContactStatus.choices)
    source = IdFilter("source_id", help_text=_("The id of a source."))
    source_code = SourceCodeFilter("source__code", help_text=_("The code of a source."))
    operator = IdFilter("operator_id", help_text=_("The id of an operator."))
    lead = IdFilter("lead_id", help_text=_("The id of a lead."), method="filter_lead")
    external_id = TextFilter(
        "external_id",
        help_text=_("The lead's id as this source sent it, or one by which the lead is known."),
        method="filter_sent_by",
    )
    created_after = MomentFilter("created_at", "gte", help_text=_("From this moment on."))
    created_before = MomentFilter("created_at", "lt", help_text=_("Before this moment."))

    class Meta:
        model = Contact
        fields: list[str] = []

    def filter_lead(self, contacts: QuerySet[Contact], _name: str, lead_id: int) -> QuerySet[Contact]:
        """Return the contacts of the lead, or of the one that it was merged into."""
        return contacts.filter(lead=survivor_of(lead_id))

    def filter_sent_by(self, contacts: QuerySet[Contact], _name: str, external_id: str) -> QuerySet[Contact]:
        """Return the contacts that were sent with it, and those of the lead who is known by it."""
        if self.among is not None:
            return contacts.filter(sent_as(external_id, self.among))
        # Read first: within the statement a database would look at every contact for this "or".
        lead_ids = list(leads_named(external_id).values_list("lead", flat=True))
        return contacts.filter(Q(external_id=external_id) | Q(lead__in=lead_ids))


class ContactListFilter(ContactFilter):
    """What the list of contacts can be narrowed by, and its order: in a period that of time, by which it is found."""

    ordering = OrderFilter("id", "created_at")

    def filter_queryset(self, queryset: QuerySet[Contact]) -> QuerySet[Contact]:
        """Return the contacts that match, in their order."""
        contacts = super().filter_queryset(queryset)
        asked = self.form.cleaned_data
        in_period = asked["created_after"] or asked["created_before"]
        return contacts.order_by("-created_at", "-id") if in_period and not asked["ordering"] else contacts


class DecisionFilter(filters.FilterSet):
    """Filters of decisions."""

    contact = IdFilter("contact_id", help_text=_("The id of a contact."))
    source = IdFilter("source_id", help_text=_("The id of a source."))
    source_code = TextFilter("source__code", help_text=_("The code of a source."))
    operator = IdFilter("operator_id", help_text=_("The id of an operator."))
    after = MomentFilter("at", "gte", help_text=_("From this moment on."))
    before = MomentFilter("at", "lt", help_text=_("Before this moment."))

    class Meta:
        model = Decision
        fields: list[str] = []
