"""TURN attributes that aioice does not have, and text attributes that it decodes too strictly."""

import struct
from collections.abc import Mapping
from typing import Any

from aioice import stun

from sfukit.probe.resolve import Address
from sfukit.probe.stun.attributes import UNKNOWN_ATTRIBUTES

# RFC 8656 section 18.7; aioice requests IPv4 allocations only
FAMILY = "REQUESTED-ADDRESS-FAMILY"
ALTERNATE = "ALTERNATE-SERVER"  # RFC 8489 section 14.15
PASSWORD_ALGORITHMS = "PASSWORD-ALGORITHMS"  # RFC 8489 section 14.11

_NONCE_COOKIE = b"obMatJos2"  # RFC 8489 section 9.2
MD5 = "MD5"
_ALGORITHMS = {1: MD5, 2: "SHA-256"}
_NAMES = {0x0019: "REQUESTED-TRANSPORT", 0x000D: "LIFETIME", 0x0017: FAMILY}
_STRINGS = ((0x0014, "REALM"), (0x8022, "SOFTWARE"))
_MOST_NAMED = 8


def _text(data: bytes) -> str:
    """Decode text that should be UTF-8; invalid bytes are replaced."""
    return data.decode(errors="replace")


def _error_code(data: bytes) -> tuple[int, str]:
    if len(data) < 4:
        raise ValueError("an error code of less than 4 bytes")
    return (data[2] & 0x07) * 100 + data[3], _text(data[4:])


def register() -> None:
    """Register the attributes in aioice's tables, which are global to the process."""
    entries: list[stun.AttributeEntry] = [
        (0x0017, FAMILY, stun.pack_unsigned, stun.unpack_unsigned),
        (0x8002, PASSWORD_ALGORITHMS, stun.pack_bytes, stun.unpack_bytes),
        (0x8023, ALTERNATE, stun.pack_address, stun.unpack_address),
        (0x0009, "ERROR-CODE", stun.pack_error_code, _error_code),
        *((kind, name, stun.pack_string, _text) for kind, name in _STRINGS),
    ]
    for entry in entries:
        stun.ATTRIBUTES_BY_TYPE[entry[0]] = stun.ATTRIBUTES_BY_NAME[entry[1]] = entry


def alternate(attributes: Mapping[str, Any]) -> Address | None:
    """Return the ALTERNATE-SERVER of a 300, or None."""
    found = attributes.get(ALTERNATE)
    return None if found is None else Address(*found)


def unknown(attributes: Mapping[str, Any]) -> list[str]:
    """List the attributes that a 420 rejects as unknown."""
    kinds: list[int] = attributes.get(UNKNOWN_ATTRIBUTES, [])
    return [f"0x{kind:04x} {_NAMES.get(kind, '')}".strip() for kind in kinds[:_MOST_NAMED]]


def password_algorithms(attributes: Mapping[str, Any]) -> list[str] | None:
    """List the PASSWORD-ALGORITHMS of a challenge of RFC 8489; None for one of RFC 5389.

    A nonce of RFC 8489 begins with a cookie. Its feature bits are not read: the registry counts
    them from the left (section 18.1), the test vector of appendix B from the right.
    """
    data: bytes | None = attributes.get(PASSWORD_ALGORITHMS)
    if data is None or not attributes.get("NONCE", b"").startswith(_NONCE_COOKIE):
        return None
    found: list[str] = []
    at = 0
    while at + 4 <= len(data) and len(found) < _MOST_NAMED:
        kind, length = struct.unpack_from("!HH", data, at)
        found.append(_ALGORITHMS.get(kind, f"0x{kind:04x}"))
        at += 4 + length + -length % 4
    return found
