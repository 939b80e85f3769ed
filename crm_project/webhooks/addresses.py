"""Which addresses may be called, and connecting to no other than the one that was looked at."""

import socket
import time
from collections.abc import Iterable, Sequence
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Any

from httpcore import ConnectError, NetworkBackend, NetworkStream, ReadTimeout, SyncBackend, WriteTimeout

NAT64 = IPv6Network("64:ff9b::/96")

type Network = IPv4Network | IPv6Network


class AddressRefused(ConnectError):
    """The name resolves to an address that may not be called."""


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
        """Connect. Raises AddressRefused, and ConnectError when nobody answers."""
        addresses = looked_up(host, port)
        if not all(may_be_called(address, self._allowed, internet=self._internet) for address in addresses):
            raise AddressRefused(f"{host} is no address that may be called")
        failure: Exception | None = None
        for address in addresses:
            seconds = self._deadline.left(timeout, ConnectError)
            try:
                stream = self._backend.connect_tcp(address, port, seconds, local_address, socket_options)
            except ConnectError as error:
                failure = error
            else:
                return TimedStream(stream, self._deadline)
        raise failure or ConnectError(f"{host} has no address")


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
        """Encrypt what follows, with the certificate of the name that was asked for."""
        seconds = self._deadline.left(timeout, ConnectError)
        return TimedStream(self._stream.start_tls(ssl_context, server_hostname, seconds), self._deadline)

    def get_extra_info(self, info: str) -> Any:
        """Return what is known of the connection."""
        return self._stream.get_extra_info(info)


def looked_up(host: str, port: int) -> list[str]:
    """Return the addresses of a name. Raises ConnectError when it has none."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise ConnectError(f"{host} cannot be resolved") from error
    return list(dict.fromkeys(str(address[0]) for *_family, address in found))


def may_be_called(address: str, allowed: Sequence[Network], *, internet: bool = True) -> bool:
    """Return whether the address is within the networks that are allowed, or with `internet` a public one."""
    parsed = ip_address(address.partition("%")[0])
    if isinstance(parsed, IPv6Address):
        parsed = parsed.ipv4_mapped or (ip_address(int(parsed) & 0xFFFFFFFF) if parsed in NAT64 else parsed)
    if any(parsed.version == network.version and parsed in network for network in allowed):
        return True
    return internet and parsed.is_global and not parsed.is_multicast and not parsed.is_reserved
