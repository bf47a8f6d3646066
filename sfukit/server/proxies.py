"""The client address behind reverse proxies: the rightmost untrusted of X-Forwarded-For."""

import ipaddress
from collections.abc import Iterable, Sequence

from sfukit.errors import UsageError

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class TrustedProxies:
    """The networks whose ``X-Forwarded-For`` and ``X-Forwarded-Prefix`` are trusted."""

    def __init__(self, networks: Iterable[str]) -> None:
        self._networks = [_network(text) for text in networks]

    def trusts(self, address: str) -> bool:
        """Return whether an address is that of a trusted proxy."""
        parsed = _address(address)
        return parsed is not None and self._contains(parsed)

    def client_address(self, peer: str, forwarded_for: Sequence[str]) -> str:
        """Return the address of the client; an entry that is no address ends the search."""
        nearest = peer
        if not self._networks or not self.trusts(peer):
            return peer
        for text in reversed(",".join(forwarded_for).split(",")):
            parsed = _address(text)
            if parsed is None:
                break
            nearest = str(parsed)
            if not self._contains(parsed):
                break
        return nearest

    def _contains(self, address: Address) -> bool:
        return any(address in network for network in self._networks)


def _network(text: str) -> Network:
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError:
        raise UsageError(
            f"--trusted-proxy {text}: not a network", hint="give a CIDR such as 10.0.0.0/8"
        ) from None


def _address(text: str) -> Address | None:
    """Parse an address with or without port; IPv4-mapped addresses become IPv4 addresses."""
    bare = text.strip()
    if bare.startswith("["):
        bare = bare[1:].partition("]")[0]
    elif bare.count(":") == 1:
        bare = bare.partition(":")[0]
    try:
        parsed = ipaddress.ip_address(bare.partition("%")[0])
    except ValueError:
        return None
    mapped = getattr(parsed, "ipv4_mapped", None)
    return mapped if mapped is not None else parsed
