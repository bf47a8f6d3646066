"""From facts to findings: which NAT is measured from here, and over which route packets leave."""

import ipaddress
import re
from collections.abc import Iterator

from sfukit.probe.environment.facts import Facts, Interface
from sfukit.probe.finding import Finding
from sfukit.probe.resolve import is_shared

_TUNNEL = re.compile(r"(tun|tap|wg|utun|ipsec|zt|nordlynx|proton|tailscale|cscotun|gpd)\w*")
_CLAT = ipaddress.ip_network("192.0.0.0/29")  # RFC 7335
_DOCKER = ipaddress.IPv4Network("172.16.0.0/12")
_USER_MODE = ipaddress.ip_network("10.0.2.0/24")


def examine(facts: Facts) -> list[Finding]:
    """List the findings that affect every measurement from this host."""
    return [
        *_contained(facts),
        *_virtual(facts),
        *_tunnels(facts),
        *_routes(facts),
        *_families(facts),
    ]


def _contained(facts: Facts) -> Iterator[Finding]:
    default = _default_interface(facts)
    if facts.container is None or default is None:
        return
    network = ipaddress.IPv4Network(f"{default.ip}/{default.prefix}", strict=False)
    if facts.container == "Docker" and network.subnet_of(_DOCKER):
        yield Finding(
            name="container_bridge",
            state="warning",
            text=f"Docker bridge {network}: the measured NAT is Docker's",
            fix="use --network host to measure the machine's own NAT",
            evidence=["/.dockerenv", f"{default.name} {default.ip}"],
        )
        return
    yield Finding(
        name="container",
        state="note",
        text=f"{facts.container} container on {network}, which may be its own network "
        "or the machine's",
        evidence=[f"{default.name} {default.ip}"],
    )


def _virtual(facts: Facts) -> Iterator[Finding]:
    if "microsoft" in facts.kernel.lower():
        yield Finding(
            name="wsl2" if "wsl2" in facts.kernel.lower() else "wsl",
            state="warning",
            text="WSL: Windows is a NAT in front of it, unless networkingMode is mirrored",
            fix="set networkingMode=mirrored in .wslconfig, or probe from Windows",
            evidence=[facts.kernel],
        )
    default = _default_interface(facts)
    gateway = facts.gateway()
    if default is None or gateway is None or facts.container:
        return
    if ipaddress.ip_address(default.ip) in _USER_MODE and gateway == "10.0.2.2":
        yield Finding(
            name="vm_nat",
            state="warning",
            text="virtual machine behind user-mode NAT 10.0.2.0/24 (VirtualBox, QEMU)",
            fix="use a bridged adapter to measure the network's own NAT",
            evidence=[f"gateway {gateway}", *([facts.product] if facts.product else [])],
        )
    elif "vmware" in (facts.product or "").lower() and gateway.endswith(".2"):
        yield Finding(
            name="vm_nat",
            state="warning",
            text=f"VMware virtual machine, gateway {gateway}: probably VMware's own NAT",
            fix="use a bridged adapter to measure the network's own NAT",
            evidence=[facts.product or ""],
        )


def _tunnels(facts: Facts) -> Iterator[Finding]:
    tunnels = sorted({each.name for each in facts.interfaces if _TUNNEL.fullmatch(each.name)})
    if not tunnels:
        return
    halves = {
        route.interface
        for route in facts.routes or ()
        if route.prefix == 1 and _TUNNEL.fullmatch(route.interface)
    }
    default = next((route.interface for route in facts.default_routes()), None)
    leaving = default if default in tunnels else next(iter(sorted(halves)), None)
    if leaving is not None:
        yield Finding(
            name="vpn_default",
            state="warning",
            text=f"VPN {leaving} is the default route: the measured NAT is the VPN server's",
            fix="stop the VPN to measure the local network, or --bind to its address",
            evidence=[f"default route by {leaving}"],
        )
    elif facts.routes is not None:
        yield Finding(
            name="split_tunnel",
            state="note",
            text=f"split tunnel {', '.join(tunnels)}: some destinations use another route",
            evidence=[f"default route by {default or 'none'}"],
        )


def _routes(facts: Facts) -> Iterator[Finding]:
    defaults = facts.default_routes()
    ways = {(route.interface, route.gateway) for route in defaults}
    if len(ways) > 1:
        names = ", ".join(f"{r.interface} via {r.gateway or 'link'}" for r in defaults)
        yield Finding(
            name="several_default_routes",
            state="note",
            text=f"several default routes ({names}): the first is used; browsers may try all",
            fix="--all-interfaces probes each",
        )


def _families(facts: Facts) -> Iterator[Finding]:
    if any(
        ":" not in each.ip and ipaddress.ip_address(each.ip) in _CLAT for each in facts.interfaces
    ):
        yield Finding(
            name="464xlat",
            state="note",
            text="464XLAT: IPv4 is carried over an IPv6-only network (192.0.0.0/29)",
        )
    if not facts.ipv4 and not facts.ipv6:
        yield Finding(
            name="no_network",
            state="bad",
            text="no default route, neither IPv4 nor IPv6",
            fix="connect this machine to a network",
        )
    elif not facts.ipv4:
        yield Finding(
            name="ipv4_absent",
            state="note",
            text="IPv6 only: no IPv4 route; IPv4 is absent, not blocked",
        )
    default = _default_interface(facts)
    if default is not None and is_shared(default.ip) and not _TUNNEL.fullmatch(default.name):
        yield Finding(
            name="cgnat_address",
            state="note",
            text=f"own address {default.ip} is in the shared address space of CGNAT (RFC 6598)",
        )


def _default_interface(facts: Facts) -> Interface | None:
    for route in facts.default_routes():
        for each in facts.interfaces:
            if each.name == route.interface and ":" not in each.ip:
                return each
    return None
