"""Topologies of network namespaces: clients behind NATs, and a server (Linux, root).

    client 10.0.0.2 - NAT - [100.64.0.0/24 - CGNAT -] 203.0.113.0/24 - server .1 and .2

Loss is in the router next to a client, in each direction. Interfaces keep the same names in every
namespace, and the namespaces of one topology begin with one random prefix, so several topologies
can exist at the same time.
"""

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass

from sfukit.errors import MachineError, UsageError
from sfukit.probe.natlab import rules
from sfukit.probe.natlab.rules import KINDS, LAN, WAN, Kind, Place

SERVER_IPS = ("203.0.113.1", "203.0.113.2")

_HOME = "port-restricted"  # the router of the client's own, before a CGNAT
_MAX_SIDES = 8
_TIMEOUT_S = 30.0


@dataclass(frozen=True)
class Side:
    """A client's namespace and the routers before it, from the client outwards."""

    kind: str
    client: str
    routers: tuple[str, ...]
    client_ip: str
    public_ip: str


@dataclass(frozen=True)
class Topology:
    """A built topology; ``server`` is the namespace that holds both of ``SERVER_IPS``."""

    server: str
    sides: tuple[Side, ...]

    @property
    def client(self) -> str:
        """Name the namespace of the first client."""
        return self.sides[0].client


def kinds() -> list[str]:
    """List what can be built; ``cgnat:KIND`` is a home router behind a CGNAT of any KIND."""
    return [*KINDS, "cgnat:port-restricted", "cgnat:symmetric-random"]


def inside(namespace: str, *arguments: str) -> tuple[str, ...]:
    """Write a command so that it runs in a namespace."""
    return ("ip", "netns", "exec", namespace, *arguments)


@contextlib.asynccontextmanager
async def topology(*wanted: str, loss_percent: int = 0) -> AsyncIterator[Topology]:
    """Build one client behind each of the kinds; all of it is deleted on exit.

    Raises ``UsageError`` for an unknown kind, ``MachineError`` where namespaces cannot be made.
    """
    prefix = f"sfulab{secrets.token_hex(3)}"
    server = f"{prefix}-s"
    if not 1 <= len(wanted) <= _MAX_SIDES:
        raise UsageError(f"{len(wanted)} clients in one topology", hint=f"give 1 to {_MAX_SIDES}")
    plans = [_plan(kind) for kind in wanted]
    sides = tuple(
        _side(f"{prefix}-{index}", index, kind, plan)
        for index, (kind, plan) in enumerate(zip(wanted, plans, strict=True))
    )
    names = [server, *(name for side in sides for name in (side.client, *side.routers))]
    try:
        await _batch(None, [f"netns add {name}" for name in names])
        await asyncio.gather(*(_prepare(name) for name in names))
        await _wire_server(server, sides, plans)
        for index, (side, plan) in enumerate(zip(sides, plans, strict=True)):
            await _wire_side(index, side, plan)
            await _route_to_open_sides(side.routers[-1], index, plans)
            await _translate(index, side, plan, loss_percent)
        yield Topology(server, sides)
    finally:
        for name in names:
            with contextlib.suppress(MachineError):
                await run("ip", "netns", "delete", name)


def _plan(kind: str) -> list[Kind]:
    """List the routers of a kind from the client outwards."""
    outer = kind.removeprefix("cgnat:")
    names = [_HOME, outer] if outer != kind else [kind]
    for name in names:
        if name not in KINDS:
            raise UsageError(f"{kind}: no such NAT kind", hint=f"one of {', '.join(kinds())}")
    return [KINDS[name] for name in names]


def _side(prefix: str, index: int, kind: str, plan: list[Kind]) -> Side:
    place = _place(index, 0, plan)
    client_ip = _host(place.lan_network, 2)
    return Side(
        kind=kind,
        client=f"{prefix}c",
        routers=tuple(f"{prefix}r{number}" for number in range(len(plan))),
        client_ip=client_ip,
        public_ip=client_ip if plan[0].routed else _outer_ip(index),
    )


def _outer_ip(index: int) -> str:
    return f"203.0.113.{101 + index}"


