"""One run: resolve, probe the servers, measure in an order in which no test disturbs another."""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

from sfukit.errors import TargetError
from sfukit.probe.environment import nat64, portal, pref64
from sfukit.probe.environment.facts import Facts
from sfukit.probe.environment.proxy import Proxy
from sfukit.probe.nat import (
    allocation,
    filtering,
    hairpin,
    lifetime,
    mapping,
    path,
    pooling,
    ports,
    server_probe,
    sizes,
    tcp_mapping,
)
from sfukit.probe.nat.allocation import Allocation
from sfukit.probe.nat.context import Context, FullServer
from sfukit.probe.nat.filtering import FilteringResult
from sfukit.probe.nat.hairpin import Hairpin
from sfukit.probe.nat.lifetime import Lifetime
from sfukit.probe.nat.mapping import MappingResult
from sfukit.probe.nat.options import Options
from sfukit.probe.nat.pooling import Pooling
from sfukit.probe.nat.report import Ipv6, PortResult, Tcp
from sfukit.probe.nat.server_probe import ProbedServer
from sfukit.probe.nat.sizes import Fragments, Mtu
from sfukit.probe.portmap import run as portmap
from sfukit.probe.portmap.run import Portmap
from sfukit.probe.resolve import Address, Endpoint, Family, resolve
from sfukit.probe.stun import tcp
from sfukit.probe.stun.tcp import TcpAnswer
from sfukit.probe.stun.udp import local_ip

Progress = Callable[[str], None]


@dataclass
class Measured:
    """All measurements of a run; None was not requested or not possible."""

    unresolved: dict[Endpoint, str] = field(default_factory=dict)
    context: Context | None = None
    probed: list[ProbedServer] = field(default_factory=list)
    full: FullServer | None = None
    local: Address | None = None
    mapping: MappingResult | None = None
    filtering: FilteringResult | None = None
    allocation: Allocation | None = None
    hairpin: Hairpin = "not_checked"
    pooling: Pooling = "not_checked"
    lifetime: Lifetime | None = None
    hops: list[str | None] | None = None
    hops_to_public: int | None = None
    portmap: Portmap | None = None
    mtu: Mtu | None = None
    fragments: Fragments | None = None
    ports: list[PortResult] = field(default_factory=list)
    sfu_port: PortResult | None = None
    tcp_fallback: list[TcpAnswer] = field(default_factory=list)
    captive: bool | None = None
    tcp: Tcp | None = None
    ipv6: Ipv6 = field(default_factory=Ipv6)

    @property
    def answering(self) -> list[ProbedServer]:
        """List the servers that returned a mapped address."""
        return [server for server in self.probed if server.answered]

    @property
    def public(self) -> Address | None:
        """Return the mapped address at the first server."""
        return next((server.transaction.mapped for server in self.answering), None)


async def measure(
    options: Options, facts: Facts, found: Measured, progress: Progress, proxy: Proxy | None
) -> None:
    """Run the requested tests and fill ``found``; a failed test leaves its field empty."""
    addresses = await _resolve_all(options, found)
    family_6 = [pair for pair in addresses if ":" in pair[1].ip]
    family_4 = [pair for pair in addresses if ":" not in pair[1].ip]
    local_4 = options.bind_ip or (local_ip(family_4[0][1]) if family_4 else None)
    first, local = (family_4, local_4) if local_4 and family_4 else (family_6, None)
    if local is None and first:
        local = options.bind_ip or local_ip(first[0][1])
    if local is None:
        return
    context = found.context = Context(options, local)
    await _reach(context, found, first)
    second = family_6 if first is family_4 else []
    rest: list[Coroutine[Any, Any, None]] = []
    if "ipv6" in options.tests:
        rest.append(_ipv6(options, facts, found, second, first))
    if options.sfu is not None:
        rest.append(_sfu(context, found, options.sfu))
    if options.tcp or proxy is not None:
        rest.append(_tcp(context, found, proxy))
    if found.answering:
        await asyncio.gather(_behaviour(context, found, facts, progress), *rest)
    else:
        await asyncio.gather(_fall_back(context, found, proxy), *rest)


