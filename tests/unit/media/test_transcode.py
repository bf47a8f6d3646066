"""Video files as clips: size, rate, loop, and files that cannot be used."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from sfukit.errors import UsageError
from sfukit.media import cache, decode, ivf, transcode
from sfukit.media.catalog import Encoding

pytestmark = pytest.mark.computes

SIDE = 96
RATE = 25


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def video(path: Path, seconds: float, codec: str = "mpeg4") -> Path:
    """Write a square video that brightens from frame to frame."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=RATE)
        stream.width = stream.height = SIDE
        stream.pix_fmt = "yuv420p"
        frames = int(seconds * RATE)
        for number in range(frames):
            luma = 60 + 150 * number // frames
            plane = np.full((SIDE * 3 // 2, SIDE), 128, dtype=np.uint8)
            plane[:SIDE] = luma
            frame = av.VideoFrame.from_ndarray(plane, format="yuv420p")
            frame.pts, frame.time_base = number, Fraction(1, RATE)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def encoding(source: Path, fps: int = 10) -> Encoding:
    return Encoding(f"180p{fps}", 320, 180, fps, 150_000, source)


@pytest.mark.parametrize("name", ["a.mp4", "a.avi", "a.mkv"])
@pytest.mark.parametrize("codec", ["vp8", "av1"])
def test_a_file_becomes_a_clip_with_bars_and_a_keyframe_a_second(
    tmp_path: Path, name: str, codec: str
) -> None:
    path = cache.video_clip(codec, encoding(video(tmp_path / name, 2)))
    clip = ivf.read(path)
    assert (clip.width, clip.height, clip.rate) == (320, 180, 10)
    frames = [decode.luma(frame) for frame in decode.clip_frames(clip)]
    assert len(frames) == pytest.approx(20, abs=1)
    bars = [float(frame[:, :60].mean()) for frame in frames]
    middle = [float(frame[80:100, 150:170].mean()) for frame in frames]
    assert max(bars) < 25
    assert middle[0] < 80 and middle[-1] > 180
    later = decode.raw_frames(clip.fourcc, (one.payload for one in clip.frames[10:]))
    assert decode.luma(next(later))[90, 160] == pytest.approx(middle[10], abs=8)


def test_a_changed_file_is_encoded_again(tmp_path: Path) -> None:
    source = video(tmp_path / "a.mp4", 1.5)
    first = cache.path("vp8", encoding(source))
    assert cache.path("vp8", encoding(source)) == first
    video(source, 2)
    assert cache.path("vp8", encoding(source)) != first


def test_the_first_ten_seconds_are_sent(tmp_path: Path) -> None:
    source = video(tmp_path / "a.mp4", 12)
    assert len(list(transcode.file_frames(source, encoding(source, 5)))) == 50


def test_files_that_cannot_be_used_are_named(tmp_path: Path) -> None:
    text = tmp_path / "notes.mp4"
    text.write_text("no video at all")
    cut = video(tmp_path / "cut.mp4", 2)
    cut.write_bytes(cut.read_bytes()[:200])
    playlist = tmp_path / "list.m3u8"
    playlist.write_text("#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1:9/a.ts\n#EXT-X-ENDLIST\n")
    audio = tmp_path / "audio.wav"
    with av.open(str(audio), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8_000)
        silence = av.AudioFrame.from_ndarray(np.zeros((1, 8_000), np.int16), "s16", "mono")
        silence.sample_rate = 8_000
        container.mux(stream.encode(silence))
    for source, message in (
        (text, "no video file that can be decoded"),
        (cut, "no video file that can be decoded"),
        (playlist, "no video file that can be decoded"),
        (audio, "it has no video"),
        (video(tmp_path / "short.mp4", 0.4), "s of video"),
        (tmp_path / "absent.mp4", "No such file"),
        (tmp_path, "not a file"),
    ):
        with pytest.raises(UsageError, match=message) as refused:
            cache.video_clip("vp8", encoding(source))
        assert refused.value.hint and str(source) in refused.value.what
    assert not list((tmp_path / "cache").rglob("*.part"))
