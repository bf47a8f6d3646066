"""STUN over TCP against listeners that are none, and our server against odd askers."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from sfukit.errors import UsageError
from sfukit.probe.resolve import Address
from sfukit.probe.stun import message
from sfukit.probe.stun.tcp import send_request
from sfukit.probe.stunserver import run
from sfukit.probe.stunserver.run import Settings, serving

Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@contextlib.asynccontextmanager
async def listening(talk: Talk) -> AsyncIterator[Address]:
    """A server that sends given bytes, and then closes."""

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
        answer = await send_request(server, timeout_s=0.3)
    assert (answer.connected, answer.mapped) == (True, None)
    assert answer.error
    assert answer.local is not None and answer.local.ip == "127.0.0.1"


async def test_a_closed_tcp_port_is_not_connected() -> None:
    async with listening(goodbye) as server:
        pass
    answer = await send_request(server)
    assert not answer.connected
    assert answer.error


@pytest.mark.parametrize(
    ("listen", "advertise", "says"),
    [
        ("localhost", None, "--listen 'localhost'"),
        ("127.0.0.1", "foo", "--advertise 'foo'"),
        ("127.0.0.1", "2001:db8::1", "another family"),
    ],
)
async def test_addresses_that_a_response_cannot_carry_are_refused(
    listen: str, advertise: str | None, says: str
) -> None:
    settings = Settings((listen,), 0, 0, advertise=(advertise,) if advertise else ())
    with pytest.raises(UsageError, match=says):
        async with serving(settings):
            pass


async def test_who_asks_and_never_reads_is_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "_TCP_IDLE_S", 0.5)
    requests = bytes(message.request()) * 1000
    settings = Settings(("127.0.0.1",), 0, 0, rate_per_s=1e6, burst=1e9)
    loop = asyncio.get_running_loop()
    async with serving(settings) as server:
        with socket.socket() as asking:
            asking.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            asking.setblocking(False)
            await loop.sock_connect(asking, server.primary)
            with pytest.raises((ConnectionResetError, BrokenPipeError)):
                async with asyncio.timeout(20):
                    while True:
                        await loop.sock_sendall(asking, requests)
