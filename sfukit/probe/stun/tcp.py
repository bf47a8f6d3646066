"""STUN over TCP (RFC 8489 6.2.2), directly or through a CONNECT proxy."""

import asyncio
import contextlib
import socket
from struct import unpack_from

import msgspec

from sfukit.probe.environment.proxy import Proxy, connect
from sfukit.probe.resolve import Address
from sfukit.probe.stun import message
from sfukit.probe.stun.message import Malformed


class TcpAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The result of one connection; ``connected`` without ``mapped`` is no STUN server."""

    connected: bool = False
    mapped: Address | None = None
    local: Address | None = None
    rtt_ms: float | None = None
    error: str | None = None


async def send_request(
    to: Address,
    *,
    local: tuple[str, int] | None = None,
    proxy: Proxy | None = None,
    timeout_s: float = 2.0,
) -> TcpAnswer:
    """Connect, send one request, read one response; network errors are in the result."""
    loop = asyncio.get_running_loop()
    started_s = loop.time()
    try:
        async with asyncio.timeout_at(started_s + timeout_s):
            if proxy is None:
                reader, writer = await _open(to, local)
            else:
                reader, writer = await connect(proxy, to.ip, to.port)
    except (OSError, TimeoutError) as error:
        return TcpAnswer(error=getattr(error, "strerror", None) or str(error) or "timed out")
    own = Address(*writer.get_extra_info("sockname")[:2])
    try:
        async with asyncio.timeout_at(started_s + timeout_s):
            mapped = await _exchange(reader, writer, to)
    except (OSError, Malformed, asyncio.IncompleteReadError, TimeoutError) as error:
        return TcpAnswer(connected=True, local=own, error=str(error) or "no answer")
    finally:
        writer.close()
        with contextlib.suppress(OSError, TimeoutError):
            await writer.wait_closed()
    rtt_ms = round((loop.time() - started_s) * 1e3, 2)
    return TcpAnswer(connected=True, mapped=mapped, local=own, rtt_ms=rtt_ms)


async def _open(
    to: Address, local: tuple[str, int] | None
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Connect, from a local port that several connections may share (SO_REUSEPORT)."""
    sock = socket.socket(to.family, socket.SOCK_STREAM)
    sock.setblocking(False)
    try:
        if local is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if hasattr(socket, "SO_REUSEPORT"):
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            sock.bind(local)
        await asyncio.get_running_loop().sock_connect(sock, to)
    except BaseException:
        sock.close()
        raise
    return await asyncio.open_connection(sock=sock)


async def _exchange(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, to: Address
) -> Address | None:
    request = message.request()
    writer.write(bytes(request))
    head = await reader.readexactly(20)
    (length,) = unpack_from("!H", head, 2)
    if length > message.MAX_BYTES - 20:
        raise Malformed(f"an answer of {length} bytes")
    parsed = message.parse(head + await reader.readexactly(length))
    if parsed.transaction_id != request.transaction_id:
        raise Malformed("a response to another transaction")
    return parsed.mapped(to)
