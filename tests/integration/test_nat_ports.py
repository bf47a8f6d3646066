"""TCP and TLS ports, from the bound address: listeners over real loopback."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from sfukit.probe.environment import portal
from sfukit.probe.nat import ports
from sfukit.probe.nat.options import Options, chosen_tests
from sfukit.probe.nat.run import probe
from sfukit.probe.resolve import Endpoint
from tests.certificates import Certificate, self_signed
from tests.integration.nat_servers import crooked

HERE, FROM = "127.0.0.1", "127.0.0.5"


class Listener:
    """Who came, to a listener that hangs up."""

    def __init__(self) -> None:
        self.port = 0
        self.asked_by: list[str] = []

    async def hold(self, _reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.asked_by.append(writer.get_extra_info("peername")[0])
        writer.close()


@contextlib.asynccontextmanager
async def listening(
    certificate: Certificate | None = None, port: int = 0
) -> AsyncIterator[Listener]:
    context = None
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate.cert, certificate.key)
    listener = Listener()
    server = await asyncio.start_server(listener.hold, HERE, port, ssl=context)
    listener.port = server.sockets[0].getsockname()[1]
    try:
        yield listener
    finally:
        server.close()


def corporate(folder: Path) -> Certificate:
    return self_signed(folder, subject="/O=Corp\x1b[2J/CN=Corp Inspection CA")


async def test_an_intercepted_handshake_is_distinguished_from_a_silent_port(tmp_path: Path) -> None:
    async with listening(corporate(tmp_path)) as listener:
        tcp, tls = await ports.tcp_and_tls(FROM, HERE, listener.port)
    assert (tcp.state, tls.state) == ("open", "open")
    assert tls.issuer == "Corp?[2J, Corp Inspection CA"
    assert tls.detail is not None and tls.issuer in tls.detail
    (refused,) = await ports.tcp_and_tls(FROM, HERE, listener.port)
    assert (refused.transport, refused.state) == ("tcp", "reached")


@pytest.mark.parametrize(
    ("made", "says"),
    [
        (lambda folder: self_signed(folder, days=-1), "has expired"),
        (lambda folder: self_signed(folder, "DNS:other.example"), "other names than 127.0.0.1"),
    ],
)
async def test_certificate_errors_are_named(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    made: Callable[[Path], Certificate],
    says: str,
) -> None:
    certificate = made(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate.cert))
    async with listening(certificate) as listener:
        _tcp, tls = await ports.tcp_and_tls(FROM, HERE, listener.port)
    assert tls.state == "open"
    assert tls.detail is not None and says in tls.detail


async def test_a_port_without_tls_is_reported_for_the_bound_address() -> None:
    async with listening() as listener:
        _tcp, tls = await ports.tcp_and_tls(FROM, HERE, listener.port)
    assert tls.state == "silent"
    assert tls.detail
    assert listener.asked_by == [FROM]


async def test_tcp_in_the_place_of_udp_leaves_from_the_same_address() -> None:
    async with crooked(lambda _data, _source: []) as server:
        options = Options(
            servers=[Endpoint(*server)],
            tests=chosen_tests("mapping", "quick"),
            level="quick",
            timeout_s=0.05,
            bind_ip=FROM,
        )
        async with listening(port=server.port) as listener:
            report = await probe(options, lambda _text: None)
    assert report.reason is not None and "TCP reaches the server" in report.reason
    assert set(listener.asked_by) == {FROM}


async def test_a_portal_is_looked_for_from_the_same_address() -> None:
    async with listening() as listener:
        assert await portal.captive(FROM, HERE, listener.port) is None
    assert listener.asked_by == [FROM]
