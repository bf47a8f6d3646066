"""Echoes that are forged, and loads that no machine can carry."""

import asyncio
import struct
from typing import Any, cast

import pytest

from sfukit.probe.turn import echo
from sfukit.probe.turn.client import Client
from sfukit.probe.turn.echo import Echo
from sfukit.probe.turn.peer import SocketPeer

SERVER = ("127.0.0.1", 3478)


class Wire:
    """A fake client with its transport, which keeps the written data."""

    def __init__(self, *, drains: bool) -> None:
        self.transport = self
        self.receiver: Any = None
        self.packets: list[bytes] = []
        self._drains = drains

    def is_closing(self) -> bool:
        return False

    def get_write_buffer_size(self) -> int:
        return 0 if self._drains else sum(map(len, self.packets))

    def _send(self, data: bytes) -> None:
        self.packets.append(data[4:])


def over(wire: Wire) -> Echo:
    return Echo(cast(Client, wire), 160)


def test_only_packets_that_were_sent_come_back() -> None:
    wire = Wire(drains=True)
    one = over(wire)
    one.send()
    [packet] = wire.packets
    token = packet[:8]
    for forged in (b"", token, bytes(160), token + struct.pack("!I", 1), token + b"\xff" * 20):
        one.datagram_received(forged, SERVER)
    assert one.rtts_ms == []
    one.datagram_received(token + bytes(4) + struct.pack("!d", float("nan")), SERVER)
    [rtt_ms] = one.rtts_ms
    assert 0 <= rtt_ms < 1000


async def test_a_rate_beyond_all_machines_ends_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(echo, "_SETTLE_S", 0.0)
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    beside = asyncio.create_task(others())
    load = over(Wire(drains=True)).load
    got = await load(SocketPeer(), rate_bps=10**12, size_bytes=1200, duration_s=0.1)
    beside.cancel()
    assert got.duration_s < 1.0
    assert 0 < got.sent_bps < 10**12
    assert turns > 10


async def test_a_full_send_buffer_stops_sending(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(echo, "_SETTLE_S", 0.0)
    wire = Wire(drains=False)
    await over(wire).load(SocketPeer(), rate_bps=10**9, size_bytes=1200, duration_s=0.1)
    assert 0 < sum(map(len, wire.packets)) < 2 * echo._BACKLOG_BYTES
