"""A UDP forwarder between an aiortc connection and a target: impairs, and shows each datagram.

aiortc gets the address of the forwarder instead of each remote candidate, and its own candidates
are left out of its descriptions: all datagrams pass the forwarder.
"""

import asyncio
import time
from collections.abc import Callable
from typing import Any

from sfukit.loadgen.latency.independent.impaired_path import ImpairedPath
from sfukit.loadgen.latency.independent.in_flight import InFlight
from sfukit.signaling import descriptions

OnDatagram = Callable[[bytes, float], None]

_MAX_CANDIDATES = 16
_CANDIDATE = "a=candidate:"


class Forwarder:
    """The forwarded ports of one connection, one per remote candidate."""

    def __init__(
        self, up: ImpairedPath, down: ImpairedPath, on_up: OnDatagram, on_down: OnDatagram
    ) -> None:
        self._up = up
        self._down = down
        self._on_up = on_up
        self._on_down = on_down
        self._to_target, self._to_aiortc = InFlight(), InFlight()
        self._ports: dict[tuple[str, int], _Port] = {}

    async def remote(self, sdp: str) -> str:
        """Return a description of the target with the forwarder as its candidates."""
        lines = []
        for line in sdp.splitlines():
            if not line.startswith(_CANDIDATE):
                lines.append(line)
            elif (forwarded := await self.candidate(line.removeprefix("a="))) is not None:
                lines.append(f"a={forwarded}")
        return "\r\n".join(lines) + "\r\n"

    async def candidate(self, text: str) -> str | None:
        """Return a candidate of the target by way of the forwarder; None if it is not usable."""
        address = descriptions.udp_address(text.removeprefix("a="))
        if address is None:
            return None
        port = self._ports.get(address)
        if port is None:
            if len(self._ports) >= _MAX_CANDIDATES:
                return None
            port = self._ports[address] = _Port(self)
            try:
                await port.open(address)
            except OSError:  # no route to this candidate: others may have one
                port.close()
                return None
        foundation, component, transport, priority = text.split()[:4]
        return f"{foundation} {component} {transport} {priority} 127.0.0.1 {port.number} typ host"

    def up(self, data: bytes, send: Callable[[bytes], None]) -> None:
        """Forward a datagram to the target."""
        now_s = time.monotonic()
        self._on_up(data, now_s)
        self._to_target.push(self._up.arrivals(now_s, len(data)), lambda: send(data))

    def down(self, data: bytes, send: Callable[[bytes], None]) -> None:
        """Forward a datagram to aiortc; it is shown when it arrives there."""
        now_s = time.monotonic()

        def arrive() -> None:
            self._on_down(data, time.monotonic())
            send(data)

        self._to_aiortc.push(self._down.arrivals(now_s, len(data)), arrive)

    def close(self) -> None:
        """Close all sockets."""
        self._to_target.close()
        self._to_aiortc.close()
        for port in self._ports.values():
            port.close()


def local(sdp: str) -> str:
    """Return a description of aiortc without its candidates."""
    lines = [
        line
        for line in sdp.splitlines()
        if not line.startswith((_CANDIDATE, "a=end-of-candidates"))
    ]
    return "\r\n".join(lines) + "\r\n"


class _Port:
    """One port for aiortc, and the socket connected to the candidate of the target."""

    def __init__(self, forwarder: Forwarder) -> None:
        self._forwarder = forwarder
        self._near: asyncio.DatagramTransport | None = None
        self._far: asyncio.DatagramTransport | None = None
        self._source: Any = None

    async def open(self, address: tuple[str, int]) -> None:
        """Open both sockets; raises ``OSError``."""
        loop = asyncio.get_running_loop()
        self._far, _ = await loop.create_datagram_endpoint(
            lambda: _Side(self._from_target), remote_addr=address
        )
        self._near, _ = await loop.create_datagram_endpoint(
            lambda: _Side(self._from_aiortc), local_addr=("127.0.0.1", 0)
        )
        self.number: int = self._near.get_extra_info("sockname")[1]

    def close(self) -> None:
        """Close both sockets."""
        for one in (self._near, self._far):
            if one is not None:
                one.close()

    def _from_aiortc(self, data: bytes, source: Any) -> None:
        self._source = source
        self._forwarder.up(data, self._send_up)

    def _from_target(self, data: bytes, _source: Any) -> None:
        if self._source is not None:
            self._forwarder.down(data, self._send_down)

    def _send_up(self, data: bytes) -> None:
        if self._far is not None and not self._far.is_closing():
            self._far.sendto(data)

    def _send_down(self, data: bytes) -> None:
        if self._near is not None and not self._near.is_closing():
            self._near.sendto(data, self._source)


class _Side(asyncio.DatagramProtocol):
    def __init__(self, on_datagram: Callable[[bytes, Any], None]) -> None:
        self._on_datagram = on_datagram

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self._on_datagram(data, addr)

    def error_received(self, exc: Exception) -> None:
        """Ignore ICMP: ICE shows an address that is not reachable."""
