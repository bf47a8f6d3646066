"""The connection to the signaling endpoint: the steps dns, tcp, tls and http."""

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
from sfukit.probe.resolve import Endpoint
from sfukit.probe.steps import StepFailedError, StepRecorder
from sfukit.targets.access import Access
from sfukit.targets.detect import BY_ADAPTER, DetectedTarget, TargetUrl, detect, require_http

_PORTS = {"http": 80, "https": 443}
_NAMES: dict[str, str] = {"livekit": "LiveKit", "galene": "Galene", "janus": "Janus"}


async def connect(
    recorder: StepRecorder, url: str, context: ssl.SSLContext | None, options: CheckOptions
) -> str:
    """Run the steps ``dns``, ``tcp`` and ``tls`` for a URL; return the server's IP address."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    target = Endpoint(host, parts.port or _PORTS[parts.scheme])
    limits = options.limits
    addresses = await reach.dns(recorder, target, options.family, limits.dns_s)
    opened, server = await reach.tcp(recorder, "tcp", addresses, limits.tcp_s)
    if context is None:
        opened.close()
        recorder.skip("tls", "not requested by http://")
    else:
        await _handshake(recorder, opened, context, host, limits.tls_s)
    return server.ip


async def identify(
    recorder: StepRecorder,
    address: TargetUrl,
    client: httpx.AsyncClient,
    how: Access,
    *,
    has_adapters: bool,
) -> DetectedTarget:
    """Run the step ``http``: detect the kind of server."""
    await anyio.lowlevel.checkpoint()  # httpx imports anyio with its first request, 40 ms
    with recorder.step("http") as note:
        try:
            found = await detect(address, client, how)
            if address.kind in ("whip", "whep"):  # forced kinds were not requested yet
                await require_http(address.url, client)
        except TargetError as error:
            raise _fault(error, address) from error
        if found.kind in BY_ADAPTER and not has_adapters:
            raise StepFailedError(
                "not_checked",
                f"the server is {found.kind}, whose signaling `sfukit check` does not speak",
                "use sfukit loadtest with -c 2",
            )
        path = urlsplit(address.url).path
        if found.kind == "sfukit" and address.kind is None and path not in ("", "/"):
            raise StepFailedError(
                "not_found_404",
                f"the server is sfukit, but it has no endpoint {path}",
                "publish to /whip/ROOM, play from /whep/ROOM, or omit the path for rooms",
            )
        note.found = _described(found, address)
    return found


async def _handshake(
    recorder: StepRecorder,
    opened: socket.socket,
    context: ssl.SSLContext,
    host: str,
    limit_s: float,
) -> None:
    with recorder.step("tls") as note:
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


def _fault(error: TargetError, address: TargetUrl) -> StepFailedError:
    """Return the failure of a server that accepts connections but does not answer as an SFU."""
    cause = error.__cause__
    if isinstance(cause, httpx.TimeoutException):
        return StepFailedError(
            "no_answer", "the server accepts TCP, but answers no request", "is it overloaded?"
        )
    if isinstance(cause, httpx.HTTPError):
        fix = "does the server expect https://?" if address.url.startswith("http:") else None
        what = str(cause) or type(cause).__name__
        return StepFailedError("not_http", f"the server does not speak HTTP: {what}", fix)
    return StepFailedError("not_an_sfu", error.what, error.hint)


def _described(found: DetectedTarget, address: TargetUrl) -> str:
    if found.kind == "sfukit":
        return f"sfukit {found.version or ''}, rooms over WebSocket".replace("  ", " ")
    if found.kind in BY_ADAPTER:
        return f"{_NAMES[found.kind]} {found.version or ''}".rstrip()
    if address.kind is not None:
        how = "by the scheme of the target"
    elif found.by_path:
        how = "by its path, without Accept-Post"
    else:
        how = "accepts SDP by POST"
    return f"{found.kind.upper()} endpoint ({how})"
