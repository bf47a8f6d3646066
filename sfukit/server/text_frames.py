"""WebSocket frames of a server: unmasked, final, not compressed (RFC 6455 section 5.2)."""

from collections.abc import Iterable

_TEXT = 0x81  # FIN and opcode 1
_LONGEST_7_BIT = 125
_LONGEST_16_BIT = 0xFFFF


def text_frames(messages: Iterable[bytes]) -> bytes:
    """Write a text frame for each message, one after the other."""
    return b"".join([part for message in messages for part in (_header(len(message)), message)])


def _header(length: int) -> bytes:
    if length <= _LONGEST_7_BIT:
        return bytes((_TEXT, length))
    if length <= _LONGEST_16_BIT:
        return bytes((_TEXT, 126, length >> 8, length & 0xFF))
    return bytes((_TEXT, 127)) + length.to_bytes(8)
