"""Operators and weights as the API shows and takes them."""

from crm_project.api.serializers import StrictModelSerializer
from operators.models import Operator


class OperatorSerializer(StrictModelSerializer):
    """An operator."""

    class Meta:
        model = Operator
        fields = ["id", "name", "is_active", "max_load", "load", "external_id"]
        read_only_fields = ["id", "load"]
        extra_kwargs = {"external_id": {"allow_blank": False}}
