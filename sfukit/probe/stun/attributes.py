"""The attributes of NAT behaviour discovery, added to aioice's tables (RFC 5780 7, RFC 8489 14).

The tables are global to the process and keyed by number and by name, so this happens once, at
import, and only adds.
"""

from collections.abc import Callable
from struct import pack, unpack

from aioice import stun

PADDING = "PADDING"
RESPONSE_PORT = "RESPONSE-PORT"
UNKNOWN_ATTRIBUTES = "UNKNOWN-ATTRIBUTES"
OLD_XOR_MAPPED = "OLD-XOR-MAPPED-ADDRESS"
"""The number of drafts before RFC 5389, which some servers still use."""
FILLER = "X-FILLER"
"""A comprehension-optional attribute: makes a request long and leaves the response short."""

CHANGE_IP = 0x4
CHANGE_PORT = 0x2


def _pack_port(port: int) -> bytes:
    """Write two octets; the padding to four is the message's (RFC 5780 7.5)."""
    return pack("!H", port)


def _unpack_port(value: bytes) -> int:
    """Read a port of length 2, or of length 4 as some servers and clients write it."""
    if len(value) not in (2, 4):
        raise ValueError("RESPONSE-PORT is neither 2 nor 4 bytes long")
    return int(unpack("!H", value[:2])[0])


def _pack_types(types: list[int]) -> bytes:
    return pack(f"!{len(types)}H", *types)


def _unpack_types(value: bytes) -> list[int]:
    if len(value) % 2:
        raise ValueError("UNKNOWN-ATTRIBUTES has an odd length")
    return list(unpack(f"!{len(value) // 2}H", value))


Entry = tuple[int, str, Callable[..., bytes], Callable[..., object]]

ADDED: tuple[Entry, ...] = (
    (0x000A, UNKNOWN_ATTRIBUTES, _pack_types, _unpack_types),
    (0x0026, PADDING, stun.pack_bytes, stun.unpack_bytes),
    (0x0027, RESPONSE_PORT, _pack_port, _unpack_port),
    (0x8020, OLD_XOR_MAPPED, stun.pack_xor_address, stun.unpack_xor_address),
    # in the range that means: ignore it where it is not understood (RFC 8489 14)
    (0xFEED, FILLER, stun.pack_bytes, stun.unpack_bytes),
)

for _entry in ADDED:
    stun.ATTRIBUTES_BY_TYPE[_entry[0]] = _entry
    stun.ATTRIBUTES_BY_NAME[_entry[1]] = _entry
