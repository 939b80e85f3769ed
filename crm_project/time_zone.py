"""The pages of the back office tell times by the clock of whoever looks: their browser names its zone in a cookie."""

from collections.abc import Callable
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

from django.http import HttpRequest, HttpResponse
from django.utils.timezone import override

COOKIE = "time_zone"
BACK_OFFICE = "/admin/"

type Answering = Callable[[HttpRequest], HttpResponse]


def in_zone_of_browser(get_response: Answering) -> Answering:
    """Return the middleware: it answers the pages in the zone of the browser, and lets the API be."""

    def answer(request: HttpRequest) -> HttpResponse:
        if not request.path_info.startswith(BACK_OFFICE):
            return get_response(request)
        with override(zone_of(request)):
            return get_response(request)

    return answer


def zone_of(request: HttpRequest) -> ZoneInfo | None:
    """Return the zone that the browser names; None when it names none, or one that nobody knows."""
    name = request.COOKIES.get(COOKIE)
    # A name is the path of a file, so it is looked up in the list first.
    return ZoneInfo(name) if name in _names() else None


@cache
def _names() -> frozenset[str]:
    # Reading the list takes a tenth of a second.
    return frozenset(available_timezones())
