"""What operators and weights can be narrowed by."""

from django.utils.translation import gettext_lazy as _
from django_filters import rest_framework as filters

from crm_project.api.filters import IdFilter, OrderFilter, TextFilter, YesNoFilter
from operators.models import Operator, Weight


class OperatorFilter(filters.FilterSet):
    """Filters of operators."""

    external_id = TextFilter("external_id", help_text=_("Their id in another system, returned by the API beside ours."))
    is_active = YesNoFilter("is_active", help_text=_("Whether they take new contacts."))
    is_paused = YesNoFilter("is_paused", help_text=_("Whether they take a break and get no new contacts."))

    class Meta:
        model = Operator
        fields: list[str] = []


class OperatorListFilter(OperatorFilter):
    """What the list of operators can be narrowed by, and its order."""

    ordering = OrderFilter("id", "name", "load")


class WeightFilter(filters.FilterSet):
    """Filters of weights."""

    source = IdFilter("source_id", help_text=_("The id of a source."))
    source_code = TextFilter("source__code", help_text=_("The code of a source."))
    operator = IdFilter("operator_id", help_text=_("The id of an operator."))

    class Meta:
        model = Weight
        fields: list[str] = []
