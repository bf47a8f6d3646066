"""Which streams are sampled, and the files that their frames are kept in."""

import importlib.util
from collections.abc import Iterable
from io import BufferedWriter
from pathlib import Path

import pytest

from sfukit.errors import MachineError
from sfukit.loadgen import decode_sample
from sfukit.loadgen.decode_sample import Sample
from sfukit.loadgen.metrics import decoded
from sfukit.loadgen.metrics.decoded import DecodedStream, SampledStream
from sfukit.loadgen.metrics.ledger import ExpectedTrack, Ledger
from sfukit.loadgen.options import LoadOptions
from sfukit.loadgen.scenario import plan
from sfukit.media import spool
from sfukit.media.spool import Comparison
from sfukit.swarm.fake import FakeSwarm
from sfukit.swarm.messages import SampledFrame, TakeFrames, TakenFrames

PLAN = plan(LoadOptions(clients=10, seed=7))


def test_the_seed_chooses_planned_videos() -> None:
    few = decode_sample.chosen(PLAN, 4)
    assert few == decode_sample.chosen(PLAN, 4)
    assert len(few) == 4
    assert {track.kind for track in few} == {"video"}
    assert few <= PLAN.views.expected()
    assert few != decode_sample.chosen(plan(LoadOptions(clients=10, seed=8)), 4)
    assert decode_sample.chosen(PLAN, 0) == frozenset()
    # two rooms of five: all participants see four others
    assert len(decode_sample.chosen(PLAN, 1_000)) == 40


@pytest.mark.parametrize("absent", ["av", "numpy"])
def test_an_absent_extra_is_named(absent: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == absent else name)
    with pytest.raises(MachineError) as caught:
        decode_sample.check_extra("--decode-sample")
    assert str(caught.value) == f"--decode-sample needs {absent}"
    assert caught.value.hint == "pip install 'sfukit[media]'"


def taken(*numbers: int, dropped: int = 0, size: int = 10) -> TakenFrames:
    frames = [SampledFrame(number, 0, 5, True, 0, False, False, b"x" * size) for number in numbers]
    return TakenFrames(frames, dropped, 0)


class OneStream:
    """A sample of stream 9, which the first bot receives from the second."""

    def __init__(self, folder: Path) -> None:
        self.swarm = FakeSwarm()
        self.ledger = Ledger(PLAN)
        first, second, *_ = PLAN.bots
        self.ledger.track_expected(9, ExpectedTrack(first, second, "video", 1))
        self.ledger.sampled.append(9)
        self.sample = Sample(self.swarm, self.ledger, folder)

    async def window(self, frames: TakenFrames) -> SampledStream:
        self.swarm.results[TakeFrames] = frames
        self.sample.begin()
        await self.sample.end(0)
        return self.sample.kept[-1][9]

    async def ended(self) -> int | None:
        """Return the tick at which a window of a second ended for the stream."""
        self.sample.begin()
        await self.sample.end(1_000_000_000)
        return self.sample.kept[-1][9].end_tick


async def test_frames_that_cannot_be_written_are_named_and_end_the_sample(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = OneStream(tmp_path)
    first = await one.window(taken(1, 2))
    size = first.path.stat().st_size

    def full(file: BufferedWriter, records: Iterable[bytes]) -> None:
        file.write(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(decode_sample, "write_all", full)
    kept = decode_sample._appended(first.path, [b"more"])
    assert kept == f"its frames could not be kept in {tmp_path}: No space left on device"
    assert first.path.stat().st_size == size
    second = await one.window(taken(3))
    assert (second.frames, second.over) == (0, 1)
    found = await decode_sample._compared(second, PLAN, one.ledger)
    assert found.fault == kept


async def test_each_window_has_a_file_of_its_own(tmp_path: Path) -> None:
    one = OneStream(tmp_path)
    first = await one.window(taken(1, 2, dropped=3))
    second = await one.window(taken(7))
    assert (first.frames, first.dropped) == (2, 3)
    assert [frame.number for frame in spool.frames(first.path)] == [1, 2]
    assert [frame.number for frame in spool.frames(second.path)] == [7]


async def test_a_stream_without_frames_is_reported_with_the_reason(tmp_path: Path) -> None:
    one = OneStream(tmp_path)
    for frames, reason in (
        (TakenFrames([], 0, 0), "no keyframe was decodable"),
        (TakenFrames([], 0, 7), "no frame id in its frames"),
    ):
        kept = await one.window(frames)
        found = await decode_sample._compared(kept, PLAN, one.ledger)
        assert (found.comparison, found.fault) == (None, reason)


async def test_vp9_without_capture_times_is_reported(tmp_path: Path) -> None:
    one = OneStream(tmp_path)
    kept = await one.window(TakenFrames([], 0, 7))
    load = plan(LoadOptions(clients=10, seed=7, codec="vp9"))
    found = await decode_sample._compared(kept, load, one.ledger)
    assert found.fault == "no abs-capture-time of its publisher in its packets"


async def test_the_end_of_a_window_is_a_tick_of_100_us(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = OneStream(tmp_path)
    one.swarm.results[TakeFrames] = taken(1)
    monkeypatch.setattr(one.swarm, "now_ns", lambda: 2_000_000_000)
    assert await one.ended() == 10_000
    monkeypatch.setattr(one.swarm, "now_ns", lambda: 500_000_000)
    assert await one.ended() == 5_000  # interrupted


async def test_a_full_file_takes_no_later_frame(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decode_sample, "_MOST_BYTES", 100)
    one = OneStream(tmp_path)
    one.swarm.results[TakeFrames] = taken(1, 2, size=40)
    one.sample.begin()
    await one.sample.end(0)
    one.swarm.results[TakeFrames] = taken(3, size=1)
    await one.sample.end(0)
    [kept] = one.sample.kept[-1].values()
    assert [frame.number for frame in spool.frames(kept.path)] == [1]
    assert (kept.frames, kept.over) == (1, 2)


def test_metrics_are_over_frames_and_exact() -> None:
    good = SampledStream(9, Path("a"), frames=3)
    found = [
        DecodedStream(good, Comparison([60.0, 60.0, 30.0], [1.0, 1.0, 0.9], 2, 1, 0)),
        DecodedStream(good, Comparison([60.0], [1.0], 1, 0, 0)),
        DecodedStream(good, None, "the decoder ended with -11"),
    ]
    metrics = decoded.metrics(found)
    assert (metrics["psnr"].count, metrics["psnr"].avg, metrics["psnr"].p5) == (4, 52.5, 30.0)
    assert (metrics["ssim"].p5, metrics["ssim"].max) == (0.9, 1.0)
    assert metrics["lossless_frames"].avg == 0.75
    assert {one.count for one in decoded.metrics([]).values()} == {0}


def test_streams_are_reported_with_what_is_not_in_their_figures() -> None:
    ledger = Ledger(PLAN)
    first, second, *_ = PLAN.bots
    ledger.track_expected(9, ExpectedTrack(first, second, "video", 1))
    sampled = SampledStream(9, Path("a"), frames=1, dropped=2, over=3, unidentified=4)
    [whole, failed] = decoded.streams(
        [
            DecodedStream(sampled, Comparison([40.0], [0.99], 0, 0, 1)),
            DecodedStream(sampled, None, "no frame was received"),
        ],
        ledger,
    )
    assert (whole.room, whole.bot, whole.source) == ("room-1", first.name, second.name)
    assert (whole.unsampled, whole.undecodable, whole.psnr_p5) == (9, 1, 40.0)
    assert (failed.frames, failed.psnr, failed.fault) == (0, None, "no frame was received")
