"""What the lists of sources, leads and contacts can be narrowed by."""

from typing import Any

from django import forms
from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _
from django_filters import rest_framework as filters

from crm_project.api.filters import IdFilter, MomentField, MomentFilter, OrderFilter, TextFilter, YesNoFilter
from leads.models import Contact, ContactStatus, Lead, Source


class SourceFilter(filters.FilterSet):
    """Filters of sources."""

    code = TextFilter("code", help_text=_("The word by which a bot names this source."))
    is_active = YesNoFilter("is_active", help_text=_("Whether it takes new contacts."))
    ordering = OrderFilter("id", "name", "code")

    class Meta:
        model = Source
        fields: list[str] = []


class LeadFilter(filters.FilterSet):
    """Filters of leads."""

    external_id = TextFilter("external_id", help_text=_("A phone, an e-mail, or the id in the bot."))
    ordering = OrderFilter("id", "created_at")

    class Meta:
        model = Lead
        fields: list[str] = []


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


class ContactFilter(filters.FilterSet):
    """Filters of contacts."""

    status = filters.ChoiceFilter(choices=ContactStatus.choices)
    source = IdFilter("source_id", help_text=_("The id of a source."))
    source_code = SourceCodeFilter("source__code", help_text=_("The code of a source."))
    operator = IdFilter("operator_id", help_text=_("The id of an operator."))
    lead = IdFilter("lead_id", help_text=_("The id of a lead."))
    external_id = TextFilter("external_id", help_text=_("The lead's id as this source sent it."))
    created_after = MomentFilter("created_at", "gte", help_text=_("From this moment on."))
    created_before = MomentFilter("created_at", "lt", help_text=_("Before this moment."))
    ordering = OrderFilter("id", "created_at")

    class Meta:
        model = Contact
        fields: list[str] = []
