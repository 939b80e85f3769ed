"""The API's calls about operators."""

from collections.abc import Collection
from typing import Any

from django.db.models import Q

from crm_project.access.views import SettingsViewSet, missing_when
from distribution import roster
from distribution.errors import OperatorNotFound
from distribution.selectors import on_list_of
from operators.calls import OPERATOR_CALLS
from operators.filters import OperatorListFilter
from operators.models import Operator
from operators.serializers import OperatorSerializer


class OperatorViewSet(SettingsViewSet):
    """Operators: list, create, read, change."""

    calls = OPERATOR_CALLS
    queryset = Operator.objects.all()
    serializer_class = OperatorSerializer
    filterset_class = OperatorListFilter

    def within(self, source_ids: Collection[int]) -> Q:
        """Return the filter of the operators who have a weight on one of the sources."""
        return on_list_of(source_ids)

    def create_row(self, **fields: Any) -> Operator:
        """Store a new operator."""
        return roster.create_operator(**fields)

    def change_row(self, row_id: int, **changes: Any) -> Operator:
        """Change the operator and give the room this makes to whoever waits."""
        with missing_when(OperatorNotFound):
            return roster.change_operator(row_id, **changes)