async def _resolve_all(options: Options, found: Measured) -> list[tuple[Endpoint, Address]]:
    """Resolve all names concurrently; one address of each family for each server."""

    async def one(server: Endpoint) -> list[Address]:
        try:
            return await resolve(server, _family(options), options.name_s)
        except TargetError as error:
            found.unresolved[server] = error.what
            return []

    resolved = await asyncio.gather(*(one(server) for server in options.servers))
    pairs: list[tuple[Endpoint, Address]] = []
    for server, addresses in zip(options.servers, resolved, strict=True):
        for six in (False, True):
            # the second address of a single server is a second destination
            most = 1 if len(options.servers) > 1 else 2
            same = [a for a in addresses if (":" in a.ip) == six][:most]
            pairs += [(server, address) for address in same]
    return pairs


def _family(options: Options) -> Family:
    """Return the family of the bound address, where one was given."""
    if options.bind_ip is None:
        return options.family
    return "6" if ":" in options.bind_ip else "4"


async def _reach(
    context: Context, found: Measured, servers: list[tuple[Endpoint, Address]]
) -> None:
    with context.socket(context.options.bind_port) as socket:
        found.local = socket.local
        found.probed = await server_probe.probe_servers(context, socket, servers)
    found.full = next((s.full for s in found.answering if s.full is not None), None)


async def _behaviour(context: Context, found: Measured, facts: Facts, progress: Progress) -> None:
    """Run mapping, then allocation alone (other mappings disturb it), then the others at once."""
    tests, full = context.options.tests, found.full
    progress("mapping")
    if full is not None:
        found.mapping = await mapping.probe(context, full)
    if found.mapping is None or found.mapping.value == "unknown":
        found.mapping = _better(found.mapping, _by_servers(found))
    to = full.primary if full is not None else found.answering[0].address
    if "alloc" in tests and found.local != found.public:
        progress("allocation")
        places = allocation.four(full) if full else [s.address for s in found.answering]
        found.allocation = await allocation.probe(
            context, places, endpoint_dependent=bool(found.mapping.endpoint_dependent)
        )
    await asyncio.gather(*_in_company(context, found, facts, to, progress))


def _by_servers(found: Measured) -> MappingResult:
    assert found.local is not None
    mapped = [(s.address, s.transaction.mapped) for s in found.answering]
    return mapping.compare_servers(found.local, [(a, m) for a, m in mapped if m is not None])


def _better(by_full: MappingResult | None, by_servers: MappingResult) -> MappingResult:
    """Prefer the result of several servers to that of a second address without answers."""
    if by_full is None or by_servers.value != "unknown":
        return by_servers
    return by_full


def _in_company(
    context: Context, found: Measured, facts: Facts, to: Address, progress: Progress
) -> list[Coroutine[Any, Any, None]]:
    tests, full = context.options.tests, found.full
    local_address_seen = found.public == found.local
    chosen: list[tuple[str, bool, Callable[[], Coroutine[Any, Any, None]]]] = [
        ("filtering", full is not None, lambda: _filtering(context, found)),
        ("hairpin", not local_address_seen, lambda: _hairpin(context, found, to)),
        ("pooling", True, lambda: _pooling(context, found, to)),
        ("lifetime", not local_address_seen, lambda: _lifetime(context, found, to, progress)),
        ("mtu", True, lambda: _mtu(context, found, to)),
        ("frag", True, lambda: _fragments(context, found, to)),
        ("path", True, lambda: _path(context, found, to)),
        ("portmap", not local_address_seen, lambda: _portmap(context, found, facts)),
        ("ports", True, lambda: _ports(context, found, to)),
    ]
    running = [name for name, sensible, _ in chosen if name in tests and sensible]
    progress(", ".join(running))
    return [start() for name, sensible, start in chosen if name in tests and sensible]


async def _filtering(context: Context, found: Measured) -> None:
    assert found.full is not None
    found.filtering = await filtering.probe(context, found.full)


async def _hairpin(context: Context, found: Measured, to: Address) -> None:
    found.hairpin = await hairpin.probe(context, to)


async def _pooling(context: Context, found: Measured, to: Address) -> None:
    found.pooling = await pooling.probe(context, to)


async def _lifetime(context: Context, found: Measured, to: Address, progress: Progress) -> None:
    def tick(passed_s: float, whole_s: float) -> None:
        progress(f"lifetime: {passed_s:.0f} of {whole_s:.0f} s")

    found.lifetime = await lifetime.probe(context, to, tick)


async def _mtu(context: Context, found: Measured, to: Address) -> None:
    found.mtu = await sizes.mtu(context, to)


async def _fragments(context: Context, found: Measured, to: Address) -> None:
    found.fragments = await sizes.fragments(context, to)


