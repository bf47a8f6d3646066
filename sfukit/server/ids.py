"""Identifiers: counted ones that are never used again, and secret ones that cannot be guessed."""

import itertools
import secrets

from sfukit.signaling.transport import Credentials

_ICE_CHARS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
_SSRC_STRIDE = 0x9E3779B1  # odd, so that every 32-bit number comes before one comes twice


class Ids:
    """Hand out the ids of one server."""

    def __init__(self) -> None:
        self._next = {
            kind: itertools.count(1)
            for kind in ("room", "transport", "publication", "subscription")
        }
        self._ssrc = secrets.randbits(32)

    def room(self) -> int:
        """Number a room."""
        return next(self._next["room"])

    def transport(self) -> int:
        """Number a transport."""
        return next(self._next["transport"])

    def publication(self) -> int:
        """Number a publication."""
        return next(self._next["publication"])

    def subscription(self) -> int:
        """Number a subscription."""
        return next(self._next["subscription"])

    def ssrc(self) -> int:
        """Choose an SSRC that no other stream of this server ever had (RFC 3711 section 9.1)."""
        self._ssrc = (self._ssrc + _SSRC_STRIDE) & 0xFFFFFFFF
        return self._ssrc or self.ssrc()


def ice_credentials() -> Credentials:
    """Make ICE credentials of 72 and 192 random bits (RFC 8445 section 5.3)."""
    return Credentials(_ice_text(12), _ice_text(32))


def session_id() -> str:
    """Make the secret part of a session's URL."""
    return secrets.token_urlsafe(24)


def guest_name(protocol: str) -> str:
    """Name somebody who gave no name."""
    return f"{protocol}-{secrets.token_hex(4)}"


def trace_id() -> str:
    """Make a trace id (W3C Trace Context section 3.2.2.3)."""
    return secrets.token_hex(16)


def _ice_text(length: int) -> str:
    return "".join([_ICE_CHARS[byte & 63] for byte in secrets.token_bytes(length)])
