"""Parse and write STUN messages: aioice's, with the checks that it leaves to its caller."""

import struct
from dataclasses import dataclass
from struct import unpack_from
from typing import Any

from aioice import stun
from aioice.stun import Class, Message, Method

from sfukit.probe.resolve import Address
from sfukit.probe.stun import attributes

MAX_BYTES = 4096
"""Longer than any answer asked for; what is longer is not read."""

_HEADER = stun.HEADER_LENGTH
_MAX_ATTRIBUTES = 64
_REQUIRED_BELOW = 0x8000  # comprehension-required (RFC 8489 14)


class Malformed(ValueError):  # noqa: N818  # a verdict on bytes, not a fault
    """Bytes that are no STUN message; says which rule they break."""


@dataclass(frozen=True)
class Parsed:
    """A message with the required attributes that nobody here understands; its length in bytes."""

    message: Message
    unknown_required: tuple[int, ...]
    length: int

    @property
    def transaction_id(self) -> bytes:
        """Tell the 96 bits that tie an answer to its request."""
        return self.message.transaction_id

    @property
    def is_request(self) -> bool:
        """Tell whether this is a Binding request."""
        return self.message.message_class == Class.REQUEST

    def attribute(self, name: str) -> Any:
        """Read an attribute, or None."""
        return self.message.attributes.get(name)

    def address(self, *names: str) -> Address | None:
        """Read the first of these address attributes that is there."""
        for name in names:
            value = self.message.attributes.get(name)
            if value is not None:
                return Address(*value)
        return None

    def mapped(self, asked: Address) -> Address | None:
        """Read the address that the server saw (RFC 8489 14.2; 14.1 of older servers).

        Asked by IPv6 it may be IPv4, behind NAT64 (RFC 6146); no network makes IPv6 of IPv4.
        """
        seen = self.address("XOR-MAPPED-ADDRESS", "MAPPED-ADDRESS")
        impossible = seen is not None and ":" in seen.ip and ":" not in asked.ip
        return None if impossible else seen


def parse(data: bytes) -> Parsed:
    """Read one Binding message; raises ``Malformed``, whatever the bytes (RFC 8489 6.3, 14)."""
    if not _HEADER <= len(data) <= MAX_BYTES:
        raise Malformed(f"{len(data)} bytes is no length of a STUN message")
    kind, _length, cookie = unpack_from("!HHI", data)
    if kind & 0xC000 or cookie != stun.COOKIE:
        raise Malformed("not a STUN message: first bits or magic cookie")
    unknown = _walk(data)
    try:
        message = stun.parse_message(data)
    # aioice lets a short integer through to struct, and text through to the decoder
    except (ValueError, struct.error) as error:
        raise Malformed(str(error)) from error
    if message.message_method != Method.BINDING:
        raise Malformed(f"method {message.message_method.name} is not Binding")
    return Parsed(message, unknown, len(data))


def _walk(data: bytes) -> tuple[int, ...]:
    """Check that each attribute lies within the message and that none known comes twice."""
    unknown: list[int] = []
    seen: set[int] = set()
    at, count = _HEADER, 0
    while at + 4 <= len(data):
        kind, length = unpack_from("!HH", data, at)
        at += 4 + length + stun.padding_length(length)
        count += 1
        if at > len(data) or count > _MAX_ATTRIBUTES:
            raise Malformed(f"attribute 0x{kind:04x} of {length} bytes reaches beyond the message")
        if kind not in stun.ATTRIBUTES_BY_TYPE:
            if kind < _REQUIRED_BELOW:
                unknown.append(kind)
        elif kind in seen:
            raise Malformed(f"attribute 0x{kind:04x} comes twice")
        seen.add(kind)
    return tuple(unknown)


def request(
    *,
    change: int = 0,
    response_port: int | None = None,
    padding: int = 0,
    filler: int = 0,
) -> Message:
    """Write a Binding request; ``padding`` and ``filler`` are bytes (RFC 5780 7)."""
    values: dict[str, Any] = {}
    if change:
        values["CHANGE-REQUEST"] = change
    if response_port is not None:
        values[attributes.RESPONSE_PORT] = response_port
    if padding:
        values[attributes.PADDING] = bytes(padding)
    if filler:
        values[attributes.FILLER] = bytes(filler)
    return Message(Method.BINDING, Class.REQUEST, attributes=values)
