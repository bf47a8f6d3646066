"""Received frames beside those of the clip: identical, repeated, refused."""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest

from sfukit.media import catalog, compare, ivf, spool
from sfukit.media.similarity import PSNR_CAP_DB, capped_psnr_db, ssim
from sfukit.media.spool import Comparison, SpooledFrame

pytestmark = pytest.mark.computes

FRAMES_PER_S = 15  # of the lowest encoding, with a keyframe every second
PATHS = {
    codec: [catalog.video_clip(codec, encoding) for encoding in catalog.SIMULCAST]
    for codec in catalog.SHIPPED_VIDEO_CODECS
}
LOOPS = {codec: ivf.read(paths[0]).frames for codec, paths in PATHS.items()}


def frame(number: int, codec: str = "vp8") -> SpooledFrame:
    loop = LOOPS[codec]
    tick = (2**32 - 5_000 + round(number * 10_000 / FRAMES_PER_S)) % 2**32
    return SpooledFrame(number, tick, 0, number == 15, loop[number % len(loop)].payload)


def compared(frames: Iterable[SpooledFrame], codec: str = "vp8") -> Comparison:
    return compare.compare(frames, compare.Clips(PATHS[codec]))


@pytest.mark.parametrize("codec", catalog.SHIPPED_VIDEO_CODECS)
def test_a_clean_stream_is_identical_to_its_clip_over_the_end_of_its_loop(codec: str) -> None:
    found = compared((frame(number, codec) for number in range(15, 75)), codec)
    assert (found.lossless, found.repeated, found.undecodable) == (60, 0, 0)
    assert found.psnr == [PSNR_CAP_DB] * 60
    assert found.ssim == [1.0] * 60


def fixture(codec: str) -> Path:
    """Return a clip that is not shipped, at 180p15."""
    return Path(__file__).parents[3] / f"crates/swarm/tests/fixtures/{codec}-180p15.ivf"


@pytest.mark.parametrize("codec", ["vp9", "av1"])
def test_vp9_and_av1_are_compared_and_vp9_without_numbers(codec: str) -> None:
    path = fixture(codec)
    loop = ivf.read(path).frames
    sent = [
        frame(number)._replace(
            number=0 if codec == "vp9" else number, payload=loop[number % len(loop)].payload
        )
        for number in range(15, 15 + len(loop))
    ]
    # ten frames are not decodable, up to the keyframe
    lost = sent[:5] + sent[15:]
    clean, lossy = (compare.compare(frames, compare.Clips([path])) for frames in (sent, lost))
    assert (clean.lossless, clean.repeated, clean.undecodable) == (len(sent), 0, 0)
    assert (lossy.lossless, lossy.repeated, lossy.undecodable) == (len(lost), 10, 0)
    assert max(lossy.psnr[5:15]) < 40


def test_vp9_frames_of_no_clip_are_counted_and_equal_ones_follow_each_other() -> None:
    clips = compare.Clips([fixture("vp9")])
    loop = ivf.read(fixture("vp9")).frames
    sent = [frame(nth)._replace(number=0, payload=loop[nth].payload) for nth in range(5)]
    assert clips.numbered(sent[3], -1) == sent[3]._replace(number=3)
    assert clips.numbered(sent[3]._replace(encoding=1), -1) is None
    altered = sent[3]._replace(payload=loop[3].payload + b"x")
    assert clips.numbered(altered, 2) is None
    again = compare.Clips([fixture("vp9")])
    equal = replace(again._clips[0], frames=(*loop[:4], loop[1], *loop[5:]))
    again._clips[0] = equal
    found = [again.numbered(sent[1], before) for before in (0, 1, 4)]
    assert [one and one.number for one in found] == [1, 4, 1]


def test_a_freeze_costs_every_frame_that_was_due_meanwhile() -> None:
    # frames 20 to 29 were not decodable; 30 is a keyframe
    found = compared(frame(number) for number in range(15, 60) if not 20 <= number < 30)
    assert (len(found.psnr), found.lossless, found.repeated) == (45, 35, 10)
    frozen = found.psnr[5:15]
    assert max(frozen) < 35 and max(found.ssim[5:15]) < 0.98
    # the scene moves on: the later frames differ more
    assert frozen[9] < frozen[0]


