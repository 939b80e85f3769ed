"""The OpenAPI document and its page, in the language of the caller."""

from threading import Lock

from drf_spectacular.settings import spectacular_settings
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView
from rest_framework.request import Request
from rest_framework.response import Response

_one_at_a_time = Lock()  # the package loads its extensions at the first call, and not safely for threads


class SchemaView(SpectacularAPIView):
    """The document."""

    api_version = spectacular_settings.VERSION

    def _get_schema_response(self, request: Request) -> Response:
        with _one_at_a_time:
            return super()._get_schema_response(request)

    def _get_filename(self, request: Request, version: str) -> str:
        # A header holds no Cyrillic: the title, which the package would take, may be in Russian.
        return f"openapi.{self.perform_content_negotiation(request, force=True)[0].format}"


class DocsView(SpectacularSwaggerSplitView):
    """The page that shows the document and tries its calls; its script is an answer of its own, as the CSP wants."""

    http_method_names = ["get", "head"]
