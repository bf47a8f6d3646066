"""The packaged clips: bitrate, keyframes, and that a decoder gives the drawn frames."""

from itertools import pairwise

import av
import pytest

from sfukit.media import barcode, catalog, decode, encode, ivf
from sfukit.media.catalog import LOOP_SECONDS, SIMULCAST, Encoding
from sfukit.media.draw import Scene

pytestmark = pytest.mark.computes

VIDEO = [
    pytest.param(codec, encoding, id=f"{codec}-{encoding.name}")
    for codec in catalog.SHIPPED_VIDEO_CODECS
    for encoding in SIMULCAST
]


def is_keyframe(codec: str, payload: bytes) -> bool:
    if codec == "vp8":
        return payload[0] & 1 == 0
    return any(unit[0] & 0x1F == 5 for unit in encode.START_CODE.split(payload)[1:])


@pytest.mark.parametrize(("codec", "encoding"), VIDEO)
def test_a_clip_has_the_promised_rate_and_keyframes(codec: str, encoding: Encoding) -> None:
    clip = ivf.read(catalog.video_clip(codec, encoding))
    assert (clip.width, clip.height, clip.rate) == (
        encoding.width,
        encoding.height,
        encoding.frames_per_second,
    )
    assert [frame.timestamp for frame in clip.frames] == list(range(LOOP_SECONDS * clip.rate))
    bits = 8 * sum(len(frame.payload) for frame in clip.frames)
    assert bits / LOOP_SECONDS == pytest.approx(encoding.bitrate_bps, rel=0.12)
    keys = [n for n, frame in enumerate(clip.frames) if is_keyframe(codec, frame.payload)]
    assert keys == list(range(0, len(clip.frames), encoding.frames_per_keyframe))


@pytest.mark.parametrize(("codec", "encoding"), VIDEO)
def test_decoded_frames_are_the_drawn_frames(codec: str, encoding: Encoding) -> None:
    clip = ivf.read(catalog.video_clip(codec, encoding))
    scene = Scene(encoding.width, encoding.height)
    decoded = list(decode.clip_frames(clip))
    assert len(decoded) == len(clip.frames)
    for number, frame in enumerate(decoded):
        tick = number * encoding.ticks_per_frame
        plane = decode.luma(frame)
        assert barcode.read(plane) == tick
        assert decode.psnr_db(plane, decode.luma(scene.frame(tick))) > 34


@pytest.mark.parametrize("codec", catalog.SHIPPED_VIDEO_CODECS)
def test_a_decoder_can_start_at_every_keyframe(codec: str) -> None:
    clip = ivf.read(catalog.video_clip(codec, catalog.LOW))
    start = catalog.LOW.frames_per_keyframe
    decoded = decode.raw_frames(clip.fourcc, (frame.payload for frame in clip.frames[start:]))
    assert barcode.read(decode.luma(next(decoded))) == start * catalog.LOW.ticks_per_frame


@pytest.mark.parametrize("encoding", SIMULCAST, ids=lambda e: e.name)
def test_h264_is_constrained_baseline_in_one_slice(encoding: Encoding) -> None:
    clip = ivf.read(catalog.video_clip("h264", encoding))
    for number, frame in enumerate(clip.frames):
        units = encode.START_CODE.split(frame.payload)[1:]
        kinds = [unit[0] & 0x1F for unit in units]
        key = number % encoding.frames_per_keyframe == 0
        assert kinds == ([7, 8, 5] if key else [1])
        if key:
            assert units[0][1] == 66  # profile_idc: baseline
            assert units[0][2] & 0x40  # constraint_set1: and decodable as main


@pytest.mark.parametrize("encoding", SIMULCAST, ids=lambda e: e.name)
def test_a_trailer_of_sixteen_bytes_changes_no_decoded_vp8_frame(encoding: Encoding) -> None:
    """Bots append the frame id to VP8 frames."""
    clip = ivf.read(catalog.video_clip("vp8", encoding))
    plain = decode.clip_frames(clip)
    tagged = decode.raw_frames("VP80", (f.payload + b"sfuK" + bytes(12) for f in clip.frames))
    assert all((a == b).all() for a, b in zip(plain, tagged, strict=True))


def test_the_audio_clip_has_dtx() -> None:
    clip = ivf.read(catalog.audio_clip())
    assert (clip.fourcc, clip.rate, clip.scale) == ("OPUS", 48_000, 1)
    times = [frame.timestamp for frame in clip.frames]
    assert all(time % encode.OPUS_FRAME_SAMPLES == 0 for time in times)
    gaps = [later - time for time, later in pairwise(times)]
    assert min(gaps) == encode.OPUS_FRAME_SAMPLES
    assert max(gaps) == 20 * encode.OPUS_FRAME_SAMPLES
    assert all(
        len(frame.payload) == 1
        for frame, gap in zip(clip.frames, gaps, strict=False)
        if gap > encode.OPUS_FRAME_SAMPLES
    )


def test_decoded_audio_is_loud_in_talk_spurts_alone() -> None:
    clip = ivf.read(catalog.audio_clip())
    decoder = av.CodecContext.create("libopus", "r")
    assert isinstance(decoder, av.AudioCodecContext)
    loudest = {
        frame.timestamp / 48_000: max(
            abs(decoded.to_ndarray().astype(float)).max()
            for decoded in decoder.decode(av.Packet(frame.payload))
        )
        for frame in clip.frames
        if len(frame.payload) > 1
    }
    assert max(loud for time, loud in loudest.items() if 0.3 < time < 1.3) > 3000
    assert max(loud for time, loud in loudest.items() if 1.45 < time < 1.6) < 200
