"""Which addresses may be called, and that no other is."""

import socket
from collections.abc import Callable, Iterator
from ipaddress import ip_network
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from httpcore import ConnectError, ConnectTimeout
from httpcore._backends.sync import SyncBackend

from crm_project.testing.receiver import Receiver, receiver
from crm_project.webhooks.addresses import (
    LEAST_SECONDS_TO_CONNECT,
    AddressRefused,
    CheckedBackend,
    Deadline,
    may_be_called,
)
from crm_project.webhooks.validators import endpoint_address

pytestmark = pytest.mark.once

LOOPBACK = [ip_network("127.0.0.0/8"), ip_network("::1/128")]

type Lookup = Callable[..., Any]


class TestWhatMayBeCalled:
    @pytest.mark.parametrize("address", ["93.184.216.34", "1.1.1.1", "2606:2800:220:1:248:1893:25c8:1946"])
    def test_is_what_is_public(self, address: str) -> None:
        assert may_be_called(address, [])

    @pytest.mark.parametrize(
        "address",
        [
            *("10.0.0.1", "172.16.5.4", "192.168.1.1", "127.0.0.1", "127.8.9.10", "169.254.169.254", "100.64.0.1"),
            *("0.0.0.0", "255.255.255.255", "224.0.0.1", "240.0.0.1", "192.0.0.8", "192.0.2.1", "198.18.0.1"),
            *("192.88.99.1", "198.51.100.1", "203.0.113.1"),
            *("::", "::1", "fc00::1", "fd12::1", "fe80::1", "fe80::1%eth0", "fec0::1", "ff02::1", "2001:db8::1"),
            *("::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "::127.0.0.1", "::7f00:1"),
            *("64:ff9b::127.0.0.1", "64:ff9b::a00:1", "64:ff9b:1::1", "2002:7f00:1::1", "2001:0:7f00:1::1", "3fff::1"),
        ],
    )
    def test_is_nothing_within(self, address: str) -> None:
        assert not may_be_called(address, [])

    @pytest.mark.parametrize("address", ["::ffff:93.184.216.34", "64:ff9b::93.184.216.34"])
    def test_is_what_leads_to_a_public_address(self, address: str) -> None:
        assert may_be_called(address, [])

    @pytest.mark.parametrize("address", ["127.0.0.1", "::1", "::ffff:127.0.0.1", "64:ff9b::127.0.0.1"])
    def test_is_what_a_setting_allows(self, address: str) -> None:
        assert may_be_called(address, LOOPBACK)

    def test_is_nothing_beside_what_a_setting_allows(self) -> None:
        assert not may_be_called("10.0.0.1", LOOPBACK)

    def test_without_the_internet_is_what_a_setting_allows_alone(self) -> None:
        assert may_be_called("127.0.0.1", LOOPBACK, internet=False)
        assert not may_be_called("93.184.216.34", LOOPBACK, internet=False)


class Names:
    """A resolver that gives each name the answers it is told to, one after the other, and counts the questions."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.answers: dict[str, Iterator[list[str]]] = {}
        self.asked: list[str] = []
        self._real = socket.getaddrinfo
        monkeypatch.setattr(socket, "getaddrinfo", self.look_up)

    def look_up(self, host: Any, port: Any, *rest: Any, **options: Any) -> Any:
        if host not in self.answers:
            return self._real(host, port, *rest, **options)
        self.asked.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in next(self.answers[host])]


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Names:
    return Names(monkeypatch)


@pytest.fixture
def listening() -> Iterator[Receiver]:
    with receiver() as listening:
        yield listening


def port_of(listening: Receiver) -> int:
    return int(listening.url.split(":")[2].split("/")[0])


def connect(host: str, port: int, seconds: float = 2) -> tuple[str, int]:
    """Connect, and return where to."""
    backend = CheckedBackend(LOOPBACK, Deadline(seconds))
    stream = backend.connect_tcp(host, port, seconds)
    address: tuple[str, int] = stream.get_extra_info("server_addr")
    stream.close()
    return address


class TestConnecting:
    def test_goes_to_the_address_that_was_looked_at_and_asks_once(self, names: Names, listening: Receiver) -> None:
        names.answers["bot.example"] = iter([["127.0.0.1"], ["10.0.0.1"]])

        assert connect("bot.example", port_of(listening)) == ("127.0.0.1", port_of(listening))
        assert names.asked == ["bot.example"]

    @pytest.mark.parametrize("addresses", [["10.0.0.1"], ["127.0.0.1", "10.0.0.1"], ["10.0.0.1", "127.0.0.1"]])
    def test_is_refused_when_any_address_of_the_name_is(
        self, names: Names, listening: Receiver, addresses: list[str]
    ) -> None:
        names.answers["bot.example"] = iter([addresses])

        with pytest.raises(AddressRefused):
            connect("bot.example", port_of(listening))

    def test_is_refused_at_each_turn_that_a_name_is_within(self, names: Names, listening: Receiver) -> None:
        names.answers["bot.example"] = iter([["127.0.0.1"], ["192.168.0.1"], ["127.0.0.1"]])

        connect("bot.example", port_of(listening))
        with pytest.raises(AddressRefused):
            connect("bot.example", port_of(listening))
        connect("bot.example", port_of(listening))

    @pytest.mark.parametrize("host", ["0", "0.0.0.0", "10.1", "167772161", "0xa.0.0.1", "012.0.0.1"])
    def test_is_refused_however_the_address_is_written(self, listening: Receiver, host: str) -> None:
        with pytest.raises(AddressRefused):
            connect(host, port_of(listening))

    def test_goes_on_to_the_next_address_when_one_does_not_answer(self, names: Names, listening: Receiver) -> None:
        names.answers["bot.example"] = iter([["127.0.0.2", "127.0.0.1"]])

        assert connect("bot.example", port_of(listening))[0] == "127.0.0.1"

    def test_gives_each_of_many_addresses_the_time_that_one_takes(
        self, names: Names, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        names.answers["bot.example"] = iter([[f"127.0.0.{number}" for number in range(1, 17)]])
        given: list[float] = []

        def connect_slowly(_backend: Any, _host: str, _port: int, seconds: float, *_rest: Any) -> Any:
            given.append(seconds)
            raise ConnectTimeout

        monkeypatch.setattr(SyncBackend, "connect_tcp", connect_slowly)
        with pytest.raises(ConnectTimeout):
            connect("bot.example", 80, seconds=5)

        assert min(given) >= LEAST_SECONDS_TO_CONNECT

    def test_waits_no_longer_for_a_name_than_for_anything(self, monkeypatch: pytest.MonkeyPatch) -> None:
        ours, theirs = socket.socketpair()
        with ours, theirs:
            monkeypatch.setattr(socket, "getaddrinfo", lambda *_about, **_options: ours.recv(1))

            with pytest.raises(ConnectTimeout):
                connect("bot.example", 80, seconds=0.1)
            theirs.send(b"x")

    @pytest.mark.parametrize("host", [f"{'x' * 64}.example", "a..example"])
    def test_fails_when_there_can_be_no_such_name(self, host: str) -> None:
        with pytest.raises(ConnectError):
            connect(host, 80)

    def test_fails_when_a_name_has_no_address(self, names: Names) -> None:
        names.answers["bot.example"] = iter([[]])

        with pytest.raises(ConnectError):
            connect("bot.example", 80)


class TestTheAddressOfAnEndpoint:
    @pytest.mark.parametrize(
        "url",
        [
            "https://bot.example.org/webhooks",
            "http://127.0.0.1:8000",
            "https://bot.example.org:8443/a/b?key=value&x=%20",
            "http://[::1]:8000/webhooks",
            "https://xn--e1afmkfd.xn--p1ai/",
            "HTTPS://BOT.EXAMPLE.ORG/",
        ],
    )
    def test_is_whole(self, url: str) -> None:
        endpoint_address(url)

    @pytest.mark.parametrize(
        "url",
        [
            *(
                "",
                "bot.example.org",
                "/webhooks",
                "//bot.example.org/",
                "https://",
                "https:///webhooks",
                "https://:443/",
            ),
            *("ftp://bot.example.org/", "file:///etc/passwd", "javascript:alert(1)", "http://[::1/", "http://x:port/"),
            *(
                "https://bot.example.org:0/",
                "https://bot.example.org:65536/",
                "https://пример.рф/",
                "https://a.example/ключ",
            ),
            *("https://bot.example.org/a b", "https://bot.example.org/\n", "https://bot.example.org\\@10.0.0.1/"),
        ],
    )
    def test_is_nothing_less(self, url: str) -> None:
        with pytest.raises(ValidationError, match="whole address"):
            endpoint_address(url)

    @pytest.mark.parametrize("url", ["https://anna@bot.example.org/", "https://anna:secret@bot.example.org/"])
    def test_says_nothing_of_who_calls(self, url: str) -> None:
        with pytest.raises(ValidationError, match="name and a password"):
            endpoint_address(url)

    def test_has_no_part_that_is_not_sent(self) -> None:
        with pytest.raises(ValidationError, match="#"):
            endpoint_address("https://bot.example.org/#top")
