"""The URL of a Janus server: its WebSocket, a room, and the secrets of that room."""

from typing import NamedTuple
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

_NO_PATH = ("", "/")
_PATH = "/janus"
_OWN = ("room", "pin", "admin_key")


class JanusUrl(NamedTuple):
    """The WebSocket URL, a room that exists (as typed), its PIN, the key that creates rooms."""

    websocket: str
    room: str | None = None
    pin: str | None = None
    admin_key: str | None = None


def parse(url: str) -> JanusUrl:
    """Parse ``http(s)|ws(s)://HOST:8188/janus[?room=ID][&pin=PIN][&admin_key=KEY]``."""
    parts = urlsplit(url)
    scheme = {"http": "ws", "https": "wss"}.get(parts.scheme, parts.scheme)
    query = parse_qsl(parts.query, keep_blank_values=True)
    own = {name: value for name, value in query if name in _OWN and value}
    rest = urlencode([pair for pair in query if pair[0] not in _OWN])
    path = _PATH if parts.path in _NO_PATH else parts.path
    return JanusUrl(
        urlunsplit((scheme, parts.netloc, path, rest, "")),
        own.get("room"),
        own.get("pin"),
        own.get("admin_key"),
    )
