"""What every viewset of the API shares."""

from typing import Any

from rest_framework import mixins, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from crm_project.api.errors import LengthRequired


class ReadViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, GenericViewSet[Any]):
    """A list and single rows, by a numeric id."""

    lookup_value_regex = "[0-9]{1,18}"

    def validated(self, request: Request, **kwargs: Any) -> dict[str, Any]:
        """Return the fields of the body. Raises ValidationError."""
        serializer = self.get_serializer(data=request.data, **kwargs)
        serializer.is_valid(raise_exception=True)
        return serializer.validated_data

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Check who calls, and that the body can be seen. Raises LengthRequired: a body in chunks would look empty."""
        super().initial(request, *args, **kwargs)
        if request.headers.get("transfer-encoding") and not request.headers.get("content-length"):
            raise LengthRequired


class SettingsViewSet(ReadViewSet):
    """Rows that are also created and changed, by the services that a subclass names."""

    http_method_names = ["get", "post", "put", "patch", "head", "options"]

    def create_row(self, **fields: Any) -> Any:
        """Store and return a new row."""
        raise NotImplementedError

    def change_row(self, row_id: int, **changes: Any) -> Any:
        """Set the fields given and return the row."""
        raise NotImplementedError

    def create(self, request: Request) -> Response:
        """Store a new row."""
        row = self.create_row(**self.validated(request))
        return Response(self.get_serializer(row).data, status=status.HTTP_201_CREATED)

    def partial_update(self, request: Request, pk: str) -> Response:
        """Set the fields given, leave the others."""
        row = self.get_object()
        changed = self.change_row(row.pk, **self.validated(request, instance=row, partial=True))
        return Response(self.get_serializer(changed).data)
