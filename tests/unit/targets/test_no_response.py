"""Why a target gives no HTTP response: the fault by its real exception, and the fix."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest

from sfukit.errors import TargetError
from sfukit.targets import detect
from sfukit.targets.detect import TargetUrl


@asynccontextmanager
async def listening(first_bytes: bytes) -> AsyncIterator[int]:
    """Accept connections, send bytes after the first ones received, and close."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(65_536)
        writer.write(first_bytes)
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def refusal(url: str) -> TargetError:
    async with httpx.AsyncClient(verify=ssl.create_default_context()) as client:
        with pytest.raises(TargetError) as refused:
            await detect.detect(TargetUrl("sfukit", url), client)
    return refused.value


@pytest.mark.parametrize(
    ("scheme", "first_bytes", "found", "fix"),
    [
        ("http", b"", "closes the connection without a response", "expect https"),
        (
            "http",
            b"220 mail.example ESMTP\r\n\r\n",
            "does not answer with HTTP",
            "is this its HTTP port",
        ),
        ("https", b"HTTP/1.0 400 Bad Request\r\n\r\n", "does not speak TLS", "without TLS"),
    ],
)
async def test_a_port_of_another_protocol(
    scheme: str, first_bytes: bytes, found: str, fix: str
) -> None:
    async with listening(first_bytes) as port:
        error = await refusal(f"{scheme}://127.0.0.1:{port}")
    assert found in error.what
    assert fix in str(error.hint)


async def test_a_closed_port_is_named() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
        error = await refusal(f"http://127.0.0.1:{port}")
    assert f"nothing listens on port {port} of 127.0.0.1" in error.what


async def test_a_name_without_address_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_address(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", no_address)
    error = await refusal("http://sfu.invalid")
    assert "the name sfu.invalid does not resolve" in error.what


async def test_an_untrusted_certificate_is_named() -> None:
    def refuse(_: httpx.Request) -> httpx.Response:
        untrusted = ssl.SSLCertVerificationError("certificate verify failed")
        untrusted.verify_code, untrusted.verify_message = 18, "self-signed certificate"
        raise httpx.ConnectError("tls") from untrusted

    async with httpx.AsyncClient(transport=httpx.MockTransport(refuse)) as client:
        with pytest.raises(TargetError) as refused:
            await detect.detect(TargetUrl("sfukit", "https://127.0.0.1"), client)
    assert "not trusted here (self-signed certificate)" in refused.value.what
    assert "--cacert FILE" in str(refused.value.hint)
