import socket
from collections import namedtuple

import psutil
import pytest
from django.core.management.base import CommandError

from crm_project.setup.address import Address
from crm_project.setup.greeting import greeting
from crm_project.testing.server import free_port

pytestmark = pytest.mark.once

Card = namedtuple("Card", ["family", "address"])


@pytest.fixture(autouse=True)
def network(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine with a loopback, one address in the local network and one of no use to others."""
    cards = {
        "lo": [Card(socket.AF_INET, "127.0.0.1"), Card(socket.AF_INET6, "::1")],
        "eth0": [Card(socket.AF_INET, "192.168.1.5"), Card(socket.AF_INET6, "fe80::1%eth0")],
    }
    monkeypatch.setattr(psutil, "net_if_addrs", lambda: cards)
    monkeypatch.setattr(socket, "gethostname", lambda: "reception")
    monkeypatch.delenv("HOST", raising=False)
    monkeypatch.delenv("PORT", raising=False)


def address(monkeypatch: pytest.MonkeyPatch, **environment: str) -> Address:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    return Address.from_environment()


def test_without_settings_it_is_port_8000_of_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    assert address(monkeypatch).url == "http://127.0.0.1:8000"
    assert address(monkeypatch).network_urls == []


def test_localhost_means_its_address_of_version_4(monkeypatch: pytest.MonkeyPatch) -> None:
    assert address(monkeypatch, HOST="localhost", PORT="8001").url == "http://127.0.0.1:8001"


def test_all_addresses_means_those_that_the_network_knows(monkeypatch: pytest.MonkeyPatch) -> None:
    everywhere = address(monkeypatch, HOST="0.0.0.0")

    assert everywhere.url == "http://127.0.0.1:8000"
    assert everywhere.network_urls == ["http://192.168.1.5:8000"]
    assert everywhere.host_names == ["127.0.0.1", "192.168.1.5", "reception"]


def test_an_address_of_version_6_stands_in_brackets(monkeypatch: pytest.MonkeyPatch) -> None:
    loopback = address(monkeypatch, HOST="::1")

    assert (loopback.url, loopback.host_names) == ("http://[::1]:8000", ["[::1]"])


@pytest.mark.parametrize(("name", "value"), [("HOST", "no such host"), ("PORT", "0"), ("PORT", "65536"), ("PORT", "x")])
def test_a_wrong_address_is_an_error_that_names_the_setting(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    with pytest.raises(CommandError, match=name):
        address(monkeypatch, **{name: value})


def test_a_port_that_somebody_listens_on_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])

        with pytest.raises(CommandError, match=f"Port {port} is taken"):
            address(monkeypatch, PORT=port).refuse_when_taken()


def test_an_address_of_another_machine_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(CommandError, match="192"):
        address(monkeypatch, HOST="192.0.2.1", PORT=str(free_port())).refuse_when_taken()


def test_a_free_port_is_not_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    address(monkeypatch, PORT=str(free_port())).refuse_when_taken()


def test_the_greeting_has_a_call_to_paste(monkeypatch: pytest.MonkeyPatch) -> None:
    text = greeting(address(monkeypatch), needs_login=False, source_code="Петин 'бот'")

    assert "http://127.0.0.1:8000/admin/" in text
    assert 'curl -X POST "http://127.0.0.1:8000/api/contacts" -H "Content-Type: application/json" -d ' in text
    assert "Петин" in text


def test_for_the_network_the_greeting_tells_its_address_and_that_the_api_asks_for_a_login(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    text = greeting(address(monkeypatch, HOST="0.0.0.0"), needs_login=True, source_code="bot")

    assert "http://192.168.1.5:8000/admin/" in text
    assert 'curl -u admin -X POST "http://192.168.1.5:8000/api/contacts"' in text
