"""Which of this machine's addresses are told to peers as ICE candidates."""

import ipaddress
import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from sfukit.errors import UsageError
from sfukit.signaling.candidates import Address

LOOPBACK = ipaddress.IPv4Address("127.0.0.1")

# Bridges of containers and virtual machines, their ends, tunnels: not the LAN.
_VIRTUAL = re.compile(
    r"(docker|br-|veth|virbr|vnet|vmnet|vboxnet|lxc|lxdbr|cni|flannel|cali|cilium|podman|kube|nerdctl"
    r"|tun|tap|wg|utun|awdl|llw|bridge|gif|stf|dummy|ifb|sit|ip6tnl|vethernet)",
    re.IGNORECASE,
)


class Interface(NamedTuple):
    """A network interface with its addresses."""

    name: str
    addresses: Sequence[Address]


def local_interfaces() -> list[Interface]:
    """List this machine's interfaces; portable, and empty where the system does not tell."""
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
    wanted: Sequence[str] = (),
    instead: Sequence[str] = (),
    ipv6: bool = True,
) -> list[Address]:
    """Choose the addresses to tell, the most useful first.

    ``wanted`` names the only interfaces to use; ``instead`` gives addresses that replace all.
    """
    if instead:
        return [_address(text) for text in instead]
    chosen = [entry for entry in interfaces if _is_chosen(entry.name, wanted)]
    missing = set(wanted) - {entry.name for entry in chosen}
    if missing:
        raise UsageError(f"--interface {sorted(missing)[0]}: there is no such interface here")
    found = [address for entry in chosen for address in entry.addresses if _is_useful(address)]
    ordered = sorted(dict.fromkeys(found), key=lambda address: address.version)
    return [*(address for address in ordered if ipv6 or address.version == 4), LOOPBACK]


def local_address_first(
    addresses: Sequence[Address], local_address: Address | None
) -> list[Address]:
    """Put the address by which a peer reached us before the others; any loopback one for another.

    What is not told as a candidate, as behind a NAT or with ``--advertise``, changes nothing.
    """

    def is_local(address: Address) -> bool:
        both_loopback = (
            local_address is not None and local_address.is_loopback and address.is_loopback
        )
        return address == local_address or both_loopback

    return sorted(addresses, key=lambda address: not is_local(address))


def parse_local_address(host: object) -> Address | None:
    """Read the local address of a connection; an IPv4-mapped one is the IPv4 address."""
    try:
        address = ipaddress.ip_address(str(host).partition("%")[0])
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def _is_chosen(name: str, wanted: Sequence[str]) -> bool:
    return name in wanted if wanted else _VIRTUAL.match(name) is None


def _is_useful(address: Address) -> bool:
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
