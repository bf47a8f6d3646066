"""`sfukit serve` as a process: ready, ports, signals."""

import asyncio
import contextlib
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest
from aioice.stun import Class, Message, Method, parse_message

from tests.certificates import self_signed
from tests.unit.server.stage import Member, offer_text

pytest.importorskip("sfukit._native")

READY_S = 20


class Process:
    """A server, what it said when ready, and how it ended."""

    def __init__(self, process: asyncio.subprocess.Process, ready: dict[str, Any]) -> None:
        self.process = process
        self.ready = ready

    def url(self, path: str) -> str:
        return f"{self.ready['url']}{path}"

    async def ended(self) -> int:
        async with asyncio.timeout(READY_S):
            return await self.process.wait()


async def spawn(*options: str) -> asyncio.subprocess.Process:
    command = ["-m", "sfukit", "serve", "--json", "-", "--udp-port", "0", *options]
    return await asyncio.create_subprocess_exec(
        sys.executable, *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )


@contextlib.asynccontextmanager
async def serving(*options: str) -> AsyncIterator[Process]:
    """Run a server on free ports."""
    process = await spawn("--http", "127.0.0.1:0", *options)
    assert process.stdout is not None
    try:
        async with asyncio.timeout(READY_S):
            ready = msgspec.json.decode(await process.stdout.readline())
        yield Process(process, ready)
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


@contextlib.asynccontextmanager
async def member(server: Process) -> AsyncIterator[Member]:
    """A participant of the room `demo`."""
    async with aiohttp.ClientSession() as session:
        one = Member(await session.ws_connect(server.ready["ws"]))
        offer = {"type": "offer", "sdp": offer_text()}
        await one.call("join", sid="demo", uid="ann", offer=offer)
        yield one


async def test_a_server_prints_its_urls_and_stops_at_once_on_sigint() -> None:
    async with serving() as server:
        assert server.ready["udp_ports"][0] > 0
        async with aiohttp.ClientSession() as session, session.get(server.url("/readyz")) as answer:
            assert answer.status == 200
        async with member(server) as ann:
            server.process.send_signal(signal.SIGINT)
            assert (await ann.note("bye"))["reason"] == "server_stopped"
            assert await ann.closed() == 1001
        assert await server.ended() == 0


async def test_sigterm_waits_for_the_last_participant() -> None:
    async with serving() as server, member(server) as ann:
        server.process.send_signal(signal.SIGTERM)
        assert (await ann.note("drain"))["deadline_s"] == 30
        await ann.call("leave")
        assert await server.ended() == 0


@contextlib.contextmanager
def standard_error(how: str) -> Iterator[int]:
    """Make what cannot be written to, or not for long."""
    reading, writing = os.pipe()
    if how == "broken pipe":
        os.close(reading)
    full = os.open("/dev/full", os.O_WRONLY)
    try:
        yield full if how == "full" else writing
    finally:
        for descriptor in {full, writing, *([] if how == "broken pipe" else [reading])}:
            os.close(descriptor)


@pytest.mark.parametrize("how", ["full", "broken pipe", "closed", "unread pipe"])
async def test_a_log_that_cannot_be_written_fails_no_request_and_no_end(how: str) -> None:
    command = [sys.executable, "-m", "sfukit", "serve", "--json", "-"]
    command += ["--http", "127.0.0.1:0", "--udp-port", "0"]
    if how == "closed":
        command = ["sh", "-c", 'exec "$@" 2>&-', "sh", *command]
    with standard_error(how) as stderr:
        process = await asyncio.create_subprocess_exec(
            *command, stdout=asyncio.subprocess.PIPE, stderr=stderr
        )
        assert process.stdout is not None
        try:
            async with asyncio.timeout(READY_S):
                server = Process(process, msgspec.json.decode(await process.stdout.readline()))
                async with aiohttp.ClientSession() as session:
                    for _ in range(400):
                        async with session.post(server.url("/whip/demo"), data="x") as answer:
                            assert answer.status == 415
                async with member(server) as ann:
                    await ann.call("leave")
                process.send_signal(signal.SIGTERM)
                assert await server.ended() == 0
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()


async def test_a_drain_can_be_cancelled_and_a_second_sigterm_stops() -> None:
    async with serving() as server, member(server) as ann:
        server.process.send_signal(signal.SIGTERM)
        await ann.note("drain")
        server.process.send_signal(signal.SIGUSR1)
        async with aiohttp.ClientSession() as session:
            while True:
                async with session.get(server.url("/readyz")) as answer:
                    if answer.status == 200:
                        break
                await asyncio.sleep(0.02)
        server.process.send_signal(signal.SIGTERM)
        await ann.note("drain")
        server.process.send_signal(signal.SIGTERM)
        assert (await ann.note("bye"))["reason"] == "server_stopped"
        assert await server.ended() == 0


