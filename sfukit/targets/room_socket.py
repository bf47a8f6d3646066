"""The WebSocket of an sfukit server's rooms, as every client of ours opens it."""

import ssl
from urllib.parse import urlsplit, urlunsplit

from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Subprotocol

_SUBPROTOCOL = Subprotocol("sfukit.jsonrpc")
_LARGEST_FRAME = 1024 * 1024
_CLOSE_S = 1.0


def address(url: str) -> str:
    """Tell where the socket of a server is, by the http(s) address of that."""
    parts = urlsplit(url)
    scheme = "wss" if parts.scheme == "https" else "ws"
    return urlunsplit((scheme, parts.netloc, "/ws", "", ""))


async def open_socket(
    url: str, headers: dict[str, str], tls: ssl.SSLContext | None, limit_s: float
) -> ClientConnection:
    """Connect; raises ``OSError`` and ``InvalidHandshake`` as websockets does."""
    return await connect(
        url,
        subprotocols=[_SUBPROTOCOL],
        additional_headers=headers,
        ssl=tls,
        compression=None,  # SDP is sent once: packing it costs more than it saves
        ping_interval=None,  # the server pings
        open_timeout=limit_s,
        close_timeout=_CLOSE_S,
        max_size=_LARGEST_FRAME,
        proxy=None,
    )
