"""The other end of the relay: a socket here that sends back what it gets, or a second relay.

A socket beside the probe shows what real peers meet: the relay's own address and ports. Where UDP
cannot leave this network, a second allocation on the same server stands in for it.
"""

import asyncio
import struct
from typing import Protocol, cast

from aioice import stun

from sfukit.probe.resolve import Address as Place
from sfukit.probe.turn.client import (
    Address,
    Client,
    ask,
    backlog_bytes,
    bind_channel,
    send_to_channel,
)

_TRIES = 4
_TRY_S = 0.25
BACKLOG_BYTES = 256 * 1024  # more than a path holds


class Peer(Protocol):
    """What answers through the relay."""

    address: Address
    received: int
    received_bytes: int
    echoes: bool

    async def open(self, relay: Address) -> None:
        """Let packets of the relay in."""

    def close(self) -> None:
        """Let go of the socket."""


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
        """Take the server's word for our address; send everything else back."""
        if self._mapped is not None and data[8:20] == self._asked:
            self._learn(data)
            return
        self.received += 1
        self.received_bytes += len(data)
        if self.echoes and self._transport is not None:
            self._transport.sendto(data, addr)

    def error_received(self, error: Exception) -> None:
        """Ignore ICMP: what does not arrive is counted as lost."""

    async def open(self, relay: Address) -> None:
        """Send to the relay once, so that a NAT or firewall on the way lets its packets in."""
        if self._transport is not None:
            self._transport.sendto(b"open", relay)

    async def ask_mapped(self, server: Place) -> Address | None:
        """Ask the server for this socket's public address (RFC 8489); None without an answer."""
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
        """Tell the local port."""
        assert self._transport is not None
        return int(self._transport.get_extra_info("sockname")[1])

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def _learn(self, data: bytes) -> None:
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
        """Permit the first relay, and bind a channel to answer on."""
        permitted = {"XOR-PEER-ADDRESS": relay}
        await ask(self._client, stun.Method.CREATE_PERMISSION, permitted, self._timeout_s)
        await bind_channel(self._client, relay, self._timeout_s)

    def datagram_received(self, data: bytes, addr: Address) -> None:
        """Send everything back."""
        self.received += 1
        self.received_bytes += len(data)
        if self.echoes and backlog_bytes(self._client) < BACKLOG_BYTES:
            send_to_channel(self._client, data)

    def close(self) -> None:
        self._client.transport.close()


async def socket_peer(local_ip: str, server: Place, mapped: Address | None) -> SocketPeer | None:
    """Open a peer beside the probe; None where its public address cannot be known.

    Without a NAT between here and the server (``mapped`` is local) no question is needed.
    """
    loop = asyncio.get_running_loop()
    _, peer = await loop.create_datagram_endpoint(SocketPeer, local_addr=(local_ip, 0))
    if mapped is not None and mapped[0] == local_ip:
        peer.address = (local_ip, peer.port)
        return peer
    address = await peer.ask_mapped(server)
    if address is None:
        peer.close()
        return None
    peer.address = address
    return peer
