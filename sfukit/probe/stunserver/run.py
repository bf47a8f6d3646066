"""The sockets of the STUN server: UDP and TCP on all its addresses."""

import asyncio
import contextlib
import errno
import functools
import ipaddress
import socket
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from struct import unpack_from

import ifaddr

from sfukit.errors import MachineError, UsageError
from sfukit.probe import system
from sfukit.probe.resolve import Address
from sfukit.probe.stun import message
from sfukit.probe.stunserver.reply import Counters, Replies, Reply, Role

_BATCH = 64
_TCP_IDLE_S = 30.0
_TCP_AT_ONCE = 200
_CHOICES = 20  # of a free port: each has to be free for UDP and TCP, on two addresses
_DF_UP_TO = 1472  # DF up to 1500 bytes; a longer response is fragmented
# linux/in.h
_IP_MTU_DISCOVER, _DONT, _PROBE = 10, 0, 3


@dataclass(frozen=True)
class Settings:
    """Listen addresses. A second address of a family enables NAT behaviour discovery (RFC 5780)."""

    listen: Sequence[str]
    port: int = 3478
    alternate_port: int = 3479
    advertise: Sequence[str] = ()
    rate_per_s: float = 50.0
    burst: float = 400.0


@dataclass
class Family:
    """The sockets and the rules of one family of addresses."""

    replies: Replies
    sockets: dict[Role, socket.socket] = field(default_factory=dict)
    bound: dict[Role, Address] = field(default_factory=dict)

    @property
    def whole(self) -> bool:
        """Return whether NAT behaviour discovery is offered."""
        return Role(1, 1) in self.sockets


class StunServer:
    """A running server."""

    def __init__(self, families: list[Family]) -> None:
        self.families = families

    @property
    def primary(self) -> Address:
        """Return the first listen address."""
        return self.families[0].bound[Role(0, 0)]

    @property
    def counters(self) -> list[Counters]:
        """Return the counters of each address family."""
        return [family.replies.counters for family in self.families]


class _TakenError(MachineError):
    """A port in use by another program."""

    def __init__(self, address: Address, what: str, hint: str) -> None:
        super().__init__(what, hint=hint)
        self.port = address.port


@contextlib.asynccontextmanager
async def serving(settings: Settings) -> AsyncIterator[StunServer]:
    """Serve while open; raises ``MachineError`` where an address or port cannot be bound."""
    async with contextlib.AsyncExitStack() as stack:
        families = [await _open_family(stack, pairs, settings) for pairs in _pairs(settings)]
        yield StunServer(families)


def own_addresses() -> list[str]:
    """List up to two IPv4 and two IPv6 addresses of this machine, none loopback or link-local."""
    found: dict[int, list[str]] = {4: [], 6: []}
    for adapter in ifaddr.get_adapters():
        for ip in adapter.ips:
            text = ip.ip if isinstance(ip.ip, str) else ip.ip[0]
            address = ipaddress.ip_address(text.partition("%")[0])
            if not (address.is_loopback or address.is_link_local):
                found[address.version].append(str(address))
    return [*found[4][:2], *found[6][:2]]


def _pairs(settings: Settings) -> list[list[tuple[str, str]]]:
    """Pair listen and advertised addresses by family, at most two each."""
    advertised = settings.advertise or settings.listen
    if len(advertised) != len(settings.listen):
        raise UsageError(
            f"--advertise: {len(advertised)} addresses for {len(settings.listen)} listen addresses",
            hint="give one --advertise for each --listen, in the same order",
        )
    both = list(zip(settings.listen, advertised, strict=True))
    for listened, outer in both:
        _check_family(listened, outer)
    pairs = [[pair for pair in both if (":" in pair[0]) == six] for six in (False, True)]
    for pair in pairs:
        if len(pair) > 2:
            raise UsageError(
                f"--listen: {len(pair)} addresses of one family",
                hint="give two: RFC 5780 has two",
            )
    return [pair for pair in pairs if pair]


def _check_family(listened: str, advertised: str) -> None:
    """Refuse values that are no IP address or of different families."""
    hint = "give IP addresses of this machine"
    here = _version(listened, "--listen", hint)
    hint = f"give the external IPv{here} address of {listened}"
    if _version(advertised, "--advertise", hint) != here:
        raise UsageError(f"--advertise {advertised}: {listened} is of another family", hint=hint)


def _version(text: str, where: str, hint: str) -> int:
    try:
        return ipaddress.ip_address(text).version
    except ValueError as error:
        raise UsageError(f"{where} {text!r}: this is no IP address", hint=hint) from error


async def _open_family(
    stack: contextlib.AsyncExitStack, addresses: list[tuple[str, str]], settings: Settings
) -> Family:
    """Open UDP and TCP; with port 0 retry until the port chosen for UDP is free for TCP."""
    choice = 0
    while True:
        choice += 1
        async with contextlib.AsyncExitStack() as opened:
            try:
                family = _open_udp(opened, asyncio.get_running_loop(), addresses, settings)
                await _open_tcp(opened, family)
            except _TakenError as taken:
                if taken.port in (settings.port, settings.alternate_port) or choice == _CHOICES:
                    raise
                continue
            await stack.enter_async_context(opened.pop_all())
            return family


