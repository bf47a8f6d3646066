"""Use an allocation: permission, channel, echo, then refresh and delete."""

import socket
from dataclasses import dataclass

from aioice import stun

from sfukit.probe import resolve
from sfukit.probe.resolve import Address as Place
from sfukit.probe.steps import StepFailedError, StepRecorder
from sfukit.probe.turn import causes
from sfukit.probe.turn.allocate import Allocation
from sfukit.probe.turn.client import (
    LIFETIME_S,
    Address,
    Client,
    RefusedError,
    StreamClient,
    bind_channel,
    send_request,
)
from sfukit.probe.turn.echo import Echo
from sfukit.probe.turn.figures import RelayFigures, Throughput, relay_figures
from sfukit.probe.turn.options import TurnOptions
from sfukit.probe.turn.peer import Peer, SocketPeer, socket_peer
from sfukit.turn.uri import DEFAULT_PORT

_CHANNEL_HEADER_BYTES = 4
_FORBIDDEN = 403


@dataclass(frozen=True)
class Relayed:
    """The results of the packets through the relay."""

    figures: RelayFigures
    throughput: Throughput | None


class EchoServer:
    """A remote UDP echo server; its received packets are unknown here."""

    received = 0
    received_bytes = 0
    echoes = True

    def __init__(self, address: Address) -> None:
        self.address = address

    async def open(self, relay: Address) -> None:
        """Do nothing: it accepts all sources."""

    def close(self) -> None:
        """Do nothing: there is no socket."""


async def own_peer(client: Client, allocation: Allocation, server: Place) -> SocketPeer | None:
    """Open a local peer; None where UDP does not leave this network."""
    local_ip = _source_towards(allocation.relay)
    own_ip = client.transport.get_extra_info("sockname")[0]
    straight = allocation.mapped is not None and allocation.mapped[0] == own_ip
    secured = client.transport.get_extra_info("ssl_object") is not None
    udp_port = DEFAULT_PORT if secured else server.port
    return await socket_peer(
        local_ip, Place(server.ip, udp_port), (local_ip, 0) if straight else None
    )


async def configured_peer(options: TurnOptions) -> EchoServer:
    """Resolve the peer of --peer."""
    assert options.peer is not None
    found = await resolve.resolve(options.peer, "4")
    return EchoServer(found[0])


async def relay(
    recorder: StepRecorder,
    client: Client,
    allocation: Allocation,
    peer: Peer,
    options: TurnOptions,
    direct_rtt_ms: float | None,
) -> Relayed | None:
    """Run the steps ``permission``, ``channel`` and ``echo``, then measure.

    A server whose security is tested may refuse the peer: the result is then None.
    """
    where = str(Place(*peer.address[:2]))
    with recorder.step("permission") as note:
        try:
            permitted = {"XOR-PEER-ADDRESS": peer.address}
            await send_request(client, stun.Method.CREATE_PERMISSION, permitted, options.timeout_s)
        except RefusedError as refused:
            if not (options.security and refused.code == _FORBIDDEN):
                raise causes.of_refused_peer(where, refused) from refused
            note.unknown = True
            note.found = f"the server refuses {where} ({refused}), so relaying is not tested"
            return None
        note.found = f"peer {where}"
    with recorder.step("channel"):
        try:
            await bind_channel(client, peer.address, options.timeout_s)
        except RefusedError as refused:
            raise causes.of_refusal(refused) from refused
    echo = Echo(client, options.size_bytes)
    relayed = str(Place(*allocation.relay[:2]))
    with recorder.step("echo") as note:
        try:
            await peer.open(allocation.relay)
        except RefusedError as refused:
            raise causes.of_refused_peer(relayed, refused) from refused
        first_ms = await echo.first(min(options.timeout_s, 3.0))
        if first_ms is None and isinstance(peer, EchoServer):
            raise causes.peer_silent(where, relayed, echo.sent)
        if first_ms is None:
            raise causes.relay_ports_blocked(relayed, min(peer.received, echo.sent), echo.sent)
        note.ms, note.found = first_ms, "to the peer and back"
    return await _measure(client, peer, options, direct_rtt_ms)


async def refresh_and_delete(recorder: StepRecorder, client: Client, options: TurnOptions) -> None:
    """Run the steps ``refresh`` and ``delete`` (RFC 8656 section 8)."""
    with recorder.step("refresh") as note:
        answer = await _refresh(client, LIFETIME_S, options)
        note.found = f"{answer.attributes.get('LIFETIME', 0)} s more"
    with recorder.step("delete"):
        await _refresh(client, 0, options)


async def release(client: Client, options: TurnOptions) -> None:
    """Delete an allocation without recording a step."""
    try:
        await _refresh(client, 0, options)
    except StepFailedError:
        return  # the allocation expires


async def _measure(
    client: Client, peer: Peer, options: TurnOptions, direct_rtt_ms: float | None
) -> Relayed:
    echo = Echo(client, options.size_bytes)
    await echo.series(options.count)
    figures = relay_figures(
        echo.sent, echo.rtts_ms, direct_rtt_ms, _overhead_bytes(client, options.size_bytes)
    )
    throughput = None
    if options.load is not None and not isinstance(peer, EchoServer):
        throughput = await echo.load(
            peer,
            rate_bps=options.load.rate_bps,
            size_bytes=options.load.size_bytes,
            duration_s=options.load.duration_s,
        )
    return Relayed(figures, throughput)


def _overhead_bytes(client: Client, size_bytes: int) -> int:
    """Count the header of channel data, padded on streams (RFC 8656 section 12.5)."""
    padding = -size_bytes % 4 if isinstance(client, StreamClient) else 0
    return _CHANNEL_HEADER_BYTES + padding


async def _refresh(client: Client, lifetime_s: int, options: TurnOptions) -> stun.Message:
    try:
        return await send_request(
            client, stun.Method.REFRESH, {"LIFETIME": lifetime_s}, options.timeout_s
        )
    except RefusedError as refused:
        raise causes.of_refusal(refused) from refused


def _source_towards(address: Address) -> str:
    """Return the local source address towards an address; nothing is sent."""
    family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as looking:
        try:
            looking.connect(address[:2])
        except OSError:
            return "::" if family == socket.AF_INET6 else "0.0.0.0"
        return str(looking.getsockname()[0])
