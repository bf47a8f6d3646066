"""The connection to a TURN server: the steps dns, connect and tls."""

import asyncio
import socket
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from aioice import stun

from sfukit.probe import reach, tls
from sfukit.probe.finding import Stopwatch
from sfukit.probe.resolve import Address, Endpoint
from sfukit.probe.steps import StepFailedError, StepRecorder
from sfukit.probe.turn.client import (
    LIFETIME_S,
    Client,
    RefusedError,
    StreamClient,
    UdpClient,
    ping_ms,
    send_request,
)
from sfukit.probe.turn.options import TurnOptions
from sfukit.turn.uri import Variant

_BINDING_S = 1.2  # three sends of aioice's schedule
_DIRECT_SAMPLES = 5
_DIRECT_LOST = 2  # timeouts before a server counts as silent
_CHANNEL_REFRESH_S = 500


@dataclass
class Connected:
    """A connected client, its server's address, and the RTT without relaying."""

    client: Client
    server: Address
    direct_rtt_ms: float | None


async def connect(
    recorder: StepRecorder, variant: Variant, target: Endpoint, options: TurnOptions
) -> Connected:
    """Run the steps ``dns``, ``connect`` and ``tls``; raises ``StepFailedError``."""
    addresses = await reach.dns(recorder, target, options.family, options.timeout_s)
    return await connect_to(recorder, variant, target, addresses, options)


async def connect_to(
    recorder: StepRecorder,
    variant: Variant,
    target: Endpoint,
    addresses: Sequence[Address],
    options: TurnOptions,
) -> Connected:
    """Run the steps ``connect`` and ``tls``; the certificate has to match ``target``."""
    if variant == "udp":
        connected = await _over_udp(recorder, addresses)
        recorder.skip("tls", "not over UDP")
        return connected
    opened, server = await reach.tcp(recorder, "connect", addresses, options.timeout_s)
    client = await _over_stream(recorder, variant, target, opened, server, options)
    return Connected(client, server, await _direct_rtt_ms(client))


async def open_client(
    variant: Variant, server: Address, target: Endpoint, options: TurnOptions
) -> Client:
    """Open another client to a known server."""
    if variant == "udp":
        return await _udp_client(server)
    recorder = StepRecorder()
    opened, _ = await reach.tcp(recorder, "connect", [server], options.timeout_s)
    return await _over_stream(recorder, variant, target, opened, server, options)


async def _over_udp(recorder: StepRecorder, addresses: Sequence[Address]) -> Connected:
    """Send a Binding request to each address; the first that answers is the server.

    A server without Binding responses may still be a TURN server: then the first address is used.
    """
    with recorder.step("connect") as note:
        silent: UdpClient | None = None
        refused: StepFailedError | None = None
        for address in addresses:
            try:
                client, rtt_ms = await _send_binding(address)
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
        note.found = "no response to a Binding request; UDP itself needs no connection"
        return Connected(silent, Address(*silent.server), None)


async def _send_binding(address: Address) -> tuple[UdpClient, float | None]:
    """Send a Binding request to one address; the RTT is None without a response."""
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
        client.start()
        return client

    loop = asyncio.get_running_loop()
    try:
        _, client = await loop.create_datagram_endpoint(made, remote_addr=server)
    except OSError as error:
        raise reach.tcp_fault(error, server, 0) from error
    return client


async def _over_stream(
    recorder: StepRecorder,
    variant: Variant,
    target: Endpoint,
    opened: socket.socket,
    server: Address,
    options: TurnOptions,
) -> StreamClient:
    def made() -> StreamClient:
        client = StreamClient(server, None, None, LIFETIME_S, _CHANNEL_REFRESH_S)
        client.start()
        return client

    loop = asyncio.get_running_loop()
    if variant == "tcp":
        recorder.skip("tls", "not over TCP")
        _, client = await loop.create_connection(made, sock=opened)
        return client
    host = options.server_name or target.host
    with recorder.step("tls") as note:
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
    """Measure the RTT to the server, the median of a few; None without a response. Unit: ms."""
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
        await send_request(client, stun.Method.BINDING, {}, _BINDING_S)
    except RefusedError:
        return watch.ms  # the server requires credentials for Binding; still a response
    return watch.ms
