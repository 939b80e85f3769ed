"""What the list of operators can be narrowed by."""

from django_filters import rest_framework as filters

from crm_project.api.filters import YesNoFilter
from operators.models import Operator


class OperatorFilter(filters.FilterSet):
    """Filters of operators."""

    is_active = YesNoFilter("is_active")

    class Meta:
        model = Operator
        fields = ["external_id"]
