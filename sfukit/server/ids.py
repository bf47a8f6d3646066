"""Identifiers: counters that are never reused, and random secrets."""

import itertools
import secrets

from sfukit.signaling.transport import Credentials

_ICE_CHARS = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
_TO_ICE_CHARS = _ICE_CHARS * 4  # of every byte: its lowest six bits
_UFRAG_CHARS, _PWD_CHARS = 12, 32
_SSRC_STRIDE = 0x9E3779B1  # odd, so that all 32-bit values occur before one repeats


class Ids:
    """The id counters of one server."""

    def __init__(self) -> None:
        self._next = {
            kind: itertools.count(1)
            for kind in ("room", "transport", "publication", "subscription")
        }
        self._ssrc = secrets.randbits(32)

    def room(self) -> int:
        """Return the next room id."""
        return next(self._next["room"])

    def transport(self) -> int:
        """Return the next transport id."""
        return next(self._next["transport"])

    def publication(self) -> int:
        """Return the next publication id."""
        return next(self._next["publication"])

    def subscription(self) -> int:
        """Return the next subscription id."""
        return next(self._next["subscription"])

    def ssrc(self) -> int:
        """Return an SSRC that this server has not used before (RFC 3711 section 9.1)."""
        self._ssrc = (self._ssrc + _SSRC_STRIDE) & 0xFFFFFFFF
        return self._ssrc or self.ssrc()


def ice_credentials() -> Credentials:
    """Return ICE credentials of 72 and 192 random bits (RFC 8445 section 5.3)."""
    text = secrets.token_bytes(_UFRAG_CHARS + _PWD_CHARS).translate(_TO_ICE_CHARS).decode()
    return Credentials(text[:_UFRAG_CHARS], text[_UFRAG_CHARS:])


def session_id() -> str:
    """Return the secret id of a WHIP or WHEP session URL."""
    return secrets.token_urlsafe(24)


def guest_name(protocol: str) -> str:
    """Return a name for a participant without uid: the protocol and random digits."""
    return f"{protocol}-{secrets.token_hex(4)}"


def trace_id() -> str:
    """Return a trace id (W3C Trace Context section 3.2.2.3)."""
    return secrets.token_hex(16)
