"""Frame delays by barcode: captures of publishers, decoded frames, what cannot be measured."""

from pathlib import Path

import pytest

from sfukit.errors import MachineError, UsageError
from sfukit.loadgen import decode_sample
from sfukit.loadgen.barcode_sample import CaptureLog, read
from sfukit.loadgen.metrics import measured as metrics
from sfukit.loadgen.metrics.barcodes import BarcodeStream, Captures, Delay, measured
from sfukit.loadgen.metrics.decoded import SampledStream
from sfukit.loadgen.metrics.ledger import ExpectedTrack, Ledger
from sfukit.loadgen.options import LoadOptions, RunOptions
from sfukit.loadgen.reports import conditions
from sfukit.loadgen.scenario import plan
from sfukit.loadgen.summary import frame_delay
from sfukit.media import catalog, ivf, spool
from sfukit.media.spool import ReadFrame, SpooledFrame
from sfukit.swarm.fake import FakeSwarm
from sfukit.swarm.messages import Capture, TakeCaptures
from tests.unit.loadgen.test_frame_delay import window

PLAN = plan(LoadOptions(clients=2, seed=7, latency="barcode"))
LOW, MIDDLE = 0, 1  # places of the encodings
MS = 1_000_000


def test_the_capture_is_the_latest_one_before_the_frame_was_complete() -> None:
    # frame 2 of 180p15 is tick 4; the loop has it again after 4 s
    captured = [Capture(LOW, 2, 10_000), Capture(LOW, 2, 50_000), Capture(MIDDLE, 4, 11_000)]
    captures = Captures(captured, PLAN.encodings)
    frames = [
        ReadFrame(1_020 * MS, 4, 180, True),
        ReadFrame(5_030 * MS, 4, 180, False),
        ReadFrame(1_120 * MS, 4, 360, False),
    ]
    found = measured(9, 0, frames, captures)
    assert list(found.delays) == [Delay(20.0, True), Delay(30.0, False), Delay(20.0, False)]
    assert (found.unread, found.resized, found.unmatched) == (0, 0, 0)


def test_frames_that_cannot_be_measured_are_counted_by_cause() -> None:
    captures = Captures([Capture(LOW, 2, 10_000)], PLAN.encodings)
    frames = [
        ReadFrame(1_020 * MS, None, 180, False),
        ReadFrame(1_020 * MS, 4, 240, False),
        ReadFrame(1_020 * MS, 6, 180, False),
        ReadFrame(990 * MS, 4, 180, False),
    ]
    found = measured(9, 0, frames, captures)
    assert (found.delays, found.unread, found.resized, found.unmatched) == ([], 1, 1, 2)


async def test_captures_are_taken_until_the_publisher_leaves() -> None:
    swarm, ledger = FakeSwarm(), Ledger(PLAN)
    ledger.logged[1] = 7
    log = CaptureLog(swarm, ledger)
    swarm.results[TakeCaptures] = [{"encoding": 0, "position": 1, "tick": 5}]
    await log.take()
    await log.take()
    assert list(log.of(1)) == [Capture(0, 1, 5)] * 2

    async def refused(*_: object) -> None:
        raise MachineError("no stream 7")

    swarm.request = refused  # type: ignore[method-assign, assignment]
    await log.take()
    await log.take()
    assert len(log.of(1)) == 2
    assert len(swarm.of(TakeCaptures)) == 2
    assert list(log.of(0)) == []


