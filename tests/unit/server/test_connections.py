"""TCP connections over real sockets: heads, bodies, idle timeout, descriptors, addresses."""

import asyncio
import contextlib
import errno
import socket
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
from aiohttp import web
from structlog.testing import capture_logs

from sfukit.server.app import build_app
from sfukit.server.listener import Listener
from sfukit.server.mock_engine import MockEngine
from sfukit.server.server_context import ServerContext
from sfukit.server.settings import Limits, Settings, Timing
from sfukit.signaling.token import VideoGrants, claims_for, sign
from tests.unit.server.stage import until

SHORT = Timing(request_s=0.1, keep_alive_s=0.3)
PATIENT = Timing(request_s=60.0, keep_alive_s=60.0)
SECRET = "a-secret-of-at-least-thirty-two-bytes"
HEAD = b"GET /livez HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"


class Peer:
    """A TCP client that sends raw bytes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def answered(self, data: bytes = HEAD) -> bytes:
        """Send a request; read the head of the response and a short body."""
        self.writer.write(data)
        async with asyncio.timeout(5):
            head = await self.reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
            return head + await self.reader.readexactly(length)

    async def closed(self) -> bytes:
        """Wait until the server closes; return the received bytes."""
        async with asyncio.timeout(5):
            with contextlib.suppress(ConnectionResetError):
                return await self.reader.read()
        return b""


class Served:
    """Run a server behind a ``Listener``."""

    def __init__(self, context: ServerContext, listener: Listener, port: int) -> None:
        self.context = context
        self.listener = listener
        self.port = port
        self.peers: list[Peer] = []

    async def peer(self) -> Peer:
        self.peers.append(Peer(*await asyncio.open_connection("127.0.0.1", self.port)))
        return self.peers[-1]

    def closed_for(self, reason: str) -> float:
        return float(self.context.metrics.connections_closed.labels(reason)._value.get())


@contextlib.asynccontextmanager
async def serving(most: int | None = None, **changes: Any) -> AsyncIterator[Served]:
    settings = msgspec.structs.replace(Settings(timing=PATIENT), **changes)
    context = ServerContext(settings, MockEngine())
    runner = web.AppRunner(build_app(context), access_log=None, lingering_time=0.1)
    await runner.setup()
    assert runner.server is not None
    listener = Listener(
        runner.server,
        context.connections,
        context.metrics,
        context.core.refusals,
        max_descriptors=most,
    )
    port = await listener.listen("127.0.0.1", 0)
    served = Served(context, listener, port)
    try:
        yield served
    finally:
        for peer in served.peers:
            peer.writer.close()
            with contextlib.suppress(ConnectionError):
                await peer.writer.wait_closed()
        listener.close()
        await context.stop("server_stopped")
        await runner.cleanup()
        await until(lambda: len(context.connections) == 0)
        assert not context.connections._idle
        assert not context.connections._unauthenticated


@pytest.mark.parametrize("head", [b"", b"GET / HT", b"GET / HTTP/1.1\r\nHost: x\r\n"])
async def test_an_incomplete_request_head_times_out(head: bytes) -> None:
    async with serving(timing=SHORT) as served:
        peer = await served.peer()
        peer.writer.write(head)
        assert await peer.closed() == b""
        assert served.closed_for("request_timeout") == 1


async def test_a_slow_request_head_times_out() -> None:
    async with serving(timing=SHORT) as served:
        peer = await served.peer()
        peer.writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n")
        closing = asyncio.create_task(peer.closed())
        number = 0
        while not closing.done():
            number += 1
            peer.writer.write(b"x-%d: 1\r\n" % number)
            await asyncio.wait([closing], timeout=0.02)
        assert served.closed_for("request_timeout") == 1


async def test_an_incomplete_body_is_refused() -> None:
    async with serving(timing=SHORT) as served:
        peer = await served.peer()
        head = b"POST /whip/demo HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/sdp\r\n"
        said = await peer.answered(head + b"Content-Length: 100\r\n\r\nv=0\r\n")
        assert said.startswith(b"HTTP/1.1 408")
        assert b'"reason": "request_timeout"' in said
        await peer.closed()


async def test_an_idle_connection_is_closed_after_the_keep_alive_timeout() -> None:
    async with serving(timing=SHORT) as served:
        peer = await served.peer()
        assert (await peer.answered()).endswith(b"ok\n")
        started_s = asyncio.get_running_loop().time()
        await peer.closed()
        assert asyncio.get_running_loop().time() - started_s >= 0.25
        assert (served.closed_for("idle"), served.closed_for("request_timeout")) == (1, 0)


async def test_the_head_of_a_later_request_times_out() -> None:
    async with serving(timing=Timing(request_s=0.1, keep_alive_s=60.0)) as served:
        peer = await served.peer()
        for _ in range(3):
            await peer.answered()
        peer.writer.write(b"GET /livez")
        await peer.closed()
        assert served.closed_for("request_timeout") == 1


POST = b"POST /nowhere HTTP/1.1\r\nHost: 127.0.0.1\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n3\r\nv=0\r\n0\r\n\r\n"
PIPELINED = {
    "no body": HEAD,
    "a body": POST + b"Content-Length: 3\r\n\r\nv=0",
    "chunks": POST + CHUNKED,
    "several": HEAD + POST + CHUNKED + HEAD,
    "a blank line": HEAD + b"\r\n" + HEAD,
}


@pytest.mark.parametrize("before", PIPELINED.values(), ids=PIPELINED)
@pytest.mark.parametrize("begun", [b"G", b"GET /livez HTTP/1.1\r\nHost: x\r\n"])
async def test_a_head_that_begins_behind_a_request_times_out(before: bytes, begun: bytes) -> None:
    async with serving(timing=Timing(request_s=0.1, keep_alive_s=60.0)) as served:
        peer = await served.peer()
        peer.writer.write(before + begun)
        said = await peer.closed()
        assert said.count(b"HTTP/1.1 ") == before.count(b"HTTP/1.1")
        assert served.closed_for("request_timeout") == 1


@pytest.mark.parametrize("before", PIPELINED.values(), ids=PIPELINED)
async def test_pipelined_requests_leave_an_idle_connection(before: bytes) -> None:
    async with serving(timing=Timing(request_s=60.0, keep_alive_s=0.1)) as served:
        peer = await served.peer()
        peer.writer.write(before + b"\r\n")
        said = await peer.closed()
        assert said.count(b"HTTP/1.1 ") == before.count(b"HTTP/1.1")
        assert served.closed_for("idle") == 1


async def test_a_websocket_is_not_an_idle_connection() -> None:
    async with serving(timing=SHORT) as served:
        peer = await served.peer()
        peer.writer.write(
            b"GET /ws HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        )
        async with asyncio.timeout(5):
            assert (await peer.reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 101")
        idle = await served.peer()
        await idle.answered()
        await idle.closed()  # a later connection reached its keep-alive timeout
        assert served.closed_for("request_timeout") == 0
        assert len(served.context.connections) == 1
        peer.writer.close()


async def test_the_longest_idle_connection_is_closed_first_when_descriptors_run_out() -> None:
    async with serving(most=32 + 3) as served:
        peers = [await served.peer() for _ in range(3)]
        for peer in peers:
            await peer.answered()
        await peers[0].answered()
        newest = await served.peer()
        assert (await newest.answered()).endswith(b"ok\n")
        await peers[1].closed()
        assert served.closed_for("descriptors") == 1
        for peer in (peers[0], peers[2]):
            assert (await peer.answered()).endswith(b"ok\n")


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE])
async def test_an_accept_without_descriptors_is_a_warning_and_a_metric(
    number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serving() as served:
        idle = await served.peer()
        await idle.answered()
        tries = 0
        accept = socket.socket.accept

        def scarce(self: socket.socket) -> Any:
            nonlocal tries
            tries += 1
            if tries <= 2:
                raise OSError(number, "Too many open files")
            return accept(self)

        monkeypatch.setattr(socket.socket, "accept", scarce)
        with capture_logs() as lines:
            peer = await served.peer()
            assert (await peer.answered()).endswith(b"ok\n")
        assert tries < 10  # no busy loop
        assert served.context.metrics.accept_failed._value.get() == 2
        said = [line for line in lines if line["event"] == "accept_failed"]
        assert said[0]["log_level"] == "warning"
        assert "ulimit -n" in said[0]["fix"]
        await idle.closed()
        assert served.closed_for("descriptors") == 1


async def test_an_address_has_a_bounded_number_of_unauthenticated_connections() -> None:
    limits = Limits(unauthenticated_connections=2)
    async with serving(api_keys={"key": SECRET}, limits=limits) as served:
        first, second = [await served.peer() for _ in range(2)]
        await until(lambda: len(served.context.connections) == 2)
        third = await served.peer()
        assert await third.closed() == b""
        assert served.closed_for("address_limit") == 1
        grants = VideoGrants(room_join=True, room_admin=True)
        token = sign(claims_for("key", "ann", grants, valid_s=60), SECRET)
        bearer = f"Authorization: Bearer {token}\r\n".encode()
        for peer in (first, second):
            asked = HEAD.replace(b"/livez", b"/debug/rooms").replace(b"\r\n\r\n", b"\r\n" + bearer)
            assert b" 200 OK" in await peer.answered(asked + b"\r\n")
        fourth = await served.peer()
        assert (await fourth.answered()).endswith(b"ok\n")


async def test_trusted_proxies_and_loopback_without_keys_have_no_connection_limit() -> None:
    limits = Limits(unauthenticated_connections=1)
    keyed = {"api_keys": {"key": SECRET}, "trusted_proxies": ("127.0.0.1",)}
    for changes in (keyed, {}):
        async with serving(limits=limits, **changes) as served:
            peers = [await served.peer() for _ in range(5)]
            for peer in peers:
                assert (await peer.answered()).endswith(b"ok\n")


async def test_a_port_in_use_is_an_error_and_closes_all_sockets() -> None:
    async with serving() as served:
        other = Listener(
            lambda: None,
            served.context.connections,
            served.context.metrics,
            served.context.core.refusals,
        )
        with pytest.raises(OSError, match=r"[Aa]ddress"):
            await other.listen("127.0.0.1", served.port)
        assert other._sockets == []
