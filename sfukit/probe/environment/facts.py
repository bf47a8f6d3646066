"""The network configuration of this host: addresses, routes, container."""

import ipaddress
import os
import platform
import socket
import sys
from pathlib import Path

import ifaddr
import msgspec

from sfukit.probe import system
from sfukit.probe.resolve import Family

_ROUTE_UP, _ROUTE_GATEWAY = 0x1, 0x2  # linux/route.h


class Interface(msgspec.Struct, frozen=True, kw_only=True):
    """One address of one interface."""

    name: str
    ip: str
    prefix: int


class Route(msgspec.Struct, frozen=True, kw_only=True):
    """One IPv4 route; a default route has the prefix 0."""

    interface: str
    prefix: int
    gateway: str | None
    metric: int = 0


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """The configuration; None is unknown."""

    kernel: str
    interfaces: list[Interface]
    routes: list[Route] | None
    ipv4: bool
    ipv6: bool
    container: str | None = None
    product: str | None = None

    def default_routes(self) -> list[Route]:
        """List the default routes, the preferred first."""
        found = [route for route in self.routes or () if route.prefix == 0]
        return sorted(found, key=lambda route: route.metric)

    def gateway(self) -> str | None:
        """Return the gateway of the preferred default route."""
        return next((route.gateway for route in self.default_routes() if route.gateway), None)

    def gateway_of(self, ip: str) -> str | None:
        """Return the gateway of the interface that has an address; None without one.

        A VPN may replace the default route by two routes with the prefix 1.
        """
        # Linux names an interface's further addresses eth0:1, but not in its routes
        names = {each.name.partition(":")[0] for each in self.interfaces if each.ip == ip}
        ways = [r for r in self.routes or () if r.interface in names and r.prefix <= 1]
        ways.sort(key=lambda route: (route.prefix, route.metric))
        return next((route.gateway for route in ways if route.gateway), None)


def read() -> Facts:
    """Read the network configuration of the running system."""
    linux = system.linux()
    return Facts(
        kernel=platform.release(),
        interfaces=_interfaces(),
        routes=read_routes(_text("/proc/net/route")) if linux else None,
        ipv4=_has_route(socket.AF_INET, "192.0.2.1"),
        ipv6=_has_route(socket.AF_INET6, "2001:db8::1"),
        container=_container() if linux else None,
        product=_text("/sys/class/dmi/id/product_name").strip() or None if linux else None,
    )


def usable_addresses(family: Family) -> list[str]:
    """List this machine's addresses that can reach others, for ``--all-interfaces``."""
    found: list[str] = []
    for each in _interfaces():
        ip = ipaddress.ip_address(each.ip.partition("%")[0])
        if family in ("both", str(ip.version)) and not (ip.is_loopback or ip.is_link_local):
            found.append(str(ip))
    return list(dict.fromkeys(found))


def read_routes(table: str) -> list[Route]:
    """Read /proc/net/route: addresses are hexadecimal, in the byte order of the machine."""
    routes: list[Route] = []
    for line in table.splitlines()[1:]:
        fields = line.split()
        if len(fields) < 8:
            continue
        flags = int(fields[3], 16)
        if flags & _ROUTE_UP:
            routes.append(
                Route(
                    interface=fields[0],
                    prefix=int(fields[7], 16).bit_count(),
                    gateway=_hex_ip(fields[2]) if flags & _ROUTE_GATEWAY else None,
                    metric=int(fields[6]),
                )
            )
    return routes


def _hex_ip(text: str) -> str:
    return str(ipaddress.IPv4Address(int(text, 16).to_bytes(4, sys.byteorder)))


def _interfaces() -> list[Interface]:
    found: list[Interface] = []
    for adapter in ifaddr.get_adapters():
        for ip in adapter.ips:
            text = ip.ip if isinstance(ip.ip, str) else ip.ip[0]
            found.append(Interface(name=adapter.name, ip=text, prefix=ip.network_prefix))
    return found


def _has_route(family: socket.AddressFamily, towards: str) -> bool:
    """Return whether the kernel has a route to a documentation address; nothing is sent."""
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((towards, 9))
            return not ipaddress.ip_address(probe.getsockname()[0]).is_loopback
    except OSError:
        return False


def _container() -> str | None:
    if os.environ.get("KUBERNETES_SERVICE_HOST"):
        return "Kubernetes"
    if Path("/.dockerenv").exists():
        return "Docker"
    return "Podman" if Path("/run/.containerenv").exists() else None


def _text(path: str) -> str:
    try:
        return Path(path).read_text(errors="replace")
    except OSError:
        return ""
