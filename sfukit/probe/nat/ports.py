"""Which ports let something through: UDP, TCP and TLS told apart (firewalls pass some of each)."""

import asyncio
import ssl

from sfukit.probe.nat.context import Context
from sfukit.probe.nat.report import PortResult, PortState
from sfukit.probe.resolve import Address
from sfukit.probe.stun.exchange import Exchange
from sfukit.probe.where import certificate
from sfukit.probe.where.proxy import Proxy, connect

HIGH_PORT = 50_000
"""Of the range that SFUs and TURN servers use for media; nobody need listen there to be reached."""

_UDP_PORTS = (3478, 443, HIGH_PORT)
_TCP_S = 1.5
_NO_PUBLIC_ROOT = (18, 19, 20, 21)  # OpenSSL: self-signed, or the issuer is not found


async def udp(context: Context, host: Address) -> list[PortResult]:
    """Ask on the usual ports of a host: an answer and a refusal by the host both prove the way."""
    ports = list(dict.fromkeys((host.port, *_UDP_PORTS)))
    with context.socket() as socket:
        exchanges = await asyncio.gather(
            *(context.ask(socket, Address(host.ip, port), f"ports.udp.{port}") for port in ports)
        )
    return [result_of(exchange) for exchange in exchanges]


def result_of(exchange: Exchange) -> PortResult:
    """Read what one port did."""
    to = exchange.to
    state: PortState = "silent"
    if exchange.heard is not None:
        state = "open"
    elif exchange.trouble == "refused":
        state = "reached"
    elif exchange.trouble is not None:
        state = "unreachable"
    return PortResult(
        transport="udp", host=to.ip, port=to.port, state=state, detail=exchange.trouble
    )


async def tcp_and_tls(host: str, port: int = 443, proxy: Proxy | None = None) -> list[PortResult]:
    """Connect by TCP, then shake hands by TLS: each can be stopped by itself."""
    try:
        async with asyncio.timeout(_TCP_S):
            if proxy is None:
                _reader, writer = await asyncio.open_connection(host, port)
            else:
                _reader, writer = await connect(proxy, host, port)
    except ConnectionRefusedError:
        return [
            PortResult(transport="tcp", host=host, port=port, state="reached", detail="refused")
        ]
    except (OSError, TimeoutError) as error:
        silent = isinstance(error, TimeoutError)
        detail = None if silent else (error.strerror or str(error))
        state: PortState = "silent" if silent else "unreachable"
        return [PortResult(transport="tcp", host=host, port=port, state=state, detail=detail)]
    try:
        tls = await _tls(host, port, writer)
    finally:
        writer.close()
    return [PortResult(transport="tcp", host=host, port=port, state="open"), tls]


async def _tls(host: str, port: int, writer: asyncio.StreamWriter) -> PortResult:
    """Shake hands; a certificate of no public root is an interceptor's or a private server's."""
    state: PortState = "open"
    detail: str | None = None
    try:
        async with asyncio.timeout(_TCP_S):
            await writer.start_tls(ssl.create_default_context(), server_hostname=host)
    except ssl.SSLCertVerificationError as error:
        detail = "the certificate is of another name"
        if error.verify_code in _NO_PUBLIC_ROOT:
            who = await _issuer(host, port)
            detail = f"issued by {who or 'nobody known'}, no public root: TLS is intercepted, "
            detail += "or this is a private server"
    except (OSError, TimeoutError) as error:
        state = "silent"
        detail = getattr(error, "reason", None) or str(error) or "no handshake"
    return PortResult(transport="tls", host=host, port=port, state=state, detail=detail)


async def _issuer(host: str, port: int) -> str | None:
    """Look at the certificate once more without trusting it, to name its issuer."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        async with asyncio.timeout(_TCP_S):
            _reader, writer = await asyncio.open_connection(host, port, ssl=context)
    except (OSError, TimeoutError):
        return None
    tls = writer.get_extra_info("ssl_object")
    writer.close()
    return certificate.issuer(tls.getpeercert(binary_form=True) or b"")
