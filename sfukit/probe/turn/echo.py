"""Packets through the relay to the peer and back: first echo, paced series, constant bitrate."""

import asyncio
import os
import struct
import time
from contextlib import suppress

from sfukit.probe.turn.client import Address, Client, backlog_bytes, send_to_channel
from sfukit.probe.turn.figures import Throughput
from sfukit.probe.turn.peer import BACKLOG_BYTES as _BACKLOG_BYTES
from sfukit.probe.turn.peer import Peer

_HEAD = struct.Struct("!8sI")  # token of the series, packet number
_FIRST_EVERY_S = 0.2
_SETTLE_S = 0.5
_TICK_S = 0.005
_BURST = 64  # packets between two turns of the event loop
SERIES_SPACING_S = 0.02


class Echo(asyncio.DatagramProtocol):
    """Sends numbered packets into the channel and keeps the times of those that come back."""

    def __init__(self, client: Client, size_bytes: int) -> None:
        self._client = client
        self._token = os.urandom(8)
        self._padding = bytes(max(0, size_bytes - _HEAD.size))
        self._sent_s: list[float] = []
        self._rtts_ms: dict[int, float] = {}
        self._first = asyncio.Event()
        self._all = asyncio.Event()
        client.receiver = self

    def datagram_received(self, data: bytes, addr: Address) -> None:
        """Note an echo; other datagrams are ignored."""
        if len(data) < _HEAD.size or not data.startswith(self._token):
            return
        _, number = _HEAD.unpack_from(data)
        if number >= self.sent:
            return
        self._rtts_ms.setdefault(number, (time.perf_counter() - self._sent_s[number]) * 1e3)
        self._first.set()
        if len(self._rtts_ms) == self.sent:
            self._all.set()

    @property
    def sent(self) -> int:
        """Return the number of packets sent."""
        return len(self._sent_s)

    @property
    def rtts_ms(self) -> list[float]:
        """List the round trips in the order of sending. Unit: ms."""
        return [self._rtts_ms[number] for number in sorted(self._rtts_ms)]

    def send(self) -> None:
        """Send one packet."""
        head = _HEAD.pack(self._token, self.sent)
        self._sent_s.append(time.perf_counter())
        self._all.clear()
        send_to_channel(self._client, head + self._padding)

    async def first(self, timeout_s: float) -> float | None:
        """Send every 200 ms until the first echo; return its RTT in ms, None without one."""
        deadline = time.perf_counter() + timeout_s
        while time.perf_counter() < deadline and not self._client.transport_error.done():
            self.send()
            try:
                async with asyncio.timeout(_FIRST_EVERY_S):
                    await self._first.wait()
                return self.rtts_ms[0]
            except TimeoutError:
                continue
        return None

    async def series(self, count: int) -> None:
        """Send packets at 20 ms intervals, as audio is, and wait for the last echo."""
        start_s = time.perf_counter()
        for number in range(count):
            self.send()
            due_s = start_s + (number + 1) * SERIES_SPACING_S
            await asyncio.sleep(max(0.0, due_s - time.perf_counter()))
        if len(self._rtts_ms) < self.sent:
            with suppress(TimeoutError):
                async with asyncio.timeout(_SETTLE_S):
                    await self._all.wait()

    async def load(
        self, peer: Peer, *, rate_bps: int, size_bytes: int, duration_s: float
    ) -> Throughput:
        """Send at a constant bitrate, or at this machine's maximum, to a peer that only counts."""
        peer.echoes = False
        before, before_bytes, sent_before = peer.received, peer.received_bytes, self.sent
        size = max(size_bytes, _HEAD.size)
        packets_per_s = rate_bps / (8 * size)
        self._padding = bytes(size - _HEAD.size)
        start_s = time.perf_counter()
        while (elapsed_s := time.perf_counter() - start_s) < duration_s:
            due = int(elapsed_s * packets_per_s) - (self.sent - sent_before)
            if backlog_bytes(self._client) > _BACKLOG_BYTES:
                due = 0
            for _ in range(min(due, _BURST)):
                self.send()
            await asyncio.sleep(0 if due > _BURST else _TICK_S)
        elapsed_s = time.perf_counter() - start_s
        await asyncio.sleep(_SETTLE_S)
        sent, received = self.sent - sent_before, peer.received - before
        return Throughput(
            asked_bps=rate_bps,
            sent_bps=round(sent * size * 8 / elapsed_s),
            bitrate_bps=round((peer.received_bytes - before_bytes) * 8 / elapsed_s),
            loss=round(max(0.0, 1 - received / sent), 4) if sent else 0.0,
            size_bytes=size,
            duration_s=round(elapsed_s, 3),
        )
