"""Decode clips and measure the PSNR of decoded frames (the extra `media`)."""

import math
from collections.abc import Iterable, Iterator

import av
import numpy as np

from sfukit.media.draw import RawFrame
from sfukit.media.ivf import Clip

DECODERS = {"VP80": "vp8", "H264": "h264", "VP90": "vp9", "AV01": "libdav1d"}
PEAK = 255.0


def raw_frames(fourcc: str, payloads: Iterable[bytes]) -> Iterator[RawFrame]:
    """Decode encoded frames to raw YUV 4:2:0 frames in the layout of `draw.Scene`.

    Raises `av.error.FFmpegError` where a frame cannot be decoded.
    """
    decoder = av.CodecContext.create(DECODERS[fourcc], "r")
    assert isinstance(decoder, av.VideoCodecContext)
    decoder.thread_count = 1
    for payload in payloads:
        for frame in decoder.decode(av.Packet(payload)):
            yield raw_frame(frame)
    for frame in decoder.decode(None):
        yield raw_frame(frame)


def clip_frames(clip: Clip) -> Iterator[RawFrame]:
    return raw_frames(clip.fourcc, (frame.payload for frame in clip.frames))


def raw_frame(frame: av.VideoFrame) -> RawFrame:
    return np.asarray(frame.to_ndarray(format="yuv420p"), dtype=np.uint8)


def luma(frame: RawFrame) -> RawFrame:
    return frame[: frame.shape[0] * 2 // 3]


def psnr_db(decoded: RawFrame, source: RawFrame) -> float:
    """Return the PSNR in dB of two luma planes of equal size; infinite where they are equal."""
    error = np.mean((decoded.astype(np.float32) - source.astype(np.float32)) ** 2)
    return math.inf if error == 0 else 10 * math.log10(PEAK * PEAK / float(error))
