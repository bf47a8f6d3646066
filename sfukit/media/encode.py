"""Encode the drawn scene and sound to clips with PyAV (the extra `media`)."""

import re
from collections.abc import Iterator
from fractions import Fraction

import av

from sfukit.media import sound
from sfukit.media.catalog import LOOP_TICKS, Encoding
from sfukit.media.draw import Picture, Scene
from sfukit.media.ivf import Clip, Frame

OPUS_FRAME_SAMPLES = 960  # 20 ms
OPUS_BITRATE_BPS = 32_000
SPEECH_FRAMES_BEFORE_DTX = 10
DTX_PERIOD_FRAMES = 21

H264_SEI = 6
START_CODE = re.compile(rb"\x00?\x00\x00\x01")

ENCODERS = {"vp8": "libvpx", "h264": "libx264"}
FOURCC = {"vp8": "VP80", "h264": "H264"}

# one thread and one slice: a frame is the same bytes on every machine
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
}


def video(codec: str, encoding: Encoding) -> Clip:
    """Draw and encode one loop of the scene; `codec` is "vp8" or "h264"."""
    frames = tuple(encoded_frames(codec, encoding))
    size = (encoding.width, encoding.height)
    return Clip(FOURCC[codec], *size, encoding.frames_per_second, 1, frames)


def encoded_frames(codec: str, encoding: Encoding) -> Iterator[Frame]:
    encoder = video_encoder(codec, encoding)
    for picture in (*drawn_frames(encoding), None):
        for packet in encoder.encode(picture):
            payload = bytes(packet)
            yield Frame(packet.pts or 0, without_sei(payload) if codec == "h264" else payload)


def drawn_frames(encoding: Encoding) -> Iterator[av.VideoFrame]:
    scene = Scene(encoding.width, encoding.height)
    for number, tick in enumerate(range(0, LOOP_TICKS, encoding.ticks_per_frame)):
        frame = to_frame(scene.picture(tick))
        frame.pts, frame.time_base = number, Fraction(1, encoding.frames_per_second)
        if number % encoding.frames_per_keyframe == 0:
            frame.pict_type = av.video.frame.PictureType.I
        yield frame


def to_frame(picture: Picture) -> av.VideoFrame:
    return av.VideoFrame.from_ndarray(picture, format="yuv420p")


def without_sei(access_unit: bytes) -> bytes:
    """Leave out the encoder's own remarks (H.264 NAL unit type 6); bots put theirs there."""
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
    limits = {"minrate": rate, "maxrate": rate, "bufsize": rate}
    encoder.options = OPTIONS[codec] | {name: str(value) for name, value in limits.items()}
    return encoder


def audio() -> Clip:
    """Encode one loop of talk to Opus with DTX: silence is frames that are not there.

    FFmpeg's encoder offers no DTX, so libopus's own rule is applied here to the drawn silence:
    after 200 ms of it a packet is its first byte alone (RFC 6716, 3.1), with a full one every
    420 ms. Like libwebrtc, only the first of such a run is sent.
    """
    kept = []
    silent_frames = 0
    for frame, block in opus_packets():
        silent_frames = 0 if block.any() else silent_frames + 1
        place = (silent_frames - SPEECH_FRAMES_BEFORE_DTX - 1) % DTX_PERIOD_FRAMES
        if silent_frames <= SPEECH_FRAMES_BEFORE_DTX or place == DTX_PERIOD_FRAMES - 1:
            kept.append(frame)
        elif place == 0:
            kept.append(Frame(frame.timestamp, frame.payload[:1]))
    return Clip("OPUS", 0, 0, sound.SAMPLES_PER_SECOND, 1, tuple(kept))


def opus_packets() -> Iterator[tuple[Frame, sound.Samples]]:
    """Encode every 20 ms of the talk; give each packet with the samples it holds."""
    encoder = av.CodecContext.create("libopus", "w")
    assert isinstance(encoder, av.AudioCodecContext)
    encoder.sample_rate, encoder.layout, encoder.format = sound.SAMPLES_PER_SECOND, "mono", "s16"
    encoder.bit_rate = OPUS_BITRATE_BPS
    encoder.options = {"application": "voip", "frame_duration": "20", "vbr": "on"}
    samples = sound.talk()
    for start in range(0, samples.size, OPUS_FRAME_SAMPLES):
        block = samples[start : start + OPUS_FRAME_SAMPLES]
        frame = av.AudioFrame.from_ndarray(block[None], format="s16", layout="mono")
        frame.sample_rate, frame.pts = sound.SAMPLES_PER_SECOND, start
        [packet] = encoder.encode(frame)
        yield Frame(start, bytes(packet)), block
