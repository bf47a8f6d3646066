"""Up to the server's door: dns, tcp, tls, then what it says over HTTP that it is."""

import asyncio
import socket
import ssl
from urllib.parse import urlsplit

import anyio
import anyio.lowlevel
import httpx

from sfukit.errors import TargetError
from sfukit.probe import reach, tls
from sfukit.probe.check.options import CheckOptions
from sfukit.probe.course import Course, StepFailedError
from sfukit.probe.resolve import Endpoint
from sfukit.targets.recognise import Address, Found, greet, recognise

_PORTS = {"http": 80, "https": 443}


async def approach(
    course: Course, url: str, context: ssl.SSLContext | None, options: CheckOptions
) -> str:
    """Take the steps ``dns``, ``tcp`` and ``tls`` for a URL; return the address that answered."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    target = Endpoint(host, parts.port or _PORTS[parts.scheme])
    limits = options.limits
    addresses = await reach.dns(course, target, options.family, limits.dns_s)
    opened, server = await reach.tcp(course, "tcp", addresses, limits.tcp_s)
    if context is None:
        opened.close()
        course.skip("tls", "not asked for by http://")
    else:
        await _handshake(course, opened, context, host, limits.tls_s)
    return server.ip


async def ask(course: Course, address: Address, client: httpx.AsyncClient) -> Found:
    """Take the step ``http``: what is this server?"""
    await (
        anyio.lowlevel.checkpoint()
    )  # httpx loads it with its first request: 40 ms that are not the server's
    with course.step("http") as note:
        try:
            found = await recognise(address, client)
            if address.kind in ("whip", "whep"):  # these were not asked
                await greet(address.url, client)
        except TargetError as error:
            raise _fault(error, address) from error
        path = urlsplit(address.url).path
        if found.kind == "sfukit" and address.kind is None and path not in ("", "/"):
            raise StepFailedError(
                "not_found_404",
                f"the server is sfukit, but it has no endpoint {path}",
                "publish to /whip/ROOM, play from /whep/ROOM, or leave the path out for rooms",
            )
        note.found = _described(found, address)
    return found


async def _handshake(
    course: Course, opened: socket.socket, context: ssl.SSLContext, host: str, limit_s: float
) -> None:
    with course.step("tls") as note:
        try:
            transport, _ = await asyncio.get_running_loop().create_connection(
                asyncio.Protocol,
                sock=opened,
                ssl=context,
                server_hostname=host,
                ssl_handshake_timeout=limit_s,
            )
        except OSError as error:
            opened.close()
            raise tls.fault(error, host) from error
        note.found = tls.described(transport.get_extra_info("ssl_object"))
        transport.abort()


def _fault(error: TargetError, address: Address) -> StepFailedError:
    """Name why a server that takes connections does not answer as an SFU."""
    cause = error.__cause__
    if isinstance(cause, httpx.TimeoutException):
        return StepFailedError(
            "no_answer", "it takes the connection, but answers no request", "is it overloaded?"
        )
    if isinstance(cause, httpx.HTTPError):
        fix = "is it https:// that it speaks?" if address.url.startswith("http:") else None
        what = str(cause) or type(cause).__name__
        return StepFailedError("not_http", f"what answers does not speak HTTP: {what}", fix)
    return StepFailedError("not_an_sfu", error.what, error.hint)


def _described(found: Found, address: Address) -> str:
    if found.kind == "sfukit":
        return f"sfukit {found.version or ''}, rooms over WebSocket".replace("  ", " ")
    if address.kind is not None:
        how = "as the address says"
    elif found.by_path:
        how = "as its path says: it tells no Accept-Post"
    else:
        how = "accepts SDP by POST"
    return f"{found.kind.upper()} endpoint ({how})"
