"""STUN over TCP through tinyproxy, an HTTP CONNECT proxy."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from sfukit.probe.environment.proxy import parse
from sfukit.probe.nat.options import Options, chosen_tests
from sfukit.probe.nat.report import NatReport
from sfukit.probe.nat.run import probe
from sfukit.probe.resolve import Address, Endpoint
from tests.integration.nat_servers import whole


@pytest.fixture
def tinyproxy(program: Callable[[str, str], str]) -> str:
    return program("tinyproxy", "on Debian: apt-get install tinyproxy")


@contextlib.asynccontextmanager
async def proxy(tinyproxy: str, folder: Path, *lines: str) -> AsyncIterator[int]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    settings = folder / "tinyproxy.conf"
    settings.write_text("\n".join([f"Port {port}", "Listen 127.0.0.1", "Timeout 60", *lines, ""]))
    process = await asyncio.create_subprocess_exec(
        *(tinyproxy, "-d", "-c", str(settings)), stdout=asyncio.subprocess.DEVNULL
    )
    try:
        async with asyncio.timeout(10):
            while True:
                with contextlib.suppress(OSError):
                    _reader, writer = await asyncio.open_connection("127.0.0.1", port)
                    writer.close()
                    break
                await asyncio.sleep(0.05)
        yield port
    finally:
        process.terminate()
        await process.wait()


async def run(server: Address, proxy: str) -> NatReport:
    options = Options(
        servers=[Endpoint(*server)],
        tests=chosen_tests("mapping", "quick"),
        level="quick",
        tcp=True,
        proxy=parse(proxy),
    )
    return await probe(options, lambda _text: None)


async def test_stun_passes_a_proxy_that_allows_the_port(tinyproxy: str, tmp_path: Path) -> None:
    async with whole() as server:
        allowed = f"ConnectPort {server.primary.port}"
        async with proxy(tinyproxy, tmp_path, allowed) as port:
            report = await run(server.primary, f"http://127.0.0.1:{port}")
    assert report.tcp is not None
    assert report.tcp.answered
    assert report.tcp.via_proxy == f"127.0.0.1:{port}"


async def test_a_refused_port_is_reported(tinyproxy: str, tmp_path: Path) -> None:
    async with whole() as server, proxy(tinyproxy, tmp_path, "ConnectPort 443") as port:
        report = await run(server.primary, f"http://127.0.0.1:{port}")
    assert report.tcp is not None
    assert not report.tcp.answered
    assert report.tcp.reason is not None and "allow 443 alone" in report.tcp.reason


async def test_a_proxy_that_requires_credentials(tinyproxy: str, tmp_path: Path) -> None:
    async with whole() as server:
        lines = ("BasicAuth ann secret", f"ConnectPort {server.primary.port}")
        async with proxy(tinyproxy, tmp_path, *lines) as port:
            unauthenticated = await run(server.primary, f"http://127.0.0.1:{port}")
            authenticated = await run(server.primary, f"http://ann:secret@127.0.0.1:{port}")
    assert unauthenticated.tcp is not None and authenticated.tcp is not None
    assert unauthenticated.tcp.reason is not None and "credentials" in unauthenticated.tcp.reason
    assert authenticated.tcp.answered
    assert "secret" not in str(authenticated.tcp)
