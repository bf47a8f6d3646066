"""A forwarder between a bot and a server: counts datagrams by kind (STUN, DTLS, RTP, RTCP).

The swarm reports when a transport is connected, not which packets were received before, and has no
TCP. A check sends a few packets a second, so the forwarder can be in Python.
"""

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from sfukit.probe.check import framing
from sfukit.probe.resolve import Address

_BACKLOG_BYTES = 256 * 1024

Kind = Literal["stun", "dtls", "rtp", "rtcp", "other"]
OnDatagram = Callable[[bytes, tuple[str, int]], None]


def kind_of(datagram: bytes) -> Kind:
    """Classify a datagram by its first two bytes (RFC 7983 section 7, RFC 5761 section 4)."""
    if not datagram:
        return "other"
    if datagram[0] < 4:
        return "stun"
    if 20 <= datagram[0] < 64:
        return "dtls"
    if 128 <= datagram[0] < 192:
        return "rtcp" if len(datagram) > 1 and 192 <= datagram[1] < 224 else "rtp"
    return "other"


@dataclass
class DatagramCounts:
    """The number of datagrams of each kind in one direction."""

    counts: Counter[Kind] = field(default_factory=Counter)

    def note(self, datagram: bytes) -> None:
        """Count a datagram."""
        self.counts[kind_of(datagram)] += 1


class Forwarder:
    """One path from a local port for the bot to the server."""

    def __init__(self) -> None:
        self.sent = DatagramCounts()
        self.received = DatagramCounts()
        self.media = asyncio.Event()
        self.address = Address("127.0.0.1", 0)
        self._bot: asyncio.DatagramTransport | None = None
        self._bot_address: tuple[str, int] | None = None
        self._server: asyncio.DatagramTransport | None = None
        self._stream: asyncio.StreamWriter | None = None
        self._reading: asyncio.Task[None] | None = None

    async def open(self, transport: str, server: Address) -> None:
        """Connect to the server and open a port for the bot; raises ``OSError``."""
        loop = asyncio.get_running_loop()
        if transport == "tcp":
            reader, self._stream = await asyncio.open_connection(*server)
            self._reading = asyncio.create_task(self._read(reader))
        else:
            self._server, _ = await loop.create_datagram_endpoint(
                lambda: _Side(lambda data, _from: self.from_server(data)), remote_addr=server
            )
        self._bot, _ = await loop.create_datagram_endpoint(
            lambda: _Side(self.from_bot), local_addr=("127.0.0.1", 0)
        )
        self.address = Address(*self._bot.get_extra_info("sockname"))

    def from_bot(self, data: bytes, source: tuple[str, int]) -> None:
        """Forward a datagram of the bot."""
        self._bot_address = source
        self.sent.note(data)
        if self._server is not None:
            self._server.sendto(data)
        elif self._stream is not None and _is_read(self._stream):
            self._stream.write(framing.packed(data))

    def from_server(self, data: bytes) -> None:
        """Forward a datagram of the server."""
        self.received.note(data)
        if kind_of(data) in ("rtp", "rtcp"):
            self.media.set()
        if self._bot is not None and self._bot_address is not None:
            self._bot.sendto(data, self._bot_address)

    def close(self) -> None:
        """Close the sockets."""
        for one in (self._bot, self._server, self._stream):
            if one is not None:
                one.close()
        if self._reading is not None:
            self._reading.cancel()

    async def _read(self, reader: asyncio.StreamReader) -> None:
        while (data := await framing.read(reader)) is not None:
            self.from_server(data)


def _is_read(stream: asyncio.StreamWriter) -> bool:
    """Return whether the server reads the stream; otherwise datagrams are dropped."""
    return stream.transport.get_write_buffer_size() < _BACKLOG_BYTES


class _Side(asyncio.DatagramProtocol):
    """One socket of the forwarder."""

    def __init__(self, on_datagram: OnDatagram) -> None:
        self._on_datagram = on_datagram

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self._on_datagram(data, addr)

    def error_received(self, exc: Exception) -> None:
        """Ignore ICMP: missing packets are counted."""
