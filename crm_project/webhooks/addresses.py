"""Which addresses may be called, and connecting to no other than the one that was looked at."""

import socket
import time
from collections.abc import Iterable, Sequence
from functools import partial
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any

from httpcore import (
    ConnectError,
    ConnectTimeout,
    NetworkBackend,
    NetworkStream,
    ReadTimeout,
    SyncBackend,
    WriteTimeout,
)

from crm_project.webhooks.threads import begun

NAT64 = IPv6Network("64:ff9b::/96")
GLOBAL_UNICAST = IPv6Network("2000::/3")
# Some versions of Python take these for public.
SET_APART = [ip_network(text) for text in ("192.0.0.0/24", "192.88.99.0/24", "3fff::/20")]

type Address = IPv4Address | IPv6Address
type Network = IPv4Network | IPv6Network

# A first packet that is lost is sent again after a second.
LEAST_SECONDS_TO_CONNECT = 1.5


class AddressRefused(ConnectError):
    """The name resolves to an address that may not be called."""


class NotEncrypted(ConnectError):
    """The other side speaks no TLS, or its certificate proves nothing."""


class Deadline:
    """A moment after which nothing is waited for."""

    def __init__(self, seconds: float) -> None:
        self._at = time.monotonic() + seconds

    def left(self, most: float | None, error: type[Exception]) -> float:
        """Return how many seconds there are, `most` at the utmost. Raises `error` when it has passed."""
        left = self._at - time.monotonic()
        if left <= 0:
            raise error("the time for the whole call is over")
        return left if most is None else min(left, most)


class CheckedBackend(NetworkBackend):
    """Looks a name up once, refuses it for its addresses, and connects to one of those it looked at.

    So a name that resolves differently by turns gains nothing. A deadline holds for the whole call, however slowly the
    other side drips.
    """

    def __init__(self, allowed: Sequence[Network], deadline: Deadline, *, internet: bool = True) -> None:
        self._allowed = allowed
        self._internet = internet
        self._deadline = deadline
        self._backend = SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> NetworkStream:
        """Connect. Raises AddressRefused, ConnectError when nobody answers, and ConnectTimeout."""
        addresses = looked_up(host, port, self._deadline.left(timeout, ConnectTimeout))
        if not all(may_be_called(address, self._allowed, internet=self._internet) for address in addresses):
            raise AddressRefused(f"{host} is no address that may be called")
        failure: Exception = ConnectError(f"{host} has no address")
        for others, address in zip(reversed(range(len(addresses))), addresses, strict=True):
            left = self._deadline.left(timeout, ConnectTimeout)
            seconds = min(left, max(left / (others + 1), LEAST_SECONDS_TO_CONNECT))
            try:
                stream = self._backend.connect_tcp(address, port, seconds, local_address, socket_options)
            except (ConnectError, ConnectTimeout) as error:
                failure = error
            else:
                return TimedStream(stream, self._deadline)
        raise failure


class TimedStream(NetworkStream):
    """A connection whose every step ends with the deadline."""

    def __init__(self, stream: NetworkStream, deadline: Deadline) -> None:
        self._stream = stream
        self._deadline = deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Read. Raises ReadTimeout."""
        return self._stream.read(max_bytes, self._deadline.left(timeout, ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Write. Raises WriteTimeout."""
        self._stream.write(buffer, self._deadline.left(timeout, WriteTimeout))

    def close(self) -> None:
        """Hang up."""
        self._stream.close()

    def start_tls(
        self, ssl_context: Any, server_hostname: str | None = None, timeout: float | None = None
    ) -> NetworkStream:
        """Encrypt what follows, with the certificate of the name that was asked for. Raises NotEncrypted."""
        seconds = self._deadline.left(timeout, ConnectTimeout)
        try:
            stream = self._stream.start_tls(ssl_context, server_hostname, seconds)
        except ConnectError as error:
            raise NotEncrypted(str(error)) from error
        return TimedStream(stream, self._deadline)

    def get_extra_info(self, info: str) -> Any:
        """Return what is known of the connection."""
        return self._stream.get_extra_info(info)


def looked_up(host: str, port: int, seconds: float) -> list[str]:
    """Return the addresses of a name. Raises ConnectError when it has none, ConnectTimeout when none comes in time."""
    try:
        found = begun(partial(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM)).result(seconds)
    except TimeoutError as error:
        raise ConnectTimeout(f"{host} is still being resolved") from error
    except (OSError, UnicodeError) as error:
        raise ConnectError(f"{host} cannot be resolved") from error
    return list(dict.fromkeys(str(address[0]) for *_family, address in found))


def may_be_called(address: str, allowed: Sequence[Network], *, internet: bool = True) -> bool:
    """Return whether the address is within the networks that are allowed, or with `internet` a public one."""
    meant = _meant(ip_address(address.partition("%")[0]))
    return any(meant in network for network in allowed) or (internet and _is_public(meant))


def _meant(address: Address) -> Address:
    """Return the IPv4 address in the place of an IPv6 address that leads to it."""
    if isinstance(address, IPv6Address) and address in NAT64:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return getattr(address, "ipv4_mapped", None) or address


def _is_public(address: Address) -> bool:
    if isinstance(address, IPv6Address) and (address not in GLOBAL_UNICAST or address.sixtofour or address.teredo):
        return False
    is_set_apart = any(address in network for network in SET_APART)
    return address.is_global and not (address.is_multicast or address.is_reserved or is_set_apart)
