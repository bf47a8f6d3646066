"""The datagrams between the two ends: timestamps, state, authentication. Pure.

80 bytes in each direction, so that a response is never larger than its request (RFC 8085 section
3.1.11, amplification): magic ``sfkC``, version, kind, state, one zero byte, nonce (16), the
timestamps t1, t2, t3 and the wall time minus the clock (8 each, nanoseconds), the round trip of
the publisher in microseconds (4), four zero bytes, and the first 16 bytes of HMAC-SHA256 over all
before it, keyed by the peer token.
"""

import hashlib
import hmac
import struct
from enum import IntEnum

import msgspec

SIZE = 80
NONCE_SIZE = 16

_MAGIC, _VERSION = b"sfkC", 1
_FIELDS = struct.Struct(f"!4sBBBx{NONCE_SIZE}sQQQqI4x")
_MAC_SIZE = SIZE - _FIELDS.size
_UNKNOWN_RTT = 0xFFFF_FFFF


class Kind(IntEnum):
    """Request of the subscriber's end, response of the publisher's end."""

    REQUEST = 1
    RESPONSE = 2


class State(IntEnum):
    """The progress of an end; ``MEDIA``: it sends, or it measures what it receives."""

    JOINING = 0
    MEDIA = 1
    ENDED = 2


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """One datagram; ``t2_ns`` and later fields are zero in a request."""

    kind: Kind
    state: State
    nonce: bytes
    t1_ns: int
    t2_ns: int = 0
    t3_ns: int = 0
    wall_minus_clock_ns: int = 0
    rtt_us: int | None = None


def key_of(token: str) -> bytes:
    """Return the key of a peer token."""
    return hashlib.sha256(b"sfukit latency clock exchange\0" + token.encode()).digest()


def encode(message: Message, key: bytes) -> bytes:
    """Write a datagram."""
    rtt_us = _UNKNOWN_RTT if message.rtt_us is None else min(message.rtt_us, _UNKNOWN_RTT - 1)
    fields = _FIELDS.pack(
        _MAGIC,
        _VERSION,
        message.kind,
        message.state,
        message.nonce,
        message.t1_ns,
        message.t2_ns,
        message.t3_ns,
        message.wall_minus_clock_ns,
        rtt_us,
    )
    return fields + _mac(fields, key)


def decode(datagram: bytes, key: bytes) -> Message | None:
    """Read a datagram; None where it is not one of an end with the same token."""
    if len(datagram) != SIZE:
        return None
    fields, mac = datagram[: _FIELDS.size], datagram[_FIELDS.size :]
    if not hmac.compare_digest(mac, _mac(fields, key)):
        return None
    magic, version, kind, state, nonce, t1, t2, t3, wall, rtt_us = _FIELDS.unpack(fields)
    if (magic, version) != (_MAGIC, _VERSION) or kind not in (*Kind,) or state not in (*State,):
        return None
    return Message(
        kind=Kind(kind),
        state=State(state),
        nonce=nonce,
        t1_ns=t1,
        t2_ns=t2,
        t3_ns=t3,
        wall_minus_clock_ns=wall,
        rtt_us=None if rtt_us == _UNKNOWN_RTT else rtt_us,
    )


def _mac(fields: bytes, key: bytes) -> bytes:
    return hmac.digest(key, fields, "sha256")[:_MAC_SIZE]
