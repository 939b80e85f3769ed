"""What the OpenAPI document says of the calls about operators."""

from django.utils.translation import gettext_lazy as _
from rest_framework import status

from crm_project.access.schema import Body, Call
from operators.serializers import OperatorSerializer

NEW_OPERATOR = {"name": "Оператор 1", "is_active": True, "max_load": 10}
OPERATOR = {"id": 1, **NEW_OPERATOR, "is_paused": False, "load": 0, "external_id": None}

OPERATOR_CALLS = {
    "list": Call(
        summary=_("List operators"),
        description=_("With their load: how many contacts are active now."),
        answers={status.HTTP_200_OK: Body(OperatorSerializer, OPERATOR, _("One page of operators."))},
    ),
    "create": Call(
        summary=_("Create an operator"),
        description=_("They get contacts once they have a weight on a source."),
        body=Body(OperatorSerializer, NEW_OPERATOR),
        answers={status.HTTP_201_CREATED: Body(OperatorSerializer, OPERATOR, _("The new operator."))},
    ),
    "retrieve": Call(
        summary=_("Read an operator"),
        answers={status.HTTP_200_OK: Body(OperatorSerializer, OPERATOR, _("The operator."))},
    ),
    "partial_update": Call(
        summary=_("Change an operator"),
        description=_(
            "What is left out stays. A lower limit, switching off or a pause takes nothing away; a higher limit, "
            "switching on or the end of a pause gives them waiting contacts at once, which the load in the answer does "
            "not count yet."
        ),
        body=Body(OperatorSerializer, {"max_load": 20}),
        answers={status.HTTP_200_OK: Body(OperatorSerializer, {**OPERATOR, "max_load": 20}, _("The operator."))},
    ),
}