async def ask_stun(port: int) -> Message:
    """Ask the media port once by plain STUN and wait for the answer."""
    loop = asyncio.get_running_loop()
    request = Message(Method.BINDING, Class.REQUEST)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asker:
        asker.setblocking(False)
        await loop.sock_connect(asker, ("127.0.0.1", port))
        await loop.sock_sendall(asker, bytes(request))
        async with asyncio.timeout(READY_S):
            answer = parse_message(await loop.sock_recv(asker, 1500))
        assert answer.transaction_id == request.transaction_id
        assert answer.attributes["XOR-MAPPED-ADDRESS"] == asker.getsockname()
    return answer


async def counted(server: Process, name: str) -> None:
    """Wait until the metric of this name and these labels, which lags a little, is 1."""
    async with aiohttp.ClientSession() as session, asyncio.timeout(READY_S):
        while True:
            async with session.get(server.url("/metrics")) as answer:
                if f"\n{name} 1.0\n" in await answer.text():
                    return
            await asyncio.sleep(0.02)


async def test_with_stun_the_media_port_answers_unauthenticated_requests() -> None:
    async with serving("--stun") as server:
        answer = await ask_stun(server.ready["udp_ports"][0])
        assert answer.message_class is Class.RESPONSE
        await counted(server, "sfukit_stun_answered_total")


async def test_without_stun_unauthenticated_requests_get_no_response() -> None:
    async with serving() as server:
        with contextlib.closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as asker:
            asker.setblocking(False)
            asker.connect(("127.0.0.1", server.ready["udp_ports"][0]))
            asker.send(bytes(Message(Method.BINDING, Class.REQUEST)))
            await counted(server, 'sfukit_dropped_total{reason="unknown_ufrag"}')
            with pytest.raises(BlockingIOError):
                asker.recv(1500)


async def test_metrics_have_a_separate_listener() -> None:
    async with serving("--metrics", "127.0.0.1:0") as server, aiohttp.ClientSession() as session:
        assert server.ready["metrics"] != server.url("/metrics")
        async with session.get(server.ready["metrics"]) as answer:
            assert "sfukit_build_info" in await answer.text()
        async with session.get(server.url("/metrics")) as answer:
            assert answer.status == 404


async def test_several_workers_have_several_ports() -> None:
    async with serving("--workers", "2") as server:
        assert len(set(server.ready["udp_ports"])) == 2


@pytest.mark.parametrize("kind", [socket.SOCK_STREAM, socket.SOCK_DGRAM])
async def test_a_port_in_use_is_an_error_with_a_fix(kind: socket.SocketKind) -> None:
    with socket.socket(socket.AF_INET, kind) as taken:
        taken.bind(("127.0.0.1" if kind is socket.SOCK_STREAM else "0.0.0.0", 0))
        port = taken.getsockname()[1]
        if kind is socket.SOCK_STREAM:
            taken.listen()
            process = await spawn("--http", f"127.0.0.1:{port}")
        else:
            process = await spawn("--http", "127.0.0.1:0", "--udp-port", str(port))
        async with asyncio.timeout(READY_S):
            out, said = await process.communicate()
    assert process.returncode == 2
    assert out == b""
    assert b"is another server running?" in said
    assert b"Traceback" not in said


async def test_with_a_certificate_everything_is_encrypted(tmp_path: Path) -> None:
    cert, key = self_signed(tmp_path)
    options = ["--tls-cert", str(cert), "--tls-key", str(key)]
    async with serving(*options) as server:
        assert server.ready["url"].startswith("https://127.0.0.1:")
        assert server.ready["ws"].startswith("wss://127.0.0.1:")
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=False)) as session:
            async with session.get(server.url("/livez")) as answer:
                assert answer.status == 200
            one = Member(await session.ws_connect(server.ready["ws"]))
            assert (await one.call("join", sid="demo", uid="ann"))["uid"] == "ann"
            await one.socket.close()


async def test_a_certificate_that_cannot_be_read_is_usage(tmp_path: Path) -> None:
    process = await spawn("--http", "127.0.0.1:0", "--tls-cert", str(tmp_path / "absent.pem"))
    async with asyncio.timeout(READY_S):
        _, said = await process.communicate()
    assert process.returncode == 2
    assert b"absent.pem" in said
    assert b"Traceback" not in said
