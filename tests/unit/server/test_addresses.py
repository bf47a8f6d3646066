"""Which local addresses become host candidates."""

import ipaddress
from typing import Any

import pytest

from sfukit.errors import UsageError
from sfukit.server.addresses import (
    LOOPBACK,
    Interface,
    advertised_addresses,
    local_address_first,
    local_interfaces,
    parse_local_address,
)
from sfukit.signaling.candidates import Address


def interface(name: str, *addresses: str) -> Interface:
    return Interface(name, [ipaddress.ip_address(address) for address in addresses])


MACHINE = [
    interface("lo", "127.0.0.1", "::1"),
    interface("eth0", "198.51.100.7", "2001:db8::7", "fe80::1"),
    interface("wlan0", "192.168.1.20", "fd00::20"),
    interface("docker0", "172.17.0.1"),
    interface("br-3f2a", "172.18.0.1"),
    interface("veth12ab", "fe80::2"),
    interface("virbr0", "192.168.122.1"),
    interface("tun0", "10.8.0.2"),
    interface("wg0", "10.9.0.2"),
]


def advertised(**options: Any) -> list[str]:
    return [str(address) for address in advertised_addresses(MACHINE, **options)]


def test_usable_addresses_are_advertised_ipv4_first_loopback_last() -> None:
    assert advertised() == ["198.51.100.7", "192.168.1.20", "2001:db8::7", "fd00::20", "127.0.0.1"]


def test_without_ipv6_there_is_none() -> None:
    assert advertised(ipv6=False) == ["198.51.100.7", "192.168.1.20", "127.0.0.1"]


def test_a_virtual_interface_is_advertised_when_it_is_named() -> None:
    assert advertised(interface_names=["docker0", "wg0"]) == ["172.17.0.1", "10.9.0.2", "127.0.0.1"]


def test_an_unknown_interface_is_an_error() -> None:
    with pytest.raises(UsageError, match="eth7"):
        advertised(interface_names=["eth7"])


def test_override_addresses_replace_all() -> None:
    assert advertised(override=["203.0.113.5", "2001:db8::5"]) == ["203.0.113.5", "2001:db8::5"]
    with pytest.raises(UsageError, match="nonsense"):
        advertised(override=["nonsense"])


def test_a_machine_without_a_network_has_loopback() -> None:
    assert [str(address) for address in advertised_addresses([])] == ["127.0.0.1"]


def test_this_machine_has_interfaces_by_a_portable_call() -> None:
    assert any("127.0.0.1" in map(str, entry.addresses) for entry in local_interfaces())


def test_a_system_that_lists_no_interfaces_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise OSError

    monkeypatch.setattr("ifaddr.get_adapters", fail)
    assert local_interfaces() == []


LAN, OTHER = ipaddress.ip_address("192.0.2.7"), ipaddress.ip_address("198.51.100.7")
SIX = ipaddress.ip_address("2001:db8::7")
TOLD = [LAN, OTHER, SIX, LOOPBACK]


@pytest.mark.parametrize(
    ("local_address", "ordered"),
    [
        (None, TOLD),
        ("192.0.2.7", TOLD),
        ("198.51.100.7", [OTHER, LAN, SIX, LOOPBACK]),
        ("::ffff:198.51.100.7", [OTHER, LAN, SIX, LOOPBACK]),
        ("2001:db8::7", [SIX, LAN, OTHER, LOOPBACK]),
        ("127.0.0.1", [LOOPBACK, LAN, OTHER, SIX]),
        ("127.0.0.2", [LOOPBACK, LAN, OTHER, SIX]),
        ("::1", [LOOPBACK, LAN, OTHER, SIX]),
        ("203.0.113.9", TOLD),
        ("/run/sfukit.sock", TOLD),
    ],
)
def test_the_local_address_of_the_signaling_connection_is_first(
    local_address: str | None, ordered: list[Address]
) -> None:
    assert local_address_first(TOLD, parse_local_address(local_address)) == ordered


def test_a_loopback_address_that_is_not_advertised_is_not_added() -> None:
    assert local_address_first([OTHER, LAN], parse_local_address("127.0.0.1")) == [OTHER, LAN]
