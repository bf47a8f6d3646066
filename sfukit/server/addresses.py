"""The local addresses that the server advertises as ICE host candidates."""

import ipaddress
import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from sfukit.errors import UsageError
from sfukit.signaling.candidates import Address

LOOPBACK = ipaddress.IPv4Address("127.0.0.1")

# Bridges of containers and virtual machines, veth pairs, tunnels: no peer reaches them.
_VIRTUAL = re.compile(
    r"(docker|br-|veth|virbr|vnet|vmnet|vboxnet|lxc|lxdbr|cni|flannel|cali|cilium|podman|kube|nerdctl"
    r"|tun|tap|wg|utun|awdl|llw|bridge|gif|stf|dummy|ifb|sit|ip6tnl|vethernet)",
    re.IGNORECASE,
)


class Interface(NamedTuple):
    """A network interface with its IP addresses."""

    name: str
    addresses: Sequence[Address]


def local_interfaces() -> list[Interface]:
    """Return the network interfaces of this host; an empty list where the system lists none."""
    import ifaddr

    try:
        adapters = list(ifaddr.get_adapters())
    except OSError:
        return []
    return [
        Interface(
            adapter.nice_name or adapter.name,
            [
                ipaddress.ip_address(entry.ip if isinstance(entry.ip, str) else entry.ip[0])
                for entry in adapter.ips
            ],
        )
        for adapter in adapters
    ]


def advertised_addresses(
    interfaces: Iterable[Interface],
    *,
    interface_names: Sequence[str] = (),
    override: Sequence[str] = (),
    ipv6: bool = True,
) -> list[Address]:
    """Return the addresses of the host candidates, IPv4 first, loopback last.

    ``interface_names`` limits the interfaces; ``override`` replaces all addresses.
    """
    if override:
        return [_address(text) for text in override]
    chosen = [entry for entry in interfaces if _is_selected(entry.name, interface_names)]
    missing = set(interface_names) - {entry.name for entry in chosen}
    if missing:
        raise UsageError(f"--interface {sorted(missing)[0]}: no such network interface")
    usable = [address for entry in chosen for address in entry.addresses if _is_usable(address)]
    ordered = sorted(dict.fromkeys(usable), key=lambda address: address.version)
    return [*(address for address in ordered if ipv6 or address.version == 4), LOOPBACK]


def local_address_first(
    addresses: Sequence[Address], local_address: Address | None
) -> list[Address]:
    """Sort the local address of the peer's signaling connection before the other addresses.

    Loopback addresses are equal. An address that is not advertised (NAT, ``--advertise``) is
    ignored.
    """

    def is_local(address: Address) -> bool:
        both_loopback = (
            local_address is not None and local_address.is_loopback and address.is_loopback
        )
        return address == local_address or both_loopback

    return sorted(addresses, key=lambda address: not is_local(address))


def parse_local_address(host: object) -> Address | None:
    """Parse the local address of a connection; IPv4-mapped addresses become IPv4 addresses."""
    try:
        address = ipaddress.ip_address(str(host).partition("%")[0])
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def _is_selected(name: str, selected: Sequence[str]) -> bool:
    return name in selected if selected else _VIRTUAL.match(name) is None


def _is_usable(address: Address) -> bool:
    return not (
        address.is_loopback
        or address.is_link_local
        or address.is_unspecified
        or address.is_multicast
    )


def _address(text: str) -> Address:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        raise UsageError(f"--advertise {text}: not an IP address") from None
