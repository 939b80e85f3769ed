"""Calls from this very machine, which OPEN_API=1 admits without a log-in."""

from ipaddress import IPv6Address, ip_address

from django.conf import settings
from django.http import HttpRequest
from django.http.request import split_domain_port
from rest_framework.request import Request

LOOPBACK_NAMES = {"localhost", "127.0.0.1", "[::1]"}
PROXY_HEADERS = {"HTTP_FORWARDED", "HTTP_VIA", "HTTP_X_REAL_IP"}
PROXY_HEADER_PREFIX = "HTTP_X_FORWARDED"


def is_open_to(request: HttpRequest | Request) -> bool:
    """Return whether the API is open and the call comes straight from this machine.

    A proxy would make the whole world look local, so any header that a proxy leaves closes the door; and so does
    the Origin of another site, whose page may be open in a browser on this machine.
    """
    return (
        settings.OPEN_API
        and _is_loopback(request.META.get("REMOTE_ADDR", ""))
        and split_domain_port(request.get_host())[0] in LOOPBACK_NAMES
        and _is_from_no_other_site(request)
        and not any(name in PROXY_HEADERS or name.startswith(PROXY_HEADER_PREFIX) for name in request.META)
    )


def _is_from_no_other_site(request: HttpRequest | Request) -> bool:
    origin = request.headers.get("origin")
    return origin is None or origin == f"{request.scheme}://{request.get_host()}"


def _is_loopback(peer: str) -> bool:
    try:
        address = ip_address(peer)
    except ValueError:
        return False
    if isinstance(address, IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    return address.is_loopback
