"""Ask whether a server is Janus: the request ``info``, over its WebSocket and over HTTP."""

import asyncio
import ssl
from typing import NamedTuple
from urllib.parse import urlsplit, urlunsplit

import httpx
import msgspec
from websockets.exceptions import ConnectionClosed, InvalidHandshake

from sfukit.errors import TargetError
from sfukit.targets import access, http_request, janus_url, room_socket
from sfukit.targets.access import Access

SUBPROTOCOL = "janus-protocol"
HINT = (
    "give janus+ws://HOST:8188/janus, or janus+wss://... behind TLS; "
    "is janus.transport.websockets enabled?"
)

DEFAULT_PORTS = {"http": 8188, "https": 8989}  # of the WebSocket
_REQUEST = b'{"janus":"info","transaction":"info"}'


class Janus(NamedTuple):
    """A Janus server: the URL of its WebSocket with the query as typed, and its version."""

    url: str
    version: str


class _Info(msgspec.Struct):
    janus: str
    version_string: str = ""


async def ask(url: str, client: httpx.AsyncClient, how: Access, limit_s: float) -> Janus | None:
    """Return the server at a URL of its WebSocket, or of its HTTP interface; None for others.

    Raises ``TargetError`` for an HTTP interface alone. The WebSocket beside such an interface is
    asked on the default port of Janus.
    """
    version = await _ask_websocket(url, how, limit_s)
    if version is not None:
        return _janus(url, version)
    if not await _is_http_interface(url, client, limit_s):
        return None
    parts = urlsplit(url)
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    netloc = f"{host}:{DEFAULT_PORTS[parts.scheme]}"
    beside = urlunsplit((parts.scheme, netloc, "/janus", parts.query, ""))
    version = await _ask_websocket(beside, how, limit_s)
    if version is None:
        raise TargetError(
            f"{url} is the HTTP interface of Janus: the bots need its WebSocket, which does not "
            f"answer on port {DEFAULT_PORTS[parts.scheme]}",
            hint=HINT,
        )
    return _janus(beside, version)


def _janus(url: str, version: str) -> Janus:
    return Janus(url.replace("http", "ws", 1), version)


async def _ask_websocket(url: str, how: Access, limit_s: float) -> str | None:
    """Return the version; no credentials are sent."""
    address = janus_url.parse(access.fill_in(url, "room-1", 1)).websocket
    try:
        async with asyncio.timeout(limit_s):
            connection = await room_socket.open_socket(
                address, {}, access.tls(how, address), limit_s, subprotocol=SUBPROTOCOL
            )
            try:
                await connection.send(_REQUEST, text=True)
                return _version(await connection.recv(decode=False))
            finally:
                await connection.close()
    except (OSError, ssl.SSLError, TimeoutError, InvalidHandshake, ConnectionClosed):
        return None


async def _is_http_interface(url: str, client: httpx.AsyncClient, limit_s: float) -> bool:
    parts = urlsplit(url)
    info = urlunsplit((parts.scheme, parts.netloc, f"{parts.path.rstrip('/')}/info", "", ""))
    try:
        reply = await http_request.send(client, "GET", info, limit_s=limit_s)
    except httpx.HTTPError:
        return False
    return _version(reply.body) is not None


def _version(answer: bytes) -> str | None:
    try:
        info = msgspec.json.decode(answer, type=_Info)
    except msgspec.DecodeError:
        return None
    return info.version_string[:40] if info.janus == "server_info" else None
