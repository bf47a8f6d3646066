"""Decode clips and measure how close a picture came to its source (the extra `media`)."""

import math
from collections.abc import Iterable, Iterator

import av
import numpy as np

from sfukit.media.draw import Picture
from sfukit.media.ivf import Clip

DECODERS = {"VP80": "vp8", "H264": "h264"}
PEAK = 255.0


def pictures(fourcc: str, payloads: Iterable[bytes]) -> Iterator[Picture]:
    """Decode frames to YUV 4:2:0 pictures as `draw.Scene` makes them.

    Raises `av.error.FFmpegError` where a frame cannot be decoded.
    """
    decoder = av.CodecContext.create(DECODERS[fourcc], "r")
    assert isinstance(decoder, av.VideoCodecContext)
    decoder.thread_count = 1
    for payload in payloads:
        for frame in decoder.decode(av.Packet(payload)):
            yield to_picture(frame)
    for frame in decoder.decode(None):
        yield to_picture(frame)


def clip_pictures(clip: Clip) -> Iterator[Picture]:
    return pictures(clip.fourcc, (frame.payload for frame in clip.frames))


def to_picture(frame: av.VideoFrame) -> Picture:
    return np.asarray(frame.to_ndarray(format="yuv420p"), dtype=np.uint8)


def luma(picture: Picture) -> Picture:
    return picture[: picture.shape[0] * 2 // 3]


def psnr_db(shown: Picture, source: Picture) -> float:
    """Compare two luma planes of equal size; infinite where they are equal."""
    error = np.mean((shown.astype(np.float32) - source.astype(np.float32)) ** 2)
    return math.inf if error == 0 else 10 * math.log10(PEAK * PEAK / float(error))
