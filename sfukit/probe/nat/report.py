"""The JSON of ``sfukit nat-probe``; its schema is published in docs/schema/nat-probe.json."""

from typing import Any, Literal, get_args, get_origin

import msgspec
from msgspec import Struct

from sfukit import report
from sfukit.gates import TEXT, GateResult, Value
from sfukit.probe.finding import Finding
from sfukit.probe.nat.allocation import Allocation
from sfukit.probe.nat.hairpin import Hairpin
from sfukit.probe.nat.lifetime import Lifetime
from sfukit.probe.nat.path import Path
from sfukit.probe.nat.pooling import Pooling
from sfukit.probe.nat.sizes import Fragments, Mtu
from sfukit.probe.portmap.run import Portmap
from sfukit.report import Envelope

SCHEMA = report.schema_id("nat-probe")

Level = Literal["high", "medium", "low", "none"]
PortState = Literal["open", "reached", "silent", "unreachable"]
PeerAnswer = Literal["yes", "no", "unknown"]
Classic = Literal[
    "open internet",
    "firewall",
    "no NAT",
    "full cone",
    "address-restricted cone",
    "port-restricted cone",
    "cone",
    "symmetric",
    "unknown",
]
"""The kinds of RFC 3489; ``cone`` is one whose filtering is not known."""


class ServerReport(msgspec.Struct, frozen=True, kw_only=True):
    """One address of a server; ``rfc5780`` where it answers from its second address too."""

    name: str
    address: str | None = None
    answered: bool = False
    rfc5780: bool = False
    other_address: str | None = None
    rtt_ms: float | None = None
    quirks: list[str] = []
    reason: str | None = None


class Mapped(msgspec.Struct, frozen=True, kw_only=True):
    """An outer address as one server saw it."""

    server: str
    address: str


class Nat(msgspec.Struct, frozen=True, kw_only=True):
    """Behaviour by RFC 4787; ``reason`` and ``confidence`` have an entry for each finding."""

    present: bool | None = None
    mapping: Literal["EIM", "ADM", "APDM", "unknown"] = "unknown"
    filtering: Literal["EIF", "ADF", "APDF", "unknown"] = "unknown"
    classic: Classic = "unknown"
    endpoint_dependent: bool | None = None
    allocation: Allocation = Allocation(kind="unknown")
    port_preservation: bool | None = None
    hairpin: Hairpin = "not_checked"
    pooling: Pooling = "not_checked"
    reason: dict[str, str] = {}
    confidence: dict[str, Level] = {}


class Ipv6(msgspec.Struct, frozen=True, kw_only=True):
    """IPv6 from here: ``works`` only where a server answered by it."""

    state: Literal["none", "route_only", "works", "silent", "not_checked"] = "not_checked"
    address: str | None = None
    nat: bool | None = None
    nat64_prefix: str | None = None
    nat64_source: str | None = None


class PortResult(msgspec.Struct, frozen=True, kw_only=True):
    """One port of one host: ``reached`` is a closed port whose host said so, so the way is open.

    ``issuer`` is that of a certificate without a public root.
    """

    transport: Literal["udp", "tcp", "tls"]
    host: str
    port: int
    state: PortState
    detail: str | None = None
    issuer: str | None = None


class Tcp(msgspec.Struct, frozen=True, kw_only=True):
    """STUN over TCP: whether it answers, and how TCP connections are mapped (RFC 5382)."""

    answered: bool = False
    mapped: str | None = None
    mapping: Literal["EIM", "ADM", "APDM", "unknown"] = "unknown"
    via_proxy: str | None = None
    reason: str | None = None


class Works(msgspec.Struct, frozen=True, kw_only=True):
    """The verdict in parts; UDP ports are named only where they were tested."""

    udp: Literal["yes", "blocked", "unknown"] = "unknown"
    p2p_by_peer_type: dict[str, PeerAnswer] = {}
    sfu_udp: Literal["yes", "likely", "no", "unknown"] = "unknown"
    sfu_reason: str | None = None
    turn_needed: Literal["no", "symmetric_peers", "most_peers", "always", "unknown"] = "unknown"
    open_ports: list[int] = []
    keepalive_s: int | None = None
    advice: list[str] = []


class TestRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One transaction as it went."""

    __test__ = False  # not a test of pytest's

    id: str
    to: str
    sent: int
    received: int
    from_: str | None = msgspec.field(name="from", default=None)
    mapped: str | None = None
    rtt_ms: float | None = None
    note: str | None = None


class NatReport(Envelope, kw_only=True, frozen=True):
    """The whole result of one probe."""

    reason: str | None = None
    started: str
    duration_ms: float
    level: str
    servers: list[ServerReport]
    server: ServerReport | None = None
    local: str | None = None
    mapped: list[Mapped]
    environment: list[Finding]
    ipv4: Literal["present", "absent"] = "present"
    nat: Nat = Nat()
    lifetime: Lifetime | None = None
    path: Path = Path()
    mtu: Mtu | None = None
    fragments: Fragments | None = None
    portmap: Portmap | None = None
    ipv6: Ipv6 = Ipv6()
    ports: list[PortResult]
    tcp: Tcp | None = None
    works: Works = Works()
    tests: list[TestRecord]
    confidence: Level = "none"
    confidence_reason: str = ""
    lost: int = 0
    warnings: list[str]
    gates: list[GateResult]


def schema() -> dict[str, Any]:
    """Describe the report as JSON Schema."""
    return report.schema(NatReport)


_TEXTS = (
    "nat.present",
    "nat.mapping",
    "nat.filtering",
    "nat.classic",
    "nat.allocation.kind",
    "nat.port_preservation",
    "nat.hairpin",
    "nat.pooling",
    "path.cgnat",
    "path.double_nat",
    "ipv4",
    "ipv6.state",
    "works.udp",
    "works.sfu_udp",
    "works.turn_needed",
    "works.p2p_by_peer_type.open",
    "works.p2p_by_peer_type.full_cone",
    "works.p2p_by_peer_type.address_restricted",
    "works.p2p_by_peer_type.port_restricted",
    "works.p2p_by_peer_type.symmetric",
    "fragments.up",
    "fragments.down",
    "confidence",
    "lifetime.inbound_refresh",
)
_NUMBERS = {
    "nat.allocation.delta": "count",
    "lifetime.oneshot.at_least_s": "s",
    "lifetime.oneshot.below_s": "s",
    "lifetime.warm.at_least_s": "s",
    "lifetime.warm.below_s": "s",
    "mtu.up": "bytes",
    "mtu.down": "bytes",
    "server.rtt_ms": "ms",
    "works.keepalive_s": "s",
    "duration_ms": "ms",
    "lost": "count",
}


def catalogue() -> dict[str, str]:
    """List the paths that ``-T`` knows, with their units."""
    return {**dict.fromkeys(_TEXTS, TEXT), **_NUMBERS}


def words() -> dict[str, tuple[str, ...]]:
    """List the words that each text among the paths of ``-T`` can be."""
    return {path: _words_of(_type_at(path)) for path in _TEXTS}


def _type_at(path: str) -> Any:
    kind: Any = NatReport
    for name in path.split("."):
        parts = (kind, *get_args(kind))  # itself, or what stands beside None
        within = next((p for p in parts if isinstance(p, type) and issubclass(p, Struct)), None)
        if within is None:  # a mapping: what it holds for any name
            kind = get_args(kind)[1]
        else:
            kind = next(f.type for f in msgspec.structs.fields(within) if f.name == name)
    return kind


def _words_of(kind: Any) -> tuple[str, ...]:
    for part in (kind, *get_args(kind)):
        if get_origin(part) is Literal:
            return get_args(part)
        if part is bool:
            return ("true", "false")
    raise AssertionError(f"{kind} has no words")


def figures(report: NatReport) -> dict[str, Value]:
    """Read the value at each path; None is unknown, and so is the word."""
    document = msgspec.to_builtins(report)
    return {path: _figure(document, path) for path in catalogue()}


def _figure(document: Any, path: str) -> Value:
    value = document
    for name in path.split("."):
        value = value.get(name) if isinstance(value, dict) else None
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None or isinstance(value, (int, float)):
        return value
    return None if value in ("unknown", "not_checked") else str(value)