def _place(index: int, number: int, plan: list[Kind]) -> Place:
    """Return where the router ``number`` of a side stands: its outer address, its inner network."""
    last = number == len(plan) - 1
    wan = _outer_ip(index) if last else "100.64.0.2"
    if plan[number].routed:
        return Place(wan, f"198.51.100.{8 * index}/29")
    return Place(wan, "10.0.0.0/24" if number == 0 else "100.64.0.0/24")


def _host(network: str, number: int) -> str:
    base, _, _ = network.partition("/")
    head, _, tail = base.rpartition(".")
    return f"{head}.{int(tail) + number}"


def _with_length(network: str, number: int) -> str:
    return f"{_host(network, number)}/{network.partition('/')[2]}"


async def _prepare(name: str) -> None:
    """Route between interfaces, and leave IPv6 out, whose duplicate checks take seconds."""
    sysctl = (
        "echo 1 > /proc/sys/net/ipv4/ip_forward; "
        "echo 1 > /proc/sys/net/ipv6/conf/all/disable_ipv6; "
        "echo 1 > /proc/sys/net/ipv6/conf/default/disable_ipv6; "
        # as a home router does; one ICMP error per second would hide hops
        "echo 0 > /proc/sys/net/ipv4/icmp_ratelimit; ip link set lo up"
    )
    await run(*inside(name, "sh", "-c", sysctl))


async def _wire_server(server: str, sides: tuple[Side, ...], plans: list[list[Kind]]) -> None:
    lines = ["link add public type bridge forward_delay 0"]
    lines += [f"address add {ip}/24 dev public" for ip in SERVER_IPS]
    lines += ["link set public up"]
    for index, side in enumerate(sides):
        lines.append(f"link add side{index} type veth peer name {WAN} netns {side.routers[-1]}")
        lines.append(f"link set side{index} master public up")
    await _batch(server, lines)
    await _route_to_open_sides(server, None, plans)


async def _route_to_open_sides(name: str, own: int | None, plans: list[list[Kind]]) -> None:
    """Return the public network where the networks are that no NAT hides."""
    lines = [
        f"route add {_place(index, 0, plan).lan_network} via {_outer_ip(index)}"
        for index, plan in enumerate(plans)
        if plan[0].routed and index != own
    ]
    await _batch(name, lines)


async def _wire_side(index: int, side: Side, plan: list[Kind]) -> None:
    """Connect the client to its router, and that to the next one."""
    inner = side.client
    for number, router in enumerate(side.routers):
        network = _place(index, number, plan).lan_network
        device = "eth0" if number == 0 else WAN
        await _batch(
            router,
            [
                f"link add {LAN} type veth peer name {device} netns {inner}",
                f"address add {_with_length(network, 1)} dev {LAN}",
                f"link set {LAN} up",
            ],
        )
        await _batch(
            inner,
            [
                f"address add {_with_length(network, 2)} dev {device}",
                f"link set {device} up",
                f"route add default via {_host(network, 1)}",
            ],
        )
        inner = router
    await _batch(inner, [f"address add {_outer_ip(index)}/24 dev {WAN}", f"link set {WAN} up"])


async def _translate(index: int, side: Side, plan: list[Kind], loss_percent: int) -> None:
    for number, router in enumerate(side.routers):
        place = _place(index, number, plan)
        text = rules.ruleset(plan[number], place, loss_percent if number == 0 else 0)
        await run(*inside(router, "nft", "-f", "-"), stdin=text)


async def _batch(namespace: str | None, lines: list[str]) -> None:
    if lines:
        where = () if namespace is None else ("-netns", namespace)
        await run("ip", *where, "-batch", "-", stdin="\n".join(lines) + "\n")


async def run(*command: str, stdin: str = "") -> str:
    """Run a program of the system; raises ``MachineError`` with what it said."""
    try:
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
    except FileNotFoundError as error:
        raise MachineError(
            f"{command[0]} is missing", hint="on Debian: apt-get install iproute2 nftables"
        ) from error
    async with asyncio.timeout(_TIMEOUT_S):
        out, err = await process.communicate(stdin.encode())
    if process.returncode:
        said = err.decode(errors="replace").strip() or f"exit code {process.returncode}"
        raise MachineError(
            f"{' '.join(command[:6])}: {said}", hint="network namespaces need root and nftables"
        )
    return out.decode(errors="replace")
