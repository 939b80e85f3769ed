"""What the list of operators can be narrowed by."""

from django_filters import rest_framework as filters

from operators.models import Operator


class OperatorFilter(filters.FilterSet):
    """Filters of operators."""

    class Meta:
        model = Operator
        fields = ["is_active", "external_id"]
