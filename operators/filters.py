"""What the list of operators can be narrowed by."""

from django.utils.translation import gettext_lazy as _
from django_filters import rest_framework as filters

from crm_project.api.filters import OrderFilter, TextFilter, YesNoFilter
from operators.models import Operator


class OperatorFilter(filters.FilterSet):
    """Filters of operators."""

    external_id = TextFilter("external_id", help_text=_("Their id in another system, returned by the API beside ours."))
    is_active = YesNoFilter("is_active", help_text=_("Whether they take new contacts."))
    is_paused = YesNoFilter("is_paused", help_text=_("Whether they take a break and get no new contacts."))
    ordering = OrderFilter("id", "name", "load")

    class Meta:
        model = Operator
        fields: list[str] = []
