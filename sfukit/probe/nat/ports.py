"""Reachable ports by UDP, TCP and TLS, since firewalls allow some of each."""

import asyncio
import ssl

from sfukit.probe import tls
from sfukit.probe.environment import certificate
from sfukit.probe.environment.proxy import Proxy, connect
from sfukit.probe.nat.context import Context
from sfukit.probe.nat.report import PortResult, PortState
from sfukit.probe.resolve import Address
from sfukit.probe.stun.transaction import Transaction

HIGH_PORT = 50_000
"""A port of the range of media and relay ports; ICMP port unreachable proves that UDP passes."""

_UDP_PORTS = (3478, 443, HIGH_PORT)
_TCP_S = 1.5
_NO_PUBLIC_ROOT = (18, 19, 20, 21)  # OpenSSL: self-signed, or the issuer is not found


async def udp(context: Context, host: Address) -> list[PortResult]:
    """Probe the usual UDP ports of a host; ICMP port unreachable proves that UDP passes."""
    ports = list(dict.fromkeys((host.port, *_UDP_PORTS)))
    with context.socket() as socket:
        transactions = await asyncio.gather(
            *(
                context.send_request(socket, Address(host.ip, port), f"ports.udp.{port}")
                for port in ports
            )
        )
    return [result_of(transaction) for transaction in transactions]


def result_of(transaction: Transaction) -> PortResult:
    """Convert a transaction to the result of one port."""
    to = transaction.to
    state: PortState = "silent"
    if transaction.has_reply:
        state = "open"
    elif transaction.failure == "refused":
        state = "reached"
    elif transaction.failure is not None:
        state = "unreachable"
    detail = transaction.anomaly or transaction.failure
    return PortResult(transport="udp", host=to.ip, port=to.port, state=state, detail=detail)


async def tcp_and_tls(
    local_ip: str, host: str, port: int = 443, proxy: Proxy | None = None
) -> list[PortResult]:
    """Connect by TCP, then do the TLS handshake: a firewall may block either one."""
    try:
        async with asyncio.timeout(_TCP_S):
            writer = await _open(local_ip, host, port, proxy)
    except ConnectionRefusedError:
        return [
            PortResult(transport="tcp", host=host, port=port, state="reached", detail="refused")
        ]
    except (OSError, TimeoutError) as error:
        silent = isinstance(error, TimeoutError)
        detail = None if silent else (error.strerror or str(error))
        state: PortState = "silent" if silent else "unreachable"
        return [PortResult(transport="tcp", host=host, port=port, state=state, detail=detail)]
    issuer = None
    try:
        state, detail = await _tls(host, writer)
    except _NoPublicRootError:
        issuer = await _issuer(local_ip, host, port, proxy)
        state, detail = "open", _interceptor(issuer)
    finally:
        writer.close()
    return [
        PortResult(transport="tcp", host=host, port=port, state="open"),
        PortResult(
            transport="tls", host=host, port=port, state=state, detail=detail, issuer=issuer
        ),
    ]


async def _open(local_ip: str, host: str, port: int, proxy: Proxy | None) -> asyncio.StreamWriter:
    """Connect from the probed local address; the connection to a proxy has its own route."""
    if proxy is not None:
        return (await connect(proxy, host, port))[1]
    family = Address(local_ip, 0).family
    return (await asyncio.open_connection(host, port, family=family, local_addr=(local_ip, 0)))[1]


class _NoPublicRootError(Exception):
    """The certificate chain has no public root: a TLS interceptor, or a private server."""


async def _tls(host: str, writer: asyncio.StreamWriter) -> tuple[PortState, str | None]:
    """Do the TLS handshake with the system's root certificates."""
    try:
        async with asyncio.timeout(_TCP_S):
            await writer.start_tls(ssl.create_default_context(), server_hostname=host)
    except ssl.SSLCertVerificationError as error:
        if error.verify_code in _NO_PUBLIC_ROOT:
            raise _NoPublicRootError from error
        return "open", tls.fault(error, host).found
    except TimeoutError:
        return "silent", "no handshake"
    except OSError as error:
        return "silent", tls.fault(error, host).found
    return "open", None


def _interceptor(issuer: str | None) -> str:
    return (
        f"issued by {issuer or 'an unknown issuer'}, no public root: TLS is intercepted, "
        "or this is a private server"
    )


async def _issuer(local_ip: str, host: str, port: int, proxy: Proxy | None) -> str | None:
    """Connect again without verification to read the issuer of the certificate."""
    believing = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    believing.check_hostname = False
    believing.verify_mode = ssl.CERT_NONE
    try:
        async with asyncio.timeout(_TCP_S):
            writer = await _open(local_ip, host, port, proxy)
            try:
                await writer.start_tls(believing, server_hostname=host)
                session = writer.get_extra_info("ssl_object")
                return certificate.issuer(session.getpeercert(binary_form=True) or b"")
            finally:
                writer.close()
    except (OSError, TimeoutError):
        return None
