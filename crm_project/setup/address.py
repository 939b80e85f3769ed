"""Where the server listens: HOST and PORT of the environment, checked before anything starts."""

import errno
import socket
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Self

import psutil
from django.core.management.base import CommandError
from django.utils.translation import gettext as _
from environs import EnvError, validate

from crm_project.environment import env
from crm_project.setup.patience import patiently


@dataclass(frozen=True)
class Address:
    """A numeric address of this machine and a port."""

    ip: IPv4Address | IPv6Address
    port: int

    @classmethod
    def from_environment(cls) -> Self:
        """Read HOST (default 127.0.0.1) and PORT (default 8000); raise CommandError when they name no address."""
        try:
            host = env.str("HOST", "") or "127.0.0.1"
            port = env.int("PORT", 8000, validate=validate.Range(1, 65535))
        except EnvError as error:
            raise CommandError(str(error)) from error
        return cls(resolved(host), port)

    @property
    def local_ip(self) -> IPv4Address | IPv6Address:
        """The address by which this machine itself reaches the server."""
        if self.ip.is_unspecified:
            return ip_address("127.0.0.1" if self.ip.version == 4 else "::1")
        return self.ip

    @property
    def url(self) -> str:
        """The web address for a browser on this machine."""
        return url_of(self.local_ip, self.port)

    @property
    def network_urls(self) -> list[str]:
        """The web addresses for the other machines of the network."""
        return [url_of(ip, self.port) for ip in self._network_ips]

    @property
    def host_names(self) -> list[str]:
        """What a Host header may say to mean this server."""
        names = [in_url(ip) for ip in (self.local_ip, *self._network_ips)]
        return names if self.ip.is_loopback else [*names, socket.gethostname()]

    @property
    def _network_ips(self) -> list[IPv4Address | IPv6Address]:
        if self.ip.is_unspecified:
            return network_ips(self.ip.version)
        return [] if self.ip.is_loopback else [self.ip]

    def refuse_when_taken(self) -> None:
        """Raise CommandError when the server could not listen here.

        The server itself would not notice: it shares a port with whoever listens there already.
        """
        try:
            patiently(self._try_to_listen)
        except OSError as error:
            raise CommandError(self._why_not(error)) from error

    def _try_to_listen(self) -> None:
        with socket.socket(socket.AF_INET if self.ip.version == 4 else socket.AF_INET6) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((str(self.ip), self.port))

    def _why_not(self, error: OSError) -> str:
        names = {"host": self.ip, "port": self.port, "reason": error.strerror}
        if error.errno == errno.EADDRINUSE:
            return _("Port %(port)s is taken. Stop the program that uses it, or choose another: PORT=8001") % names
        return _("Cannot listen at %(host)s, port %(port)s: %(reason)s. Set HOST and PORT to others.") % names


def resolved(host: str) -> IPv4Address | IPv6Address:
    """Return the numeric address of `host`, that of version 4 if it has several."""
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise CommandError(_("HOST=%(host)s is not an address of this machine.") % {"host": host}) from error
    return min((ip_address(address[0]) for *_rest, address in found), key=lambda ip: ip.version)


def network_ips(version: int) -> list[IPv4Address | IPv6Address]:
    """Return the addresses of this machine that others can reach it by."""
    addresses = [address for card in psutil.net_if_addrs().values() for address in card]
    wanted = socket.AF_INET if version == 4 else socket.AF_INET6
    ips = [ip_address(address.address) for address in addresses if address.family == wanted]
    return [ip for ip in ips if not ip.is_loopback and not ip.is_link_local]


def url_of(ip: IPv4Address | IPv6Address, port: int) -> str:
    """Return the web address of an IP address."""
    return f"http://{in_url(ip)}:{port}"


def in_url(ip: IPv4Address | IPv6Address) -> str:
    """Return an IP address as web addresses and Host headers write it."""
    return str(ip) if ip.version == 4 else f"[{ip}]"