@pytest.mark.computes
async def test_received_frames_are_decoded_and_read_in_a_process(tmp_path: Path) -> None:
    pytest.importorskip("av")
    clip = ivf.read(catalog.video_clip("vp8", catalog.LOW))
    path = tmp_path / "frames"
    frames = [
        SpooledFrame(
            *(0, 0, 0, number == 0, frame.payload),
            identified=False,
            keyframe=number == 0,
            completed_ns=(1_000 + number * 66) * MS + 7 * MS,
        )
        for number, frame in enumerate(clip.frames[:6])
    ]
    frames.insert(3, SpooledFrame(0, 0, 0, False, b"garbage", completed_ns=1_200 * MS))
    path.write_bytes(b"".join(map(spool.record, frames)))
    assert list(spool.frames(path)) == frames
    ledger, swarm = Ledger(PLAN), FakeSwarm()
    subscriber, publisher = PLAN.bots
    ledger.track_expected(9, ExpectedTrack(subscriber, publisher, "video", 1))
    ledger.logged[publisher.index] = 7
    swarm.results[TakeCaptures] = [
        {"encoding": 0, "position": number, "tick": (1_000 + number * 66) * 10}
        for number in range(6)
    ]
    log = CaptureLog(swarm, ledger)
    await log.take()
    found = await read(SampledStream(9, path, frames=7), PLAN, ledger, log)
    assert (found.stream, found.bot, found.fault) == (9, subscriber.index, "")
    assert [round(one.ms, 6) for one in found.delays] == [7.0] * 6
    assert [one.keyframe for one in found.delays] == [True] + [False] * 5
    none = await read(SampledStream(9, path), PLAN, ledger, log)
    assert none.fault == "no keyframe was decodable"


def test_the_metrics_are_those_of_the_barcodes() -> None:
    delays = [Delay(10.0, True), Delay(20.0, False), Delay(30.0, False)]
    one = window(delays=0)
    read_here = one.__class__(
        **{**vars(one), "barcodes": [BarcodeStream(9, 0, delays), BarcodeStream(10, 1, [])]}
    )
    ledger = Ledger(PLAN)
    found = metrics.metrics(PLAN, ledger, [read_here], PLAN.windows)
    counts = {name: found[f"e2e_{name}_ms"].count for name in ("frame", "delta", "keyframe")}
    assert counts == {"frame": 3, "delta": 2, "keyframe": 1}
    assert found["e2e_frame_ms"].avg == 20.0
    scoped = metrics.scoped_metrics({1}, PLAN, ledger, [read_here], PLAN.windows)
    assert scoped["e2e_frame_ms"].count == 0
    use = frame_delay.described(PLAN, ledger, [read_here])
    assert use is not None
    assert (use.by_barcode, use.sampled_streams, use.reasons) == (3, 2, [])
    assert conditions.frame_delay(use) == [
        "measured by barcode in 2 sampled streams (3 frames)",
    ]


def test_what_was_not_read_is_explained() -> None:
    one = window(delays=0)
    streams = [
        BarcodeStream(9, 0, unread=3, resized=0, unmatched=1),
        BarcodeStream(10, 1, unread=2, resized=7),
        BarcodeStream(11, 1, fault="no keyframe was decodable"),
    ]
    use = frame_delay.described(
        PLAN, Ledger(PLAN), [one.__class__(**{**vars(one), "barcodes": streams})]
    )
    assert use is not None
    assert use.unmeasured == 13
    assert use.reasons == [
        "1 of 3 sampled streams: no keyframe was decodable",
        "5 frames of 2 sampled streams: no readable barcode",
        "7 frames of 1 sampled streams: the height of no encoding: the target resizes video",
        "1 frames of 1 sampled streams: no capture before it: the delay is longer than the loop "
        "of 4 s",
    ]
    use = frame_delay.described(PLAN, Ledger(PLAN), [one])
    assert use is not None
    assert use.reasons == ["not measured: no frame of a sampled stream was received"]


def test_files_have_no_barcode(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="the frames of a file have no barcode"):
        plan(LoadOptions(clients=2, latency="barcode", media=tmp_path / "a.mp4"))


def test_a_few_streams_are_sampled_unless_the_number_is_given() -> None:
    options = RunOptions(load=PLAN.options)
    assert decode_sample.streams(options) == 4
    assert decode_sample.streams(RunOptions(load=PLAN.options, decode_sample=9)) == 9
    assert decode_sample.streams(RunOptions(load=LoadOptions())) == 0
    assert len(decode_sample.chosen(PLAN, 4)) == 2
