"""Encode the generated video and audio to clips with PyAV (the extra `media`)."""

import os
import re
from collections.abc import Iterator
from fractions import Fraction
from itertools import chain

import av

from sfukit.media import audio, transcode
from sfukit.media.catalog import LOOP_TICKS, Encoding
from sfukit.media.draw import RawFrame, Scene
from sfukit.media.ivf import Clip, Frame
from sfukit.media.stopping import EncodingStoppedError, Stopped, never

OPUS_FRAME_SAMPLES = 960  # 20 ms
OPUS_BITRATE_BPS = 32_000
SPEECH_FRAMES_BEFORE_DTX = 10
DTX_PERIOD_FRAMES = 21

H264_SEI = 6
START_CODE = re.compile(rb"\x00?\x00\x00\x01")

ENCODERS = {"vp8": "libvpx", "h264": "libx264", "vp9": "libvpx-vp9", "av1": "libsvtav1"}
FOURCC = {"vp8": "VP80", "h264": "H264", "vp9": "VP90", "av1": "AV01"}

# one thread and one slice: encoders give the same bytes on every machine
OPTIONS = {
    "vp8": {
        "deadline": "good",
        "cpu-used": "2",
        "error-resilient": "0",
        "auto-alt-ref": "0",
        "lag-in-frames": "0",
        "overshoot-pct": "10",
        "max-intra-rate": "450",
    },
    "h264": {
        "profile": "baseline",
        "level": "3.1",
        "preset": "medium",
        "tune": "zerolatency",
        "sc_threshold": "0",
        "x264-params": "sliced-threads=0:slices=1:nal-hrd=none:annexb=1:repeat-headers=1",
    },
    "vp9": {
        "deadline": "realtime",
        "cpu-used": "7",
        "error-resilient": "0",
        "auto-alt-ref": "0",
        "lag-in-frames": "0",
        "overshoot-pct": "10",
        "max-intra-rate": "450",
    },
    # low delay at a constant bitrate: every frame is shown, in order
    "av1": {"preset": "10", "svtav1-params": "pred-struct=1:rc=2:lp=1"},
}


def encode_video(codec: str, encoding: Encoding, stopped: Stopped = never) -> Clip:
    """Encode one loop of the scene, or of the source; `UsageError` where that is unreadable.

    Raises `EncodingStoppedError` at the next frame once `stopped` returns True.
    """
    frames = tuple(encoded_frames(codec, encoding, stopped))
    size = (encoding.width, encoding.height)
    return Clip(FOURCC[codec], *size, encoding.frames_per_second, 1, frames)


def encoded_frames(codec: str, encoding: Encoding, stopped: Stopped = never) -> Iterator[Frame]:
    encoder = video_encoder(codec, encoding)
    for frame in chain(source_frames(encoding), [None]):
        if stopped():
            encoder.encode(None)  # SVT-AV1 reports an error where it ends without
            raise EncodingStoppedError
        for packet in encoder.encode(frame):
            payload = bytes(packet)
            yield Frame(packet.pts or 0, without_sei(payload) if codec == "h264" else payload)


def source_frames(encoding: Encoding) -> Iterator[av.VideoFrame]:
    if encoding.source is None:
        return drawn_frames(encoding)
    return transcode.file_frames(encoding.source, encoding)


def drawn_frames(encoding: Encoding) -> Iterator[av.VideoFrame]:
    scene = Scene(encoding.width, encoding.height)
    for number, tick in enumerate(range(0, LOOP_TICKS, encoding.ticks_per_frame)):
        frame = to_frame(scene.frame(tick))
        frame.pts, frame.time_base = number, Fraction(1, encoding.frames_per_second)
        if number % encoding.frames_per_keyframe == 0:
            frame.pict_type = av.video.frame.PictureType.I
        yield frame


def to_frame(frame: RawFrame) -> av.VideoFrame:
    return av.VideoFrame.from_ndarray(frame, format="yuv420p")


def without_sei(access_unit: bytes) -> bytes:
    """Remove the encoder's SEI (H.264 NAL unit type 6); bots insert SEI messages of their own."""
    units = START_CODE.split(access_unit)[1:]
    return b"".join(b"\0\0\0\1" + unit for unit in units if unit[0] & 0x1F != H264_SEI)


def video_encoder(codec: str, encoding: Encoding) -> av.VideoCodecContext:
    encoder = av.CodecContext.create(ENCODERS[codec], "w")
    assert isinstance(encoder, av.VideoCodecContext)
    encoder.width, encoder.height = encoding.width, encoding.height
    encoder.pix_fmt = "yuv420p"
    encoder.time_base = Fraction(1, encoding.frames_per_second)
    encoder.framerate = Fraction(encoding.frames_per_second)
    encoder.gop_size = encoding.frames_per_keyframe
    encoder.max_b_frames = 0
    encoder.thread_count = 1
    rate = encoding.bitrate_bps
    encoder.bit_rate = rate
    limits = dict.fromkeys(("minrate", "maxrate", "bufsize"), str(rate))
    # SVT-AV1 takes no limits beside its constant bitrate, and writes advice to standard error
    os.environ.setdefault("SVT_LOG", "1")
    encoder.options = OPTIONS[codec] | ({} if codec == "av1" else limits)
    return encoder


def encode_audio() -> Clip:
    """Encode one loop of speech to Opus with DTX: the clip has no packets in most of the silence.

    FFmpeg's encoder has no DTX, so libopus's own rule is applied here to the generated silence:
    after 200 ms of silence a packet is its TOC byte alone (RFC 6716, 3.1), with a full packet every
    420 ms. As in libwebrtc, only the first TOC-only packet of such a run is sent.
    """
    frames = []
    silent_frames = 0
    for frame, block in opus_packets():
        silent_frames = 0 if block.any() else silent_frames + 1
        position = (silent_frames - SPEECH_FRAMES_BEFORE_DTX - 1) % DTX_PERIOD_FRAMES
        if silent_frames <= SPEECH_FRAMES_BEFORE_DTX or position == DTX_PERIOD_FRAMES - 1:
            frames.append(frame)
        elif position == 0:
            frames.append(Frame(frame.timestamp, frame.payload[:1]))
    return Clip("OPUS", 0, 0, audio.SAMPLES_PER_SECOND, 1, tuple(frames))


def opus_packets() -> Iterator[tuple[Frame, audio.Samples]]:
    """Encode every 20 ms of the speech; yield each packet with the samples that it encodes."""
    encoder = av.CodecContext.create("libopus", "w")
    assert isinstance(encoder, av.AudioCodecContext)
    encoder.sample_rate, encoder.layout, encoder.format = audio.SAMPLES_PER_SECOND, "mono", "s16"
    encoder.bit_rate = OPUS_BITRATE_BPS
    encoder.options = {"application": "voip", "frame_duration": "20", "vbr": "on"}
    samples = audio.speech()
    for start in range(0, samples.size, OPUS_FRAME_SAMPLES):
        block = samples[start : start + OPUS_FRAME_SAMPLES]
        frame = av.AudioFrame.from_ndarray(block[None], format="s16", layout="mono")
        frame.sample_rate, frame.pts = audio.SAMPLES_PER_SECOND, start
        [packet] = encoder.encode(frame)
        yield Frame(start, bytes(packet)), block