async def _path(context: Context, found: Measured, to: Address) -> None:
    public = found.public
    if public is None or public == found.local:
        found.hops = await path.trace(context, to)
        return
    found.hops, found.hops_to_public = await asyncio.gather(
        path.trace(context, to), path.hops_to(context, public.ip)
    )


async def _portmap(context: Context, found: Measured, facts: Facts) -> None:
    found.portmap = await portmap.query(facts.gateway_of(context.local_ip), context.local_ip)


async def _ports(context: Context, found: Measured, to: Address) -> None:
    by_udp, by_tcp = await asyncio.gather(
        ports.udp(context, to), ports.tcp_and_tls(context.local_ip, _name_of(found, to))
    )
    found.ports = [*by_udp, *by_tcp]


def _name_of(found: Measured, to: Address) -> str:
    """Return the host name that was given for an address, for TLS."""
    return next((s.endpoint.host for s in found.probed if s.address == to), to.ip)


async def _sfu(context: Context, found: Measured, sfu: Endpoint) -> None:
    try:
        addresses = await resolve(
            sfu, "6" if ":" in context.local_ip else "4", context.options.name_s
        )
    except TargetError as error:
        found.sfu_port = PortResult(
            transport="udp", host=sfu.host, port=sfu.port, state="unreachable", detail=error.what
        )
        return
    with context.socket() as socket:
        transaction = await context.send_request(socket, addresses[0], "sfu", evidence=True)
    found.sfu_port = ports.result_of(transaction)


async def _tcp(context: Context, found: Measured, proxy: Proxy | None) -> None:
    if found.probed:
        found.tcp = await tcp_mapping.probe(context, found.probed[0].address, found.full, proxy)


async def _fall_back(context: Context, found: Measured, proxy: Proxy | None) -> None:
    """Test the silent servers over TCP: an answer there shows that UDP is blocked."""

    async def one(server: ProbedServer) -> TcpAnswer:
        answer = await tcp.send_request(server.address, local=(context.local_ip, 0))
        if not answer.connected and proxy is not None:
            return await tcp.send_request(server.address, proxy=proxy)
        return answer

    async def portal_too() -> bool | None:
        # with servers of the user's own no other server is contacted
        return await portal.captive(context.local_ip) if context.options.public_servers else None

    answers, found.ports, found.captive = await asyncio.gather(
        asyncio.gather(*(one(server) for server in found.probed)),
        ports.tcp_and_tls(context.local_ip, found.probed[0].endpoint.host, proxy=proxy),
        portal_too(),
    )
    found.tcp_fallback = list(answers)


async def _ipv6(
    options: Options,
    facts: Facts,
    found: Measured,
    servers: list[tuple[Endpoint, Address]],
    first: list[tuple[Endpoint, Address]],
) -> None:
    """Test IPv6: by a server where one has an IPv6 address, else by the route."""
    main_is_6 = bool(first) and ":" in first[0][1].ip
    prefix, source = await _nat64(facts) if facts.ipv6 and not facts.ipv4 else (None, None)
    if main_is_6:
        has_reply = any(server.transaction.has_reply for server in found.probed)
        state = "works" if has_reply else "silent"
        own = found.public
        nat = None if own is None or found.local is None else own.ip != found.local.ip
        found.ipv6 = Ipv6(
            state=state,  # type: ignore[arg-type]
            address=own.ip if own else None,
            nat=nat,
            nat64_prefix=prefix,
            nat64_source=source,
        )
        return
    local = local_ip(servers[0][1]) if servers else None
    if local is None:
        found.ipv6 = Ipv6(
            state="route_only" if facts.ipv6 else "none",
            nat64_prefix=prefix,
            nat64_source=source,
        )
        return
    context = Context(options, local, found.context.records if found.context else [])
    with context.socket() as socket:
        transaction = await context.send_request(socket, servers[0][1], "ipv6")
    mapped = transaction.mapped
    found.ipv6 = Ipv6(
        state="works" if transaction.has_reply else "silent",
        address=mapped.ip if mapped else None,
        nat=mapped.ip != local if mapped else None,
    )


async def _nat64(facts: Facts) -> tuple[str | None, str | None]:
    """Return the NAT64 prefix and its source: DNS or, with root, router advertisements."""
    by_dns = await nat64.discover()
    if by_dns is not None:
        return by_dns, "RFC 7050"
    names = sorted({each.name for each in facts.interfaces if ":" in each.ip and each.ip != "::1"})
    by_router = await pref64.discover(names)
    return by_router, "RFC 8781" if by_router else None
