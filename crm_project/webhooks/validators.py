"""What the address of an endpoint may be."""

from urllib.parse import urlsplit

from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

SCHEMES = ("https", "http")


def endpoint_address(url: str) -> None:
    """Raise ValidationError for what is no whole address of an endpoint, or says more than where it is."""
    if not _is_whole(url):
        raise ValidationError(_("Type a whole address, such as https://bot.example.org/webhooks."))
    if "@" in urlsplit(url).netloc:
        raise ValidationError(_("An address must not contain a name and a password: the signature proves who calls."))
    if "#" in url:
        raise ValidationError(_("An address must not contain “#”: what follows it is sent to nobody."))


def _is_whole(url: str) -> bool:
    """Return whether the address is written in plain characters and names a host, and a port that there is."""
    try:
        parts, port = urlsplit(url), urlsplit(url).port
    except ValueError:
        return False
    is_plain = url.isascii() and url.isprintable() and not {" ", "\\"} & set(url)
    return is_plain and parts.scheme in SCHEMES and bool(parts.hostname) and port != 0
