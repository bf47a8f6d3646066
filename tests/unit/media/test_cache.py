import sys
from pathlib import Path

import pytest

import sfukit.media
from sfukit.errors import MachineError
from sfukit.media import barcode, cache, catalog, decode, encode, ivf
from sfukit.media.catalog import Encoding
from sfukit.media.stopping import EncodingStoppedError

SLOW = Encoding("90p15", 320, 180, 15, 80_000)


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))


def test_a_packaged_clip_is_not_encoded() -> None:
    assert cache.video_clip("vp8", catalog.HIGH) == catalog.video_clip("vp8", catalog.HIGH)


@pytest.mark.computes
@pytest.mark.parametrize("codec", ["vp9", "av1"])
def test_other_codecs_are_encoded_once_and_decode_to_the_scene(codec: str) -> None:
    path = cache.video_clip(codec, catalog.LOW)
    assert path.parent == cache.folder()
    clip = ivf.read(path)
    ticks = [barcode.read(decode.luma(frame)) for frame in decode.clip_frames(clip)]
    assert ticks == list(range(0, catalog.LOOP_TICKS, catalog.LOW.ticks_per_frame))
    start = catalog.LOW.frames_per_keyframe
    later = decode.raw_frames(clip.fourcc, (frame.payload for frame in clip.frames[start:]))
    assert barcode.read(decode.luma(next(later))) == ticks[start]
    bits = 8 * sum(len(frame.payload) for frame in clip.frames)
    assert bits / catalog.LOOP_SECONDS == pytest.approx(catalog.LOW.bitrate_bps, rel=0.12)


def test_another_bitrate_is_encoded_once(monkeypatch: pytest.MonkeyPatch) -> None:
    first = cache.video_clip("vp8", SLOW)
    assert sum(len(f.payload) for f in ivf.read(first).frames) * 2 == pytest.approx(80_000, rel=0.3)
    monkeypatch.setattr(encode, "encode_video", lambda *_: pytest.fail("encoded twice"))
    assert cache.video_clip("vp8", SLOW) == first
    assert list(first.parent.iterdir()) == [first]


def test_a_stopped_encoding_leaves_no_file() -> None:
    frames = iter([False, False, True])
    with pytest.raises(EncodingStoppedError):
        cache.video_clip("vp8", SLOW, lambda: next(frames))
    assert list(cache.folder().iterdir()) == []
    assert next(frames, None) is None


def test_a_full_disk_is_named_and_leaves_no_file(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, clip: ivf.Clip) -> None:
        path.write_bytes(b"DKIF")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(encode, "encode_video", lambda *_: ivf.Clip("VP80", 0, 0, 15, 1, ()))
    monkeypatch.setattr(ivf, "write", full)
    with pytest.raises(MachineError, match="No space left on device") as refused:
        cache.video_clip("vp8", SLOW)
    assert refused.value.hint is not None and "XDG_CACHE_HOME" in refused.value.hint
    assert list(cache.folder().iterdir()) == []


def test_a_cache_that_is_no_folder_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with pytest.raises(MachineError, match="a clip cannot be cached in"):
        cache.video_clip("vp8", SLOW)


def test_without_the_extra_the_hint_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sfukit.media.encode", None)
    monkeypatch.delattr(sfukit.media, "encode")
    with pytest.raises(MachineError) as refused:
        cache.video_clip("h264", SLOW)
    assert refused.value.hint is not None and "sfukit[media]" in refused.value.hint
