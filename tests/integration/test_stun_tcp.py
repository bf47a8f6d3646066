"""STUN over TCP against listeners that are no STUN servers, over real loopback."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from sfukit.probe.resolve import Address
from sfukit.probe.stun.tcp import ask

Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@contextlib.asynccontextmanager
async def listening(talk: Talk) -> AsyncIterator[Address]:
    """A server that says what it is told, and then hangs up."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            await talk(reader, writer)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield Address(*server.sockets[0].getsockname())
    finally:
        server.close()


async def silence(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    await reader.read()


async def half(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(bytes.fromhex("0101000c2112a442"))
    await reader.read()


async def nonsense(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"SSH-2.0-something that is longer than a header\r\n")
    await writer.drain()


async def goodbye(_reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    pass


@pytest.mark.parametrize("talk", [silence, half, nonsense, goodbye])
async def test_a_listener_that_answers_no_stun_was_reached(talk: Talk) -> None:
    async with listening(talk) as server:
        answer = await ask(server, timeout_s=0.3)
    assert (answer.connected, answer.mapped) == (True, None)
    assert answer.error
    assert answer.local is not None and answer.local.ip == "127.0.0.1"


async def test_nobody_was_reached_where_nobody_listens() -> None:
    async with listening(goodbye) as server:
        pass
    answer = await ask(server)
    assert not answer.connected
    assert answer.error
