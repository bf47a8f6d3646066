"""The way to a TURN server: dns, connect, tls; a client that can talk comes out."""

import asyncio
import socket
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from aioice import stun

from sfukit.probe import reach, tls
from sfukit.probe.course import Course, StepFailedError
from sfukit.probe.finding import Stopwatch
from sfukit.probe.resolve import Address, Endpoint
from sfukit.probe.turn.client import (
    LIFETIME_S,
    Client,
    RefusedError,
    StreamClient,
    UdpClient,
    ask,
    ping_ms,
)
from sfukit.probe.turn.options import TurnOptions
from sfukit.probe.turn.uri import Variant

_BINDING_S = 1.2  # three sends of aioice's schedule
_DIRECT_SAMPLES = 5
_DIRECT_LOST = 2  # a packet may be lost; a server that never answers costs so many waits
_CHANNEL_REFRESH_S = 500


@dataclass
class Connected:
    """A client, where its server is, and the round trip to it without relaying."""

    client: Client
    server: Address
    direct_rtt_ms: float | None


async def connect(
    course: Course, variant: Variant, target: Endpoint, options: TurnOptions
) -> Connected:
    """Take the steps from a name to a client; raises ``StepFailedError``."""
    addresses = await reach.dns(course, target, options.family, options.timeout_s)
    return await connect_to(course, variant, target, addresses, options)


async def connect_to(
    course: Course,
    variant: Variant,
    target: Endpoint,
    addresses: Sequence[Address],
    options: TurnOptions,
) -> Connected:
    """Take the steps ``connect`` and ``tls``; the certificate has to be that of ``target``."""
    if variant == "udp":
        connected = await _over_udp(course, addresses)
        course.skip("tls", "not over UDP")
        return connected
    opened, server = await reach.tcp(course, "connect", addresses, options.timeout_s)
    client = await _over_stream(course, variant, target, opened, server, options)
    return Connected(client, server, await _direct_rtt_ms(client))


async def open_client(
    variant: Variant, server: Address, target: Endpoint, options: TurnOptions
) -> Client:
    """Open another client to a server that was reached before."""
    if variant == "udp":
        return await _udp_client(server)
    course = Course()
    opened, _ = await reach.tcp(course, "connect", [server], options.timeout_s)
    return await _over_stream(course, variant, target, opened, server, options)


async def _over_udp(course: Course, addresses: Sequence[Address]) -> Connected:
    """Ask each address what it sees of us; the first that answers is the server.

    A server that answers no Binding may still be a TURN server: then the first address is kept.
    """
    with course.step("connect") as note:
        silent: UdpClient | None = None
        refused: StepFailedError | None = None
        for address in addresses:
            try:
                client, rtt_ms = await _greet(address)
            except StepFailedError as failed:
                refused = refused or failed
                continue
            if rtt_ms is None:
                if silent is None:
                    silent = client
                else:
                    client.transport.close()
                continue
            if silent is not None:
                silent.transport.close()
            note.ms, note.found = rtt_ms, f"{address} answers a Binding request"
            return Connected(client, address, await _direct_rtt_ms(client))
        if silent is None:
            assert refused is not None
            raise refused
        note.unknown = True
        note.found = "no answer to a Binding request; UDP itself needs no connection"
        return Connected(silent, Address(*silent.server), None)


async def _greet(address: Address) -> tuple[UdpClient, float | None]:
    """Send a Binding request to one address; the round trip is None where it is silent."""
    client = await _udp_client(address)
    try:
        return client, await _binding_ms(client)
    except StepFailedError as failed:
        if failed.cause == "no_answer":
            return client, None
        client.transport.close()
        raise


async def _udp_client(server: Address) -> UdpClient:
    def made() -> UdpClient:
        client = UdpClient(server, None, None, LIFETIME_S, _CHANNEL_REFRESH_S)
        client.watch()
        return client

    loop = asyncio.get_running_loop()
    try:
        _, client = await loop.create_datagram_endpoint(made, remote_addr=server)
    except OSError as error:
        raise reach.tcp_fault(error, server, 0) from error
    return client


async def _over_stream(
    course: Course,
    variant: Variant,
    target: Endpoint,
    opened: socket.socket,
    server: Address,
    options: TurnOptions,
) -> StreamClient:
    def made() -> StreamClient:
        client = StreamClient(server, None, None, LIFETIME_S, _CHANNEL_REFRESH_S)
        client.watch()
        return client

    loop = asyncio.get_running_loop()
    if variant == "tcp":
        course.skip("tls", "not over TCP")
        _, client = await loop.create_connection(made, sock=opened)
        return client
    host = options.server_name or target.host
    with course.step("tls") as note:
        try:
            transport, client = await loop.create_connection(
                made,
                sock=opened,
                ssl=options.tls,
                server_hostname=host,
                ssl_handshake_timeout=options.timeout_s,
            )
        except OSError as error:
            opened.close()
            raise tls.fault(error, host) from error
        note.found = tls.described(transport.get_extra_info("ssl_object"))
    return client


async def _direct_rtt_ms(client: Client) -> float | None:
    """Measure the round trip to the server itself, the median of a few; None if it never says."""
    rtts_ms: list[float] = []
    lost = 0
    while len(rtts_ms) < _DIRECT_SAMPLES and lost < _DIRECT_LOST:
        rtt_ms = await ping_ms(client, _BINDING_S)
        if rtt_ms is None:
            lost += 1
        else:
            rtts_ms.append(rtt_ms)
    return round(statistics.median(rtts_ms), 3) if rtts_ms else None


async def _binding_ms(client: Client) -> float:
    watch = Stopwatch()
    try:
        await ask(client, stun.Method.BINDING, {}, _BINDING_S)
    except RefusedError:
        return watch.ms  # it wants credentials even for this; an answer it is
    return watch.ms