def test_a_stream_that_stops_is_frozen_to_the_end_of_the_window() -> None:
    frames = [frame(number) for number in range(15, 30)]
    # 31 frames after the last one, less the half second of frames on their way: 7.5 frames
    end_tick = frame(60).tick
    found = compare.compare(frames, compare.Clips(PATHS["vp8"]), end_tick)
    assert (found.lossless, found.repeated) == (15, 23)
    on_time = compare.compare(frames, compare.Clips(PATHS["vp8"]), frame(31).tick)
    assert (on_time.lossless, on_time.repeated) == (15, 0)


def test_frames_that_were_not_kept_are_no_freeze() -> None:
    frames = [frame(number) for number in range(15, 60) if not 20 <= number < 30]
    frames[5] = frames[5]._replace(after_drop=True)
    found = compared(frames)
    assert (len(found.psnr), found.lossless, found.repeated) == (35, 35, 0)


def test_another_encoding_is_compared_with_its_own_clip() -> None:
    other = ivf.read(PATHS["vp8"][1]).frames
    switched = [
        SpooledFrame(60 + nth, frame(30).tick + nth * 333, 1, False, other[60 + nth].payload)
        for nth in range(10)
    ]
    found = compared([*(frame(number) for number in range(15, 30)), *switched])
    assert (len(found.psnr), found.lossless, found.repeated) == (25, 25, 0)


def test_frames_that_the_decoder_refuses_are_counted_and_repeated() -> None:
    hostile = [b"", b"\0", b"\xff" * 500, bytes(range(256)) * 4]
    frames = [frame(number) for number in range(15, 45)]
    frames[10:14] = [frame(25 + nth)._replace(payload=bad) for nth, bad in enumerate(hostile)]
    found = compared(frames)
    # the frames after them lack their reference up to keyframe 30
    assert found.undecodable >= 3
    assert found.lossless >= 25
    assert len(found.psnr) == 30


def test_hostile_numbers_and_encodings_are_bounded() -> None:
    frames = [
        frame(15),
        frame(16)._replace(number=2**32 - 1, tick=0, encoding=255),
        frame(17)._replace(number=0, tick=2**31 + 5),
        frame(18)._replace(tick=7),
    ]
    found = compared(frames)
    assert found.repeated <= 900


def test_a_spool_reads_back_without_a_truncated_record(tmp_path: Path) -> None:
    kept = [frame(15), frame(16), frame(17)]
    path = tmp_path / "frames"
    path.write_bytes(b"".join(map(spool.record, kept))[:-1])
    assert list(spool.frames(path)) == kept[:2]


def test_the_command_writes_the_comparison(
    tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    path = tmp_path / "frames"
    path.write_bytes(b"".join(spool.record(frame(number)) for number in range(15, 25)))
    compare.main([str(path), "", *map(str, PATHS["vp8"])])
    found = msgspec.json.decode(capfdbinary.readouterr().out, type=Comparison)
    assert (len(found.psnr), found.lossless) == (10, 10)


def test_psnr_and_ssim_of_known_planes() -> None:
    plane = np.arange(64 * 64, dtype=np.uint32).reshape(64, 64).astype(np.uint8)
    assert capped_psnr_db(plane, plane) == PSNR_CAP_DB
    assert ssim(plane, plane) == pytest.approx(1.0)
    # an error of 1 everywhere: 20 log10(255) dB
    flat = np.full((16, 16), 100, dtype=np.uint8)
    assert capped_psnr_db(flat, flat + 1) == pytest.approx(48.13, abs=0.01)
    # flat planes have no variance: (2 * 100 * 101 + C1) / (100^2 + 101^2 + C1), C1 = 6.5025
    expected = (2 * 100 * 101 + 6.5025) / (100**2 + 101**2 + 6.5025)
    assert ssim(flat, flat + 1) == pytest.approx(expected)
    noise = np.random.default_rng(5).integers(0, 256, (64, 64), dtype=np.uint8)
    assert ssim(plane, noise) < 0.2
