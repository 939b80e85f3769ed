"""The API's calls about operators."""

from typing import Any

from crm_project.api.views import SettingsViewSet
from distribution import roster
from operators.filters import OperatorFilter
from operators.models import Operator
from operators.serializers import OperatorSerializer


class OperatorViewSet(SettingsViewSet):
    """Operators: list, create, read, change."""

    queryset = Operator.objects.all()
    serializer_class = OperatorSerializer
    filterset_class = OperatorFilter

    def create_row(self, **fields: Any) -> Operator:
        """Store a new operator."""
        return roster.create_operator(**fields)

    def change_row(self, row_id: int, **changes: Any) -> Operator:
        """Change the operator and give the room this makes to whoever waits."""
        return roster.change_operator(row_id, **changes)
