"""IVF, the container of the clips: a 32-byte header, then a 12-byte header before each frame.

All numbers are little-endian. A frame's time stamp counts units of `scale / rate` seconds. H.264
frames are access units with start codes (Annex B); an Opus frame is one packet.
Source: the layout written by libvpx's vpxenc and by FFmpeg's ivfenc.
"""

import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

HEADER = struct.Struct("<4sHH4sHHIIII")
FRAME_HEADER = struct.Struct("<IQ")
MAGIC = b"DKIF"
LONGEST_FRAME_BYTES = 16 * 1024 * 1024


class IvfError(ValueError):
    """The file is no IVF file, or truncated."""


@dataclass(frozen=True)
class Frame:
    """One encoded frame."""

    timestamp: int
    payload: bytes


@dataclass(frozen=True)
class Clip:
    """A parsed IVF file. `width` and `height` are 0 for audio."""

    fourcc: str
    width: int
    height: int
    rate: int
    scale: int
    frames: tuple[Frame, ...]


def read(path: Path) -> Clip:
    """Read a clip; raise `IvfError` where the file is truncated or no IVF file."""
    return parse(path.read_bytes())


def parse(data: bytes) -> Clip:
    """Parse a whole IVF file; raise `IvfError` where it is truncated or no IVF file."""
    if len(data) < HEADER.size or data[:4] != MAGIC:
        raise IvfError("not an IVF file")
    _, version, header_bytes, fourcc, *numbers, _ = HEADER.unpack_from(data)
    width, height, rate, scale, count = numbers
    if version != 0 or header_bytes < HEADER.size or rate == 0 or scale == 0:
        raise IvfError("an IVF header with impossible values")
    frames = tuple(parse_frames(data, header_bytes))
    if len(frames) != count:
        raise IvfError(f"the header promises {count} frames, the file holds {len(frames)}")
    name = fourcc.rstrip(b"\0 ").decode("ascii", "replace")
    return Clip(name, width, height, rate, scale, frames)


def parse_frames(data: bytes, offset: int) -> Iterator[Frame]:
    while offset < len(data):
        if offset + FRAME_HEADER.size > len(data):
            raise IvfError(f"a frame header is cut at byte {offset}")
        length, timestamp = FRAME_HEADER.unpack_from(data, offset)
        offset += FRAME_HEADER.size
        if length > LONGEST_FRAME_BYTES or offset + length > len(data):
            raise IvfError(f"a frame is cut at byte {offset}")
        yield Frame(timestamp, data[offset : offset + length])
        offset += length


def write(path: Path, clip: Clip) -> None:
    """Write a clip."""
    path.write_bytes(b"".join(serialise(clip)))


def serialise(clip: Clip) -> Iterable[bytes]:
    fourcc = clip.fourcc.encode("ascii").ljust(4)
    size = (clip.width, clip.height)
    yield HEADER.pack(
        MAGIC, 0, HEADER.size, fourcc, *size, clip.rate, clip.scale, len(clip.frames), 0
    )
    for frame in clip.frames:
        yield FRAME_HEADER.pack(len(frame.payload), frame.timestamp)
        yield frame.payload
