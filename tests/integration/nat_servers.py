"""STUN servers of our own and hostile ones, on two loopback addresses."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import cast

from aioice.stun import Class, Message, Method

from sfukit.probe.nat.context import Context
from sfukit.probe.nat.options import Options
from sfukit.probe.resolve import Address, Endpoint
from sfukit.probe.stun import message, schedule
from sfukit.probe.stun.schedule import Schedule
from sfukit.probe.stunserver.run import Settings, StunServer, serving

Answer = Callable[[bytes, Address], list[bytes]]
"""From a datagram and its source to the datagrams that go back there."""


@contextlib.asynccontextmanager
async def whole() -> AsyncIterator[StunServer]:
    """A correct server on 127.0.0.1 and 127.0.0.2."""
    async with serving(Settings(("127.0.0.1", "127.0.0.2"), 0, 0, burst=10_000)) as server:
        yield server


class _Crooked(asyncio.DatagramProtocol):
    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, source: tuple[str, int]) -> None:
        assert self._transport is not None
        for reply in self._answer(data, Address(*source[:2])):
            self._transport.sendto(reply, source)


@contextlib.asynccontextmanager
async def crooked(answer: Answer, ip: str = "127.0.0.1") -> AsyncIterator[Address]:
    """A server that answers as it is told."""
    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
        lambda: _Crooked(answer), (ip, 0)
    )
    try:
        yield Address(*transport.get_extra_info("sockname")[:2])
    finally:
        transport.close()


def success(data: bytes, **attributes: object) -> bytes:
    """Answer a request with these attributes, names with _ for -."""
    asked = message.parse(data)
    named = {name.replace("_", "-"): value for name, value in attributes.items()}
    return bytes(Message(Method.BINDING, Class.RESPONSE, asked.transaction_id, named))


class _Hasty(Context):
    def schedule_for(self, evidence: bool) -> Schedule:
        return schedule.for_answer(HASTY_SENDS, 0.1)


HASTY_SENDS = 3


def hasty(server: Address) -> Context:
    """A context that takes silence for an answer sooner, since nothing is lost on loopback."""
    return _Hasty(Options(servers=[Endpoint(*server)]), "127.0.0.1")
