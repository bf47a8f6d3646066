"""HdrHistogram V2 compressed histograms in base64: how reports keep distributions that add up.

The swarm's histograms have the buckets of an HdrHistogram with two significant digits and a lowest
value of 1 (``crates/swarm/src/measure/histogram.rs``), so counts are encoded as they are. The
format: https://github.com/HdrHistogram/HdrHistogram, ``encodeIntoCompressedByteBuffer``.
"""

import base64
import binascii
import struct
import zlib
from collections.abc import Iterable, Iterator, Mapping

SUB_BITS = 7
_DIGITS = 2
HIGHEST = (1 << 40) - 1  # larger values are counted as this one
_BUCKETS = (40 - SUB_BITS + 1) << SUB_BITS
_COOKIE, _COMPRESSED_COOKIE = 0x1C849313, 0x1C849314
_HEADER = struct.Struct(">iiiiqqd")  # cookie, length, offset, digits, lowest, highest, ratio
_COMPRESSED_HEADER = struct.Struct(">ii")
_LARGEST_BYTES = _HEADER.size + 9 * _BUCKETS
_LARGEST_TEXT = 2 * _LARGEST_BYTES
_MOST = 1 << 53  # counts that JSON readers keep exact


class HdrError(ValueError):
    """A text is no histogram of a report."""


def bucket_of(value: int, sub_bits: int = SUB_BITS) -> int:
    """Return the bucket of a value; values above ``HIGHEST`` are counted as that."""
    value = min(max(value, 0), HIGHEST)
    linear = 1 << sub_bits
    if value < linear:
        return value
    shift = value.bit_length() - 1 - sub_bits
    return ((shift + 1) << sub_bits) + (value >> shift) - linear


def highest_of(bucket: int, sub_bits: int = SUB_BITS) -> int:
    """Return the highest value that falls into a bucket."""
    linear = 1 << sub_bits
    if bucket < linear:
        return bucket
    shift = (bucket >> sub_bits) - 1
    return ((bucket % linear + linear + 1) << shift) - 1


def encode(counts: Mapping[int, int]) -> str:
    """Return the histogram of counts by bucket."""
    body = b"".join(map(_varint, _runs(counts)))
    plain = _HEADER.pack(_COOKIE, len(body), 0, _DIGITS, 1, HIGHEST, 1.0) + body
    deflated = zlib.compress(plain, 9)
    header = _COMPRESSED_HEADER.pack(_COMPRESSED_COOKIE, len(deflated))
    return base64.b64encode(header + deflated).decode()


def decode(text: str) -> dict[int, int]:
    """Return the counts by bucket of a histogram as ``encode`` writes it, from any source.

    Raises ``HdrError``.
    """
    body = _body(_inflated(text))
    counts: dict[int, int] = {}
    bucket = total = 0
    for number in _numbers(body):
        if number < 0:
            bucket -= number
        else:
            total += number
            if number:
                counts[bucket] = number
            bucket += 1
        if bucket > _BUCKETS or total > _MOST:
            raise HdrError("counts are out of range")
    return counts


def _inflated(text: str) -> bytes:
    if len(text) > _LARGEST_TEXT:
        raise HdrError("too long")
    try:
        packed = base64.b64decode(text, validate=True)
        cookie, length = _COMPRESSED_HEADER.unpack_from(packed)
        inflater = zlib.decompressobj()
        plain = inflater.decompress(packed[_COMPRESSED_HEADER.size :], _LARGEST_BYTES + 1)
    except (binascii.Error, ValueError, struct.error, zlib.error) as error:
        raise HdrError(f"not in HdrHistogram V2 compressed format: {error}") from error
    if cookie != _COMPRESSED_COOKIE or length != len(packed) - _COMPRESSED_HEADER.size:
        raise HdrError("not in HdrHistogram V2 compressed format")
    if len(plain) > _LARGEST_BYTES or not inflater.eof:
        raise HdrError("incomplete or too long")
    return plain


def _body(plain: bytes) -> bytes:
    if len(plain) < _HEADER.size:
        raise HdrError("incomplete")
    cookie, length, offset, digits, lowest, _, ratio = _HEADER.unpack_from(plain)
    if cookie != _COOKIE or length != len(plain) - _HEADER.size:
        raise HdrError("not in HdrHistogram V2 format")
    if (offset, digits, lowest, ratio) != (0, _DIGITS, 1, 1.0):
        raise HdrError(f"{digits} significant digits from {lowest}: reports have 2 from 1")
    return plain[_HEADER.size :]


def _runs(counts: Mapping[int, int]) -> Iterator[int]:
    """Return the counts from bucket 0 on; a negative number stands for so many zeros."""
    following = 0
    for bucket in sorted(bucket for bucket, count in counts.items() if count):
        if bucket > following:
            yield following - bucket
        yield counts[bucket]
        following = bucket + 1


def _varint(number: int) -> bytes:
    """Return a number in ZigZag LEB128, of at most 9 bytes, the last of which has 8 bits."""
    rest = (number << 1) ^ (number >> 63)
    encoded = bytearray()
    while rest > 0x7F and len(encoded) < 8:
        encoded.append(rest & 0x7F | 0x80)
        rest >>= 7
    encoded.append(rest)
    return bytes(encoded)


def _numbers(body: Iterable[int]) -> Iterator[int]:
    value = shift = 0
    for byte in body:
        if shift < 56 and byte & 0x80:
            value |= (byte & 0x7F) << shift
            shift += 7
            continue
        value |= byte << shift
        yield (value >> 1) ^ -(value & 1)
        value = shift = 0
    if shift:
        raise HdrError("incomplete")
