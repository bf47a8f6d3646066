"""The WebSocket of a target, by default of the rooms of an sfukit server."""

import ssl
from urllib.parse import urljoin, urlsplit, urlunsplit

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidStatus, SecurityError
from websockets.typing import Subprotocol

from sfukit.targets import load_permission
from sfukit.targets.origin import denied_reason

_SUBPROTOCOL = "sfukit.jsonrpc"
_LARGEST_FRAME = 1024 * 1024
_CLOSE_S = 1.0


def address(url: str) -> str:
    """Return the ws(s) URL of a server's http(s) URL."""
    parts = urlsplit(url)
    scheme = "wss" if parts.scheme == "https" else "ws"
    return urlunsplit((scheme, parts.netloc, "/ws", "", ""))


async def open_socket(
    url: str,
    headers: dict[str, str],
    tls: ssl.SSLContext | None,
    limit_s: float,
    allowed: frozenset[str] = frozenset(),
    *,
    clients: int = 1,
    subprotocol: str | None = _SUBPROTOCOL,
) -> ClientConnection:
    """Connect; raises ``OSError`` and ``InvalidHandshake`` as websockets does.

    Redirects are followed within the origin and to ``allowed`` hosts: websockets itself would send
    every header but Authorization and Cookie to any host. Without headers any host is followed,
    unless more ``clients`` need permission.
    """
    return await _connecting_to(allowed, clients)(
        url,
        subprotocols=None if subprotocol is None else [Subprotocol(subprotocol)],
        additional_headers=headers,
        ssl=tls,
        compression=None,  # SDP is sent once: compression costs more than it saves
        ping_interval=None,  # the server pings
        open_timeout=limit_s,
        close_timeout=_CLOSE_S,
        max_size=_LARGEST_FRAME,
        proxy=None,
    )


def _connecting_to(allowed: frozenset[str], clients: int) -> type[connect]:
    class Connect(connect):
        def process_redirect(self, exc: Exception) -> Exception | str:
            if isinstance(exc, InvalidStatus):
                has_secrets = bool(self.additional_headers)
                refused = _refused(self.uri, exc, allowed, clients, has_secrets=has_secrets)
                if refused is not None:
                    return refused
            return super().process_redirect(exc)

    return Connect


def _refused(
    uri: str, answer: InvalidStatus, allowed: frozenset[str], clients: int, *, has_secrets: bool
) -> SecurityError | None:
    location = answer.response.headers.get("Location")
    if location is None or answer.response.status_code // 100 != 3:
        return None
    to = urljoin(uri, location)
    try:
        why = denied_reason(uri, to, allowed) if has_secrets else None
        load = load_permission.denied_reason(uri, to, clients, allowed)
    except ValueError as error:
        return SecurityError(f"redirected to {to!r}, which is no URL: {error}")
    if why is None and load is None:
        return None
    said = f"{why}, {to}: the token is not sent there" if why else f"to {to}: {load}"
    return SecurityError(
        f"redirected {said} (if it is yours: --allow-host {urlsplit(to).hostname})"
    )
