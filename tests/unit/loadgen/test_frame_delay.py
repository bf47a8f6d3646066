"""``--latency``: what bots offer and measure by, and what a report says of unknown delays."""

from typing import get_args

import msgspec
import pytest

from sfukit.errors import UsageError
from sfukit.loadgen.metrics.figures import Delays
from sfukit.loadgen.metrics.ledger import ExpectedTrack, Ledger
from sfukit.loadgen.metrics.measured import WindowResult
from sfukit.loadgen.options import LatencyMode, LoadOptions, RunOptions, Shard, VideoCodec
from sfukit.loadgen.reports import conditions
from sfukit.loadgen.result.report import FrameDelay
from sfukit.loadgen.scenario import frame_delays, plan
from sfukit.loadgen.summary import frame_delay
from sfukit.loadgen.verdict.decision import applied_gates
from sfukit.signaling.extensions import ABS_CAPTURE_TIME
from tests.unit.loadgen.test_summary import figures, sample, stream

RECEIVED = 10  # the stream of the one subscriber


def load(mode: LatencyMode, codec: VideoCodec = "vp8") -> LoadOptions:
    return LoadOptions(clients=2, seed=7, latency=mode, codec=codec)


def window(*, delays: int, by_id: int = 0, by_time: int = 0, untimed: int = 0) -> WindowResult:
    one = stream(RECEIVED, 1, e2e_frame=Delays(delays, 20.0 if delays else None))
    measured = figures([one])
    totals = msgspec.structs.replace(
        measured.totals, frames_by_id=by_id, frames_by_capture_time=by_time, frames_untimed=untimed
    )
    measured = msgspec.structs.replace(measured, totals=totals)
    return WindowResult(
        first=sample(0),
        before=sample(1),
        after=sample(11),
        figures_before=measured,
        figures=measured,
        target_fault=None,
        interrupted=False,
    )


def found(
    options: LoadOptions,
    measured: WindowResult,
    *,
    sent: tuple[str, ...] = (),
    received: tuple[str, ...] = (),
) -> FrameDelay:
    """Return the report of a call whose m-lines negotiated these extensions."""
    planned = plan(options)
    ledger = Ledger(planned)
    subscriber, publisher = planned.bots
    ledger.track_expected(RECEIVED, ExpectedTrack(subscriber, publisher, "video", 1))
    ledger.capture_times.published(options.codec, sent)
    ledger.capture_times.received(options.codec, received)
    use = frame_delay.described(planned, ledger, [measured])
    assert use is not None
    return use


def test_auto_offers_capture_times_where_a_codec_has_no_place_for_a_frame_id() -> None:
    modes: tuple[LatencyMode, ...] = get_args(LatencyMode)
    assert frame_delays.TIMINGS.keys() == set(modes)
    offers = {mode: frame_delays.sends_capture_time(mode, "vp9") for mode in modes}
    assert offers == dict.fromkeys(modes, True) | {"off": False}
    offers = {mode: frame_delays.sends_capture_time(mode, "h264") for mode in modes}
    assert offers == dict.fromkeys(modes, False) | {"capture-time": True}


def test_vp9_has_no_tag() -> None:
    with pytest.raises(UsageError, match="--latency tag with VP9") as caught:
        plan(load("tag", "vp9"))
    assert caught.value.hint == "give --latency auto or capture-time"
    mixed = LoadOptions(clients=8, codec="mix", latency="tag")
    with pytest.raises(UsageError, match="VP9"):
        plan(mixed)


def test_without_measurement_there_is_no_default_gate_on_frame_delays() -> None:
    def paths(mode: LatencyMode) -> set[str]:
        options = RunOptions(load=load(mode))
        return {gate.path for gate in applied_gates(plan(options.load), options)}

    assert paths("auto") - paths("off") == {"e2e_frame_ms.p95"}


def test_measured_delays_need_no_line_in_the_usual_mode() -> None:
    use = found(load("auto"), window(delays=300, by_id=300))
    assert (use.reasons, conditions.notable(use)) == ([], False)
    assert conditions.frame_delay(use) == ["measured by frame id (300 frames)"]
    use = found(
        load("capture-time"),
        window(delays=300, by_time=300),
        sent=(ABS_CAPTURE_TIME,),
        received=(ABS_CAPTURE_TIME,),
    )
    assert conditions.notable(use)
    assert conditions.frame_delay(use) == ["measured by abs-capture-time (300 frames)"]


def test_a_target_that_changes_frames_is_named() -> None:
    use = found(load("auto"), window(delays=0, untimed=300))
    assert use.unmeasured == 300
    [line] = conditions.frame_delay(use)
    assert line.startswith("unknown: VP8, 1 stream: no frame id arrives: the target re-encodes")


@pytest.mark.parametrize(
    ("sent", "received", "cause"),
    [
        ((), (ABS_CAPTURE_TIME,), "negotiates no abs-capture-time with publishers"),
        ((ABS_CAPTURE_TIME,), (), "negotiates no abs-capture-time with subscribers"),
        ((), (), "negotiates no abs-capture-time with publishers and subscribers"),
        ((ABS_CAPTURE_TIME,), (ABS_CAPTURE_TIME,), "forwards no abs-capture-time"),
    ],
)
def test_capture_times_that_cannot_be_had_are_explained(
    sent: tuple[str, ...], received: tuple[str, ...], cause: str
) -> None:
    for options in (load("auto", "vp9"), load("capture-time")):
        use = found(options, window(delays=0, untimed=300), sent=sent, received=received)
        [reason] = use.reasons
        assert reason.startswith(f"{options.codec.upper()}, 1 stream: the target {cause}; ")
        assert reason.endswith("--latency barcode reads decoded frames")


def test_modes_that_measure_nothing_say_so() -> None:
    assert found(load("off"), window(delays=0)).reasons == ["not measured: --latency off"]
    planned = plan(LoadOptions(clients=2, rooms=1, seed=7)).shared(Shard(1, 2))
    assert not planned.times_video
    use = frame_delay.described(planned, Ledger(planned), [window(delays=0)])
    assert use is not None
    assert "in other processes" in use.reasons[0]


def test_loads_without_received_video_have_no_frame_delays() -> None:
    audio = plan(LoadOptions(scenario="audio-room", clients=3))
    assert frame_delay.described(audio, Ledger(audio), [window(delays=0)]) is None


def test_many_reasons_are_shortened() -> None:
    lines = conditions.frame_delay(FrameDelay(mode="auto", reasons=[str(n) for n in range(9)]))
    assert lines == [*(f"unknown: {n}" for n in range(4)), "unknown: 5 more reasons"]
