"""What frame delays were measured by, and why those of some streams are unknown. Pure."""

from collections import Counter
from collections.abc import Iterator, Sequence

from sfukit.loadgen.metrics.barcodes import BarcodeStream
from sfukit.loadgen.metrics.ledger import Ledger
from sfukit.loadgen.metrics.measured import WindowResult
from sfukit.loadgen.options import VideoCodec
from sfukit.loadgen.result.report import FrameDelay
from sfukit.loadgen.scenario import Plan, frame_delays

_OFF = "not measured: --latency off"
_NOT_SAMPLED = "not measured: no frame of a sampled stream was received"
_ELSEWHERE = "not measured: the publishers of the received video are in other processes"


def described(plan: Plan, ledger: Ledger, windows: Sequence[WindowResult]) -> FrameDelay | None:
    """Return the use of each method; None where no video is received."""
    if not (plan.tracks and plan.has_video):
        return None
    if plan.options.latency == "barcode":
        return _by_barcode([one for window in windows for one in window.barcodes])
    totals = [window.figures.totals for window in windows]
    return FrameDelay(
        mode=plan.options.latency,
        by_frame_id=sum(one.frames_by_id for one in totals),
        by_capture_time=sum(one.frames_by_capture_time for one in totals),
        unmeasured=sum(one.frames_untimed for one in totals),
        reasons=list(_reasons(plan, ledger, windows)),
    )


def _by_barcode(streams: Sequence[BarcodeStream]) -> FrameDelay:
    unread, resized, unmatched = (
        [getattr(one, name) for one in streams] for name in ("unread", "resized", "unmatched")
    )
    faults = Counter(one.fault for one in streams if one.fault)
    reasons = [
        f"{count} of {len(streams)} sampled streams: {fault}" for fault, count in faults.items()
    ]
    for counts, cause in (
        (unread, "no readable barcode"),
        (resized, "the height of no encoding: the target resizes video"),
        (unmatched, "no capture before it: the delay is longer than the loop of 4 s"),
    ):
        if sum(counts):
            held = sum(map(bool, counts))
            reasons.append(f"{sum(counts):,} frames of {held} sampled streams: {cause}")
    return FrameDelay(
        mode="barcode",
        by_barcode=sum(len(one.delays) for one in streams),
        unmeasured=sum(unread) + sum(resized) + sum(unmatched),
        sampled_streams=len({one.stream for one in streams}),
        reasons=reasons or ([] if streams else [_NOT_SAMPLED]),
    )


def _reasons(plan: Plan, ledger: Ledger, windows: Sequence[WindowResult]) -> Iterator[str]:
    mode = plan.options.latency
    if mode == "off":
        yield _OFF
        return
    if plan.own is not None and not plan.times_video:
        yield _ELSEWHERE
        return
    for codec, streams in sorted(_unmeasured(plan, ledger, windows).items()):
        named = f"{codec.upper()}, {streams} stream{'s' if streams > 1 else ''}"
        yield f"{named}: {_cause(plan, ledger, codec)}{_remedy(plan)}"


def _remedy(plan: Plan) -> str:
    """Return what measures without frame ids and header extensions; a file has no barcode."""
    return "" if plan.options.media else "; --latency barcode reads decoded frames"


def _unmeasured(plan: Plan, ledger: Ledger, windows: Sequence[WindowResult]) -> Counter[VideoCodec]:
    """Return how many streams with complete frames have no delay, by codec."""
    found: Counter[VideoCodec] = Counter()
    for stream in {
        one.stream
        for window in windows
        for one in window.figures.streams
        if one.kind == "video" and one.frames and not one.e2e_frame.count
    }:
        expected = ledger.expected.get(stream)
        publisher = expected.publisher if expected is not None else None
        if publisher is not None and plan.is_own(publisher):
            found[plan.codec_of(publisher)] += 1
    return found


def _cause(plan: Plan, ledger: Ledger, codec: VideoCodec) -> str:
    if not frame_delays.by_capture_time(plan.options.latency, codec):
        return "no frame id arrives: the target re-encodes or changes the frames"
    times = ledger.capture_times
    sides = [
        side
        for side, missing in (
            ("publishers", times.not_sent[codec]),
            ("subscribers", times.not_received[codec]),
        )
        if missing
    ]
    if sides:
        return f"the target negotiates no abs-capture-time with {' and '.join(sides)}"
    return "the target forwards no abs-capture-time"
