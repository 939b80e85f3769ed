"""Choosing the media type of an answer."""

from collections.abc import Iterable

from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.renderers import BaseRenderer, JSONRenderer
from rest_framework.request import Request

ANYTHING = "*/*"


class Negotiation(DefaultContentNegotiation):
    """REST framework's way, without weighing media types for a caller who takes anything: most programs do."""

    def select_renderer(
        self, request: Request, renderers: Iterable[BaseRenderer], format_suffix: str | None = None
    ) -> tuple[BaseRenderer, str]:
        """Return the renderer and the media type of the answer. Raises NotAcceptable."""
        if request.headers.get("accept", ANYTHING) == ANYTHING and not format_suffix:
            first = next(iter(renderers))
            return first, str(first.media_type)
        return super().select_renderer(request, renderers, format_suffix)


class CSVAnswers(JSONRenderer):
    """Stands for the media type of answers that are sent as CSV past any renderer; what is refused is JSON."""

    media_type = "text/csv"
    format = "csv"
