"""The in-band frame id of the swarm's bots changes no decoded frame.

The format is that of ``crates/swarm/src/frame_id.rs``.
"""

from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import pytest

from sfukit.media import cache, catalog, encode, ivf
from sfukit.media.catalog import SIMULCAST, Encoding

pytestmark = pytest.mark.computes

FRAME_ID = b"sfuK" + (7).to_bytes(4) + (1 << 29 | 513).to_bytes(4) + (70_000).to_bytes(4)
SEI_UUID = b"sfukit:frame-id\x01"
ESCAPE = b"\x03"


def escaped(body: bytes) -> bytes:
    """Insert emulation prevention bytes (H.264 section 7.4.1)."""
    out = bytearray()
    for byte in body:
        if out.endswith(b"\0\0") and byte <= 3:
            out += ESCAPE
        out.append(byte)
    return bytes(out)


def sei() -> bytes:
    return (
        b"\x06\x05"
        + bytes([len(SEI_UUID) + len(FRAME_ID)])
        + escaped(SEI_UUID + FRAME_ID)
        + b"\x80"
    )


def with_frame_id(fourcc: str, payload: bytes) -> bytes:
    """Insert the frame id as a bot does."""
    if fourcc == "VP80":
        return payload + FRAME_ID
    units = encode.START_CODE.split(payload)[1:]
    first_slice = next(at for at, unit in enumerate(units) if unit[0] & 0x1F in (1, 5))
    units.insert(first_slice, sei())
    return b"".join(b"\0\0\0\1" + unit for unit in units)


def decoded(decoder: str, payloads: Iterator[bytes]) -> list[bytes]:
    context = av.CodecContext.create(decoder, "r")
    assert isinstance(context, av.VideoCodecContext)
    context.thread_count = 1
    frames = [frame for payload in payloads for frame in context.decode(av.Packet(payload))]
    frames += context.decode(None)
    return [np.asarray(frame.to_ndarray(format="yuv420p")).tobytes() for frame in frames]


@pytest.mark.parametrize("encoding", SIMULCAST, ids=lambda encoding: encoding.name)
@pytest.mark.parametrize("decoder", ["vp8", "libvpx", "h264"])
def test_decoded_frames_are_bit_identical_with_and_without_the_id(
    decoder: str, encoding: Encoding
) -> None:
    if decoder not in av.codecs_available:
        pytest.skip(f"this build of PyAV has no {decoder}")
    codec = "h264" if decoder == "h264" else "vp8"
    clip = ivf.read(catalog.video_clip(codec, encoding))
    plain = decoded(decoder, (frame.payload for frame in clip.frames))
    tagged = (with_frame_id(clip.fourcc, frame.payload) for frame in clip.frames)
    assert len(plain) == len(clip.frames)
    assert decoded(decoder, tagged) == plain


AV1_METADATA = b"\x2a" + bytes([1 + len(FRAME_ID) + 1]) + b"\x1f" + FRAME_ID + b"\x80"
TEMPORAL_DELIMITER = b"\x12\x00"
SEQUENCE_HEADER = 1


def with_metadata(unit: bytes) -> bytes:
    """Insert the metadata OBU as a bot does: before the first frame."""
    assert unit.startswith(TEMPORAL_DELIMITER)
    at = len(TEMPORAL_DELIMITER)
    if unit[at] >> 3 == SEQUENCE_HEADER:
        at += 2 + unit[at + 1]
    return unit[:at] + AV1_METADATA + unit[at:]


def test_decoded_av1_frames_are_bit_identical_with_and_without_the_id(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    clip = ivf.read(cache.video_clip("av1", catalog.LOW))
    plain = decoded("libdav1d", (frame.payload for frame in clip.frames))
    assert len(plain) == len(clip.frames)
    tagged = (with_metadata(frame.payload) for frame in clip.frames)
    assert decoded("libdav1d", tagged) == plain


def test_an_id_of_zeros_makes_no_start_code() -> None:
    assert b"\0\0\0" not in sei() and b"\0\0\1" not in sei()
