"""Frames of a received stream in a file, and what their comparison with the clip found.

A record is a header (frame number, capture tick in units of 100 us, encoding, flags, time of
arrival in ns, length, all big-endian), then the encoded frame.
"""

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import msgspec

_RECORD = struct.Struct(">IIBBQI")
_AFTER_DROP, _IDENTIFIED, _KEYFRAME = 1, 2, 4


class SpooledFrame(NamedTuple):
    """One encoded frame; ``after_drop``: frames before it are missing, since they were not kept.

    Without frame id it is not ``identified``: number, tick and encoding say nothing.
    """

    number: int
    tick: int
    encoding: int
    after_drop: bool
    payload: bytes
    identified: bool = True
    keyframe: bool = False
    completed_ns: int = 0


class ReadFrame(msgspec.Struct, frozen=True):
    """A decoded frame: when its last packet arrived, its barcode (None: unreadable), its height."""

    completed_ns: int
    number: int | None
    height: int
    keyframe: bool


class Comparison(msgspec.Struct, frozen=True):
    """The frames of a stream beside those of its clip: one value for each frame that was due.

    ``lossless`` frames are identical to the decoded frame of the clip. ``repeated`` frames were not
    decodable in the receiver, which showed the frame before. ``undecodable``: the decoder refused
    the frame, or no clip has it.
    """

    psnr: list[float]
    ssim: list[float]
    lossless: int
    repeated: int
    undecodable: int


def record(frame: SpooledFrame) -> bytes:
    """Return the record of a frame."""
    flags = (
        _AFTER_DROP * frame.after_drop + _IDENTIFIED * frame.identified + _KEYFRAME * frame.keyframe
    )
    size = len(frame.payload)
    header = _RECORD.pack(frame.number, frame.tick, frame.encoding, flags, frame.completed_ns, size)
    return header + frame.payload


def frames(path: Path) -> Iterator[SpooledFrame]:
    """Read the frames of a file; a truncated last record is left out."""
    with path.open("rb") as file:
        while len(header := file.read(_RECORD.size)) == _RECORD.size:
            number, tick, encoding, flags, completed_ns, length = _RECORD.unpack(header)
            payload = file.read(length)
            if len(payload) < length:
                return
            yield SpooledFrame(
                *(number, tick, encoding, bool(flags & _AFTER_DROP), payload),
                identified=bool(flags & _IDENTIFIED),
                keyframe=bool(flags & _KEYFRAME),
                completed_ns=completed_ns,
            )
