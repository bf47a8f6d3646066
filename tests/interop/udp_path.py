"""A UDP path between browsers and the server whose present flows can be cut."""

import asyncio
from typing import Any

Address = tuple[str, int]


class UdpPath:
    """A forwarder with one flow for each client port; ``cut`` drops those that exist."""

    def __init__(self, server: Address) -> None:
        self._server = server
        self._flows: dict[Address, _Flow] = {}
        self._cut: set[Address] = set()
        self._listener: asyncio.DatagramTransport | None = None

    async def open(self) -> int:
        """Listen on a free port of loopback; return it."""
        loop = asyncio.get_running_loop()
        self._listener, _ = await loop.create_datagram_endpoint(
            lambda: _Received(self._forward), local_addr=("127.0.0.1", 0)
        )
        return int(self._listener.get_extra_info("sockname")[1])

    @property
    def clients(self) -> set[Address]:
        """The client ports that pass."""
        return set(self._flows) - self._cut

    def cut(self) -> None:
        """Drop the datagrams of all present flows from now on, in both directions."""
        self._cut |= set(self._flows)

    def close(self) -> None:
        """Close the sockets."""
        if self._listener is not None:
            self._listener.close()
        for flow in self._flows.values():
            flow.close()

    def _forward(self, data: bytes, client: Address) -> None:
        if client in self._cut:
            return
        if client not in self._flows:
            self._flows[client] = _Flow(self._server, lambda back: self._return(back, client))
        self._flows[client].send(data)

    def _return(self, data: bytes, client: Address) -> None:
        if client not in self._cut and self._listener is not None:
            self._listener.sendto(data, client)


class _Received(asyncio.DatagramProtocol):
    def __init__(self, on_datagram: Any) -> None:
        self._on_datagram = on_datagram

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self._on_datagram(data, addr)


class _Flow:
    """One socket towards the server."""

    def __init__(self, server: Address, on_datagram: Any) -> None:
        self._waiting: list[bytes] = []
        self._transport: asyncio.DatagramTransport | None = None
        self._opening = asyncio.get_running_loop().create_task(self._open(server, on_datagram))

    async def _open(self, server: Address, on_datagram: Any) -> None:
        loop = asyncio.get_running_loop()
        self._transport, _ = await loop.create_datagram_endpoint(
            lambda: _Received(lambda data, _: on_datagram(data)), remote_addr=server
        )
        for data in self._waiting:
            self._transport.sendto(data)

    def send(self, data: bytes) -> None:
        if self._transport is None:
            self._waiting.append(data)
        else:
            self._transport.sendto(data)

    def close(self) -> None:
        self._opening.cancel()
        if self._transport is not None:
            self._transport.close()