def _open_udp(
    stack: contextlib.AsyncExitStack,
    loop: asyncio.AbstractEventLoop,
    addresses: list[tuple[str, str]],
    settings: Settings,
) -> Family:
    outer: dict[Role, Address] = {}
    family = Family(Replies(outer, settings.rate_per_s, settings.burst))
    ports = (settings.port, settings.alternate_port)
    for ip_index, (ip, advertised) in enumerate(addresses):
        for port_index in range(2 if len(addresses) > 1 else 1):
            role = Role(ip_index, port_index)
            # with port 0 the second address uses the ports of the first
            taken = family.bound.get(Role(0, port_index))
            sock = _bind(ip, taken.port if taken else ports[port_index])
            stack.callback(sock.close)
            family.sockets[role] = sock
            family.bound[role] = Address(*sock.getsockname()[:2])
            outer[role] = Address(advertised, family.bound[role].port)
    for role, sock in family.sockets.items():
        loop.add_reader(sock, _readable, family, role, sock)
        stack.callback(loop.remove_reader, sock)
    return family


def _bind(ip: str, port: int) -> socket.socket:
    sock = socket.socket(socket.AF_INET6 if ":" in ip else socket.AF_INET, socket.SOCK_DGRAM)
    sock.setblocking(False)
    try:
        if sock.family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind((ip, port))
    except OSError as error:
        sock.close()
        raise _cannot_bind(Address(ip, port), error) from error
    return sock


def _cannot_bind(address: Address, error: OSError) -> MachineError:
    hints = {
        errno.EADDRINUSE: "the port is in use; give --port, or stop that program",
        errno.EADDRNOTAVAIL: "give addresses of this machine: ip address show",
        errno.EACCES: "ports below 1024 need root",
    }
    what = f"cannot listen on {address}: {error.strerror}"
    if error.errno == errno.EADDRINUSE:
        return _TakenError(address, what, hints[errno.EADDRINUSE])
    return MachineError(what, hint=hints.get(error.errno or 0))


def _readable(family: Family, role: Role, sock: socket.socket) -> None:
    for _ in range(_BATCH):
        try:
            data, source = sock.recvfrom(message.MAX_BYTES + 1)
        except OSError:
            return
        asked_by = Address(str(source[0]), int(source[1]))
        reply = family.replies.answer(data, asked_by, role, time.monotonic())
        if reply is not None:
            _send(family.sockets[reply.source], reply)


def _send(sock: socket.socket, reply: Reply) -> None:
    """Send with DF up to 1500 bytes, so that clients can measure the path MTU from the server."""
    if system.linux() and sock.family == socket.AF_INET:
        discover = _PROBE if len(reply.data) <= _DF_UP_TO else _DONT
        sock.setsockopt(socket.IPPROTO_IP, _IP_MTU_DISCOVER, discover)
    with contextlib.suppress(OSError):  # a full buffer or an unreachable client: it retransmits
        sock.sendto(reply.data, reply.to)


async def _open_tcp(stack: contextlib.AsyncExitStack, family: Family) -> None:
    """Listen on TCP beside UDP (RFC 8489 6.2.2), on every address."""
    open_now = 0

    async def serve(role: Role, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal open_now
        open_now += 1
        try:
            if open_now <= _TCP_AT_ONCE:
                await _serve_stream(family, role, reader, writer)
        finally:
            open_now -= 1
            writer.close()

    for role, address in family.bound.items():
        try:
            listener = await asyncio.start_server(
                functools.partial(serve, role), address.ip, address.port
            )
        except OSError as error:
            raise _cannot_bind(address, error) from error
        stack.callback(listener.close)


async def _serve_stream(
    family: Family, role: Role, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    """Answer requests on one connection until it is idle or sends an invalid message."""
    source = Address(*writer.get_extra_info("peername")[:2])
    with contextlib.suppress(OSError, asyncio.IncompleteReadError):
        while True:
            try:
                async with asyncio.timeout(_TCP_IDLE_S):
                    if not await _serve_one(family, role, source, reader, writer):
                        return
            except TimeoutError:
                # a client that does not read would keep its buffer and the connection
                writer.transport.abort()
                return


async def _serve_one(
    family: Family,
    role: Role,
    source: Address,
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
) -> bool:
    """Answer one request; False where the connection has to end."""
    head = await reader.readexactly(20)
    (length,) = unpack_from("!H", head, 2)
    if length > message.MAX_BYTES - 20:
        return False
    data = head + await reader.readexactly(length)
    reply = family.replies.answer(data, source, role, time.monotonic())
    # over TCP a CHANGE-REQUEST cannot be fulfilled
    if reply is None or reply.source != role:
        return False
    writer.write(reply.data)
    await writer.drain()
    return True
