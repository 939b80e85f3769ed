"""The way back: a page whose address names another in `next` leads there when its work is done."""

from urllib.parse import urlencode

from django.http import HttpRequest
from django.utils.http import url_has_allowed_host_and_scheme

BACK_TO = "next"


def leading_back(page: str, address: str) -> str:
    """Return the address of a page that leads back to `address`, or to where it always leads when that is empty."""
    return f"{page}?{urlencode({BACK_TO: address})}" if page and address else page


def address_back(request: HttpRequest) -> str:
    """Return where to lead back, a page of this site; nothing when none is named."""
    asked = request.GET.get(BACK_TO, "")
    is_ours = url_has_allowed_host_and_scheme(asked, {request.get_host()}, require_https=request.is_secure())
    return asked if is_ours and asked.startswith("/") else ""
