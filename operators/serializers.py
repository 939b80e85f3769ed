"""Operators and weights as the API shows and takes them."""

from crm_project.access.serializers import Reason
from crm_project.api.serializers import StrictModelSerializer
from operators.models import Operator


class OperatorSerializer(StrictModelSerializer):
    """An operator."""

    reason = Reason()

    class Meta:
        model = Operator
        fields = ["id", "name", "is_active", "is_paused", "max_load", "load", "external_id", "reason"]
        read_only_fields = ["id", "load"]
        extra_kwargs = {"external_id": {"allow_blank": False}}
