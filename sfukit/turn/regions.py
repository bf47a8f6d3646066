"""The table of an operator that maps the networks of clients to regions."""

import ipaddress
from collections.abc import Iterable
from pathlib import Path

from sfukit.errors import UsageError
from sfukit.turn.server import REGION

_EXAMPLE = "a line is NETWORK REGION, such as 203.0.113.0/24 eu; # begins a comment"

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class Regions:
    """Networks with their regions; the longest prefix that contains an address decides."""

    def __init__(self, lines: Iterable[str] = (), where: str = "regions") -> None:
        """Read the lines of a table; raise ``UsageError`` that names file and line."""
        # IP version -> prefix length -> leading bits of the network -> region
        self._tables: dict[int, dict[int, dict[int, str]]] = {4: {}, 6: {}}
        self.names: set[str] = set()
        for number, line in enumerate(lines, 1):
            if words := line.partition("#")[0].split():
                self._add(words, f"{where}, line {number}")

    def region_of(self, address: str) -> str | None:
        """Return the region of a client's address, None if no network contains it."""
        parsed = _parse(address)
        if parsed is None:
            return None
        table = self._tables[parsed.version]
        bits = int(parsed)
        for length in sorted(table, reverse=True):
            if region := table[length].get(bits >> (parsed.max_prefixlen - length)):
                return region
        return None

    def _add(self, words: list[str], where: str) -> None:
        if len(words) != 2:
            raise UsageError(f"{where}: {' '.join(words)[:80]!r} is no entry", hint=_EXAMPLE)
        text, region = words
        try:
            network = ipaddress.ip_network(text)
        except ValueError as error:
            raise UsageError(f"{where}: {error}", hint=_EXAMPLE) from None
        if REGION.fullmatch(region) is None:
            raise UsageError(
                f"{where}: {region[:80]!r} is no name of a region",
                hint="1 to 32 letters, digits, dots, - or _",
            )
        networks = self._tables[network.version].setdefault(network.prefixlen, {})
        bits = int(network.network_address) >> (network.max_prefixlen - network.prefixlen)
        earlier = networks.setdefault(bits, region)
        if earlier != region:
            raise UsageError(
                f"{where}: {network} is in the region {earlier} by an earlier line",
                hint="give each network one region",
            )
        self.names.add(region)


def read(path: str, where: str) -> Regions:
    """Read a table from a file; raise ``UsageError`` that begins with ``where``."""
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{where}: cannot read {path}: {error}") from error
    table = Regions(lines, f"{where} {path}")
    if not table.names:
        raise UsageError(f"{where}: {path} has no networks", hint=_EXAMPLE)
    return table


def _parse(address: str) -> Address | None:
    """Parse an address; IPv4-mapped addresses become IPv4 addresses, zones are left out."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return None
    return getattr(parsed, "ipv4_mapped", None) or parsed
