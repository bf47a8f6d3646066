"""Parse and write STUN messages: aioice's attributes, by the rules that it does not keep.

aioice uses the last of repeated attributes, and rejects a message for invalid UTF-8.
"""

import ipaddress
import struct
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from struct import unpack_from
from typing import Any

from aioice import stun
from aioice.stun import Class, Message, Method

from sfukit.probe.resolve import Address, is_host
from sfukit.probe.stun import attributes

MAX_BYTES = 4096
"""Longer than any requested response; longer datagrams are not read."""

_HEADER = stun.HEADER_LENGTH
_MAX_ATTRIBUTES = 64
_REQUIRED_BELOW = 0x8000  # comprehension-required (RFC 8489 14)
_METHOD, _CLASS = 0x3EEF, 0x0110  # the bits of each in a message's type (RFC 8489 5)


class Malformed(ValueError):  # noqa: N818  # a verdict on bytes, not a fault
    """Bytes that are no valid STUN message, with the rule that they violate."""


@dataclass(frozen=True)
class Parsed:
    """A message, its unknown comprehension-required attributes, and its length in bytes.

    ``repeated`` are the attributes that occur more than once, of which the first counts.
    """

    message: Message
    unknown_required: tuple[int, ...]
    length: int
    repeated: tuple[int, ...] = ()

    @property
    def transaction_id(self) -> bytes:
        """Return the transaction ID, 96 bits."""
        return self.message.transaction_id

    @property
    def is_request(self) -> bool:
        """Return whether this is a Binding request."""
        return self.message.message_class == Class.REQUEST

    @property
    def is_response(self) -> bool:
        """Return whether this is a success or error response."""
        return self.message.message_class in (Class.RESPONSE, Class.ERROR)

    def attribute(self, name: str) -> Any:
        """Read an attribute, or None."""
        return self.message.attributes.get(name)

    def address(self, *names: str) -> Address | None:
        """Return the first of these address attributes that is present."""
        for name in names:
            value = self.message.attributes.get(name)
            if value is not None:
                return Address(*value)
        return None

    @property
    def reported_address(self) -> Address | None:
        """Return the mapped address without a plausibility check (RFC 8489 14.1, 14.2)."""
        return self.address("XOR-MAPPED-ADDRESS", attributes.OLD_XOR_MAPPED, "MAPPED-ADDRESS")

    def mapped(self, asked: Address) -> Address | None:
        """Return the mapped address where it is plausible as a packet's source.

        For a request over IPv6 it may be IPv4, behind NAT64 (RFC 6146), never the reverse.
        """
        reported = self.reported_address
        return reported if reported is not None and _is_plausible(reported, asked) else None


def parse(data: bytes) -> Parsed:
    """Read one Binding message; raises ``Malformed``, whatever the bytes (RFC 8489 5, 6.3, 14)."""
    if not _HEADER <= len(data) <= MAX_BYTES:
        raise Malformed(f"{len(data)} bytes is no length of a STUN message")
    kind, length, cookie = unpack_from("!HHI", data)
    if kind & 0xC000 or cookie != stun.COOKIE:
        raise Malformed("not a STUN message: first bits or magic cookie")
    if length != len(data) - _HEADER:
        raise Malformed(f"its length says {length} bytes, and {len(data) - _HEADER} follow")
    if length % 4:
        raise Malformed(f"{length} bytes of attributes: one is not padded to 4 bytes")
    method = kind & _METHOD
    if method != Method.BINDING:
        raise Malformed(f"method 0x{method:03x} is not Binding")
    found = _read(data)
    message = Message(Method.BINDING, Class(kind & _CLASS), data[8:_HEADER], found.values)
    return Parsed(message, tuple(found.unknown), len(data), tuple(found.repeated))


@dataclass
class _Found:
    values: dict[str, Any]
    unknown: list[int]
    repeated: list[int]


def _read(data: bytes) -> _Found:
    """Read the attributes; of equal ones the first counts (RFC 8489 14)."""
    found = _Found({}, [], [])
    seen: set[int] = set()
    for kind, at, value in _walk(data):
        if kind in seen:
            found.repeated.append(kind)
        elif kind in stun.ATTRIBUTES_BY_TYPE:
            name = stun.ATTRIBUTES_BY_TYPE[kind][1]
            if "MESSAGE-INTEGRITY" not in found.values or name == "FINGERPRINT":
                found.values[name] = _unpacked(kind, value, data, at)
        elif kind < _REQUIRED_BELOW:
            found.unknown.append(kind)
        seen.add(kind)
    return found


def _walk(data: bytes) -> Iterator[tuple[int, int, bytes]]:
    """List type, offset and value of each attribute, checked to lie within the message."""
    at, count = _HEADER, 0
    while at < len(data):
        kind, length = unpack_from("!HH", data, at)
        end = at + 4 + length
        count += 1
        if end > len(data):
            raise Malformed(f"attribute 0x{kind:04x} of {length} bytes reaches beyond the message")
        if count > _MAX_ATTRIBUTES:
            raise Malformed(f"more than {_MAX_ATTRIBUTES} attributes")
        yield kind, at, data[at + 4 : end]
        at = end + stun.padding_length(length)


def _unpacked(kind: int, value: bytes, data: bytes, at: int) -> Any:
    _, name, _, unpack = stun.ATTRIBUTES_BY_TYPE[kind]
    try:
        if kind in _LENIENT:
            return _LENIENT[kind](value)
        if unpack is stun.unpack_xor_address:
            return unpack(value, transaction_id=data[8:_HEADER])
        read = unpack(value)
    # aioice lets a short integer through to struct, and text through to the decoder
    except (ValueError, struct.error) as error:
        raise Malformed(f"attribute {name}: {error}") from error
    if name == "FINGERPRINT" and read != stun.message_fingerprint(data[:at]):
        raise Malformed("its fingerprint does not match")
    return read


def _text(value: bytes) -> str:
    return value.decode(errors="replace")


def _error_code(value: bytes) -> tuple[int, str]:
    """Read class and number; the reason phrase ends at a NUL."""
    if len(value) < 4:
        raise ValueError("less than 4 bytes")
    return (value[2] & 0x07) * 100 + value[3], _text(value[4:]).partition("\0")[0]


_LENIENT: Mapping[int, Callable[[bytes], Any]] = {0x0009: _error_code, 0x8022: _text}


def _is_plausible(reported: Address, asked: Address) -> bool:
    if not reported.port or not is_host(reported.ip):
        return False
    if (
        ipaddress.ip_address(reported.ip).is_loopback
        and not ipaddress.ip_address(asked.ip.partition("%")[0]).is_loopback
    ):
        return False
    return not (":" in reported.ip and ":" not in asked.ip)


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
