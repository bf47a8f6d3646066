"""The issuer of a certificate, read from its DER without verification (X.690, RFC 5280 4.1)."""

from sfukit.probe.printable import printable

_SEQUENCE, _SET, _VERSION = 0x30, 0x31, 0xA0
_OBJECT = 0x06
_NAMES = {b"\x55\x04\x0a": "O", b"\x55\x04\x03": "CN"}
_DEPTH = 64


def issuer(der: bytes) -> str | None:
    """Return organisation and common name of the issuer; None where the DER is invalid."""
    try:
        fields = _children(_children(_children(der)[0][1])[0][1])
        if fields[0][0] == _VERSION:
            fields = fields[1:]
        _serial, _algorithm, name = fields[:3]
        parts = dict(filter(None, map(_attribute, _children(name[1]))))
    except (IndexError, ValueError):
        return None
    return ", ".join(parts[key] for key in ("O", "CN") if key in parts) or None


def _attribute(part: tuple[int, bytes]) -> tuple[str, str] | None:
    """Read one relative name: a SET of SEQUENCEs of an object identifier and a string."""
    pair = _children(_children(part[1])[0][1])
    key = _NAMES.get(pair[0][1]) if pair[0][0] == _OBJECT else None
    return (key, printable(pair[1][1].decode("utf-8", "replace"), 80)) if key else None


def _children(data: bytes) -> list[tuple[int, bytes]]:
    """Split a value into its elements, (tag, value); raises ValueError where one is truncated."""
    found: list[tuple[int, bytes]] = []
    at = 0
    while at < len(data) and len(found) < _DEPTH:
        tag, length = data[at], data[at + 1]
        at += 2
        if length & 0x80:
            count = length & 0x7F
            length = int.from_bytes(data[at : at + count], "big")
            at += count
        if at + length > len(data):
            raise ValueError("an element reaches beyond its parent")
        found.append((tag, data[at : at + length]))
        at += length
    return found
