"""The peer of the relay: a local socket that echoes packets, or a second allocation.

A local socket tests the relayed address and ports as real peers use them. Where UDP cannot leave
this network, a second allocation on the same server replaces it.
"""

import asyncio
import struct
from typing import Protocol, cast

from aioice import stun

from sfukit.probe.resolve import Address as Place
from sfukit.probe.turn.client import (
    Address,
    Client,
    backlog_bytes,
    bind_channel,
    send_request,
    send_to_channel,
)

_TRIES = 4
_TRY_S = 0.25
BACKLOG_BYTES = 256 * 1024  # more than a path holds


class Peer(Protocol):
    """The echoing peer."""

    address: Address
    received: int
    received_bytes: int
    echoes: bool

    async def open(self, relay: Address) -> None:
        """Open the path from the relay to the peer."""

    def close(self) -> None:
        """Close the socket."""


class SocketPeer(asyncio.DatagramProtocol):
    """A UDP socket of this machine."""

    def __init__(self) -> None:
        self.address: Address = ("", 0)
        self.received = 0
        self.received_bytes = 0
        self.echoes = True
        self._mapped: asyncio.Future[Address] | None = None
        self._asked = b""
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: Address) -> None:
        """Read the Binding response; echo everything else."""
        if self._mapped is not None and data[8:20] == self._asked:
            self._read_binding(data)
            return
        self.received += 1
        self.received_bytes += len(data)
        if self.echoes and self._transport is not None:
            self._transport.sendto(data, addr)

    def error_received(self, error: Exception) -> None:
        """Ignore ICMP: packets without an echo are counted as lost."""

    async def open(self, relay: Address) -> None:
        """Send to the relay once, which opens NATs and firewalls for its packets."""
        if self._transport is not None:
            self._transport.sendto(b"open", relay)

    async def request_mapped(self, server: Place) -> Address | None:
        """Request this socket's mapped address (RFC 8489); None without a response."""
        self._mapped = asyncio.get_running_loop().create_future()
        request = stun.Message(stun.Method.BINDING, stun.Class.REQUEST)
        self._asked = request.transaction_id
        for _ in range(_TRIES):
            if self._transport is not None:
                self._transport.sendto(bytes(request), server)
            done, _pending = await asyncio.wait([self._mapped], timeout=_TRY_S)
            if done:
                return self._mapped.result()
        return None

    @property
    def port(self) -> int:
        """Return the local port."""
        assert self._transport is not None
        return int(self._transport.get_extra_info("sockname")[1])

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def _read_binding(self, data: bytes) -> None:
        try:
            mapped = stun.parse_message(data).attributes.get("XOR-MAPPED-ADDRESS")
        except (ValueError, struct.error, IndexError):
            return
        if mapped is not None and self._mapped is not None and not self._mapped.done():
            self._mapped.set_result(mapped)


class RelayPeer(asyncio.DatagramProtocol):
    """A second allocation on the same server."""

    def __init__(self, client: Client, address: Address, timeout_s: float) -> None:
        self.address = address
        self.received = 0
        self.received_bytes = 0
        self.echoes = True
        self._client = client
        self._timeout_s = timeout_s
        client.receiver = self

    async def open(self, relay: Address) -> None:
        """Create a permission for the first relay, and bind a channel to it."""
        permitted = {"XOR-PEER-ADDRESS": relay}
        await send_request(self._client, stun.Method.CREATE_PERMISSION, permitted, self._timeout_s)
        await bind_channel(self._client, relay, self._timeout_s)

    def datagram_received(self, data: bytes, addr: Address) -> None:
        """Echo everything."""
        self.received += 1
        self.received_bytes += len(data)
        if self.echoes and backlog_bytes(self._client) < BACKLOG_BYTES:
            send_to_channel(self._client, data)

    def close(self) -> None:
        self._client.transport.close()


async def socket_peer(local_ip: str, server: Place, mapped: Address | None) -> SocketPeer | None:
    """Open a local peer; None where its mapped address is unknown.

    Without a NAT between here and the server (``mapped`` is local) no Binding request is needed.
    """
    loop = asyncio.get_running_loop()
    _, peer = await loop.create_datagram_endpoint(SocketPeer, local_addr=(local_ip, 0))
    if mapped is not None and mapped[0] == local_ip:
        peer.address = (local_ip, peer.port)
        return peer
    address = await peer.request_mapped(server)
    if address is None:
        peer.close()
        return None
    peer.address = address
    return peer
