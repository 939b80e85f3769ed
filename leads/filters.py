"""What the lists of sources, leads and contacts can be narrowed by."""

from django_filters import rest_framework as filters

from crm_project.api.filters import IdFilter, YesNoFilter
from leads.models import Contact, ContactStatus, Lead, Source


class SourceFilter(filters.FilterSet):
    """Filters of sources."""

    is_active = YesNoFilter("is_active")

    class Meta:
        model = Source
        fields = ["code"]


class LeadFilter(filters.FilterSet):
    """Filters of leads."""

    class Meta:
        model = Lead
        fields = ["external_id"]


class ContactFilter(filters.FilterSet):
    """Filters of contacts."""

    status = filters.ChoiceFilter(choices=ContactStatus.choices)
    source = IdFilter("source_id")
    source_code = filters.CharFilter("source__code")
    operator = IdFilter("operator_id")
    lead = IdFilter("lead_id")
    external_id = filters.CharFilter("external_id")
    created_after = filters.IsoDateTimeFilter("created_at", "gte")
    created_before = filters.IsoDateTimeFilter("created_at", "lt")

    class Meta:
        model = Contact
        fields: list[str] = []
