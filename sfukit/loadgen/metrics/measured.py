"""The metrics of a run."""

from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from sfukit.loadgen.host.processes import Reading
from sfukit.loadgen.host.server_process import Traffic
from sfukit.loadgen.metrics import decoded, links
from sfukit.loadgen.metrics.audio_scores import opinion_scores
from sfukit.loadgen.metrics.barcodes import BarcodeStream
from sfukit.loadgen.metrics.decoded import DecodedStream
from sfukit.loadgen.metrics.figures import Figures, StreamFigures
from sfukit.loadgen.metrics.histogram import metric_of_histograms, metric_of_values
from sfukit.loadgen.metrics.ledger import JoinRecord, Ledger
from sfukit.loadgen.result.report import Metric
from sfukit.loadgen.scenario import Plan, Window
from sfukit.loadgen.verdict.decision import TargetFault

_NS_PER_S = 1e9
_MIN_WINDOW_S = 0.2


@dataclass(frozen=True)
class UsageSample:
    """Use of both processes at one instant; the server's is None on another machine.

    ``traffic`` is that of a private server. ``busy_s`` is the CPU time of all cores of this
    machine, None where it is unknown.
    """

    swarm: Reading
    server: Reading | None
    traffic: Traffic | None
    busy_s: float | None


@dataclass(frozen=True, kw_only=True)
class WindowResult:
    """The window: usage samples at the start of the run and at both ends, and the figures."""

    first: UsageSample
    before: UsageSample
    after: UsageSample
    figures_before: Figures
    figures: Figures
    target_fault: TargetFault | None
    interrupted: bool
    aborted: str | None = None
    decoded: Sequence[DecodedStream] = ()
    barcodes: Sequence[BarcodeStream] = ()

    @property
    def ended_early(self) -> bool:
        """Whether the run ends with this window, whatever is planned after it."""
        return self.interrupted or self.target_fault is not None or self.aborted is not None

    @property
    def wall_s(self) -> float:
        """The time that was measured."""
        return self.after.swarm.at_s - self.before.swarm.at_s

    @property
    def bounds_ns(self) -> tuple[int, int]:
        """Start and end of the window, in nanoseconds of the swarm's clock."""
        return round(self.before.swarm.at_s * _NS_PER_S), round(self.after.swarm.at_s * _NS_PER_S)


def metrics(
    plan: Plan, ledger: Ledger, windows: Sequence[WindowResult], planned: Sequence[Window]
) -> dict[str, Metric]:
    """Return every metric of some windows; those without samples have no values.

    Joins are those of the clients of the windows; join times are of the clients that join in them.
    """
    scope = _scope(plan, ledger, planned)
    histograms = [window.figures.histograms for window in windows]
    return {
        "joins": metric_of_values(scope.joined, "ratio"),
        "tracks": metric_of_values(scope.arrived, "ratio"),
        "join_ms": metric_of_values(_known(one.join_ms for one in scope.joins), "ms"),
        "join_signalling_ms": metric_of_values(
            _known(one.signalling_ms for one in scope.joins), "ms"
        ),
        "join_ice_ms": metric_of_values(_known(one.ice_ms for one in scope.joins), "ms"),
        "join_dtls_ms": metric_of_values(_known(one.dtls_ms for one in scope.joins), "ms"),
        "ttff_ms": metric_of_values(ledger.ttff_ms({one.bot.index for one in scope.joins}), "ms"),
        **_frame_delays(plan, windows),
        "playout_delay_ms": metric_of_histograms(one.playout_delay for one in histograms),
        "playout_delay_libwebrtc_ms": metric_of_histograms(
            one.playout_delay_libwebrtc for one in histograms
        ),
        "rtt_ms": metric_of_histograms(one.rtt for one in histograms),
        **_handovers(ledger, windows),
        "turn_allocate_ms": metric_of_values(ledger.relays.allocate_ms(), "ms"),
        "layer_switch_ms": metric_of_values(ledger.switch_waits_ms, "ms"),
        "layer_switches": _switches(ledger, streams_of(windows)),
        "mos_audio_est": metric_of_values(
            (score for one in windows for score in opinion_scores(ledger, one.figures)), "score"
        ),
        **decoded.metrics(one for window in windows for one in window.decoded),
        "bitrate_out": _sent(plan, windows),
        **_queues(windows),
        **of_streams(streams_of(windows)),
    }


def scoped_metrics(
    members: Container[int],
    plan: Plan,
    ledger: Ledger,
    windows: Sequence[WindowResult],
    planned: Sequence[Window],
) -> dict[str, Metric]:
    """Return the metrics of some bots, by their indices: of their joins and received streams."""
    scope = _scope(plan, ledger, planned, members)
    streams = [one for one in streams_of(windows) if one.figures.bot - 1 in members]
    return {
        "joins": metric_of_values(scope.joined, "ratio"),
        "tracks": metric_of_values(scope.arrived, "ratio"),
        "join_ms": metric_of_values(_known(one.join_ms for one in scope.joins), "ms"),
        "ttff_ms": metric_of_values(ledger.ttff_ms({one.bot.index for one in scope.joins}), "ms"),
        "e2e_frame_ms": _frame_delays_of(members, plan, windows, streams),
        **_handovers(ledger, windows, members),
        **of_streams(streams),
    }


def _frame_delays(plan: Plan, windows: Sequence[WindowResult]) -> dict[str, Metric]:
    """Return the delays of all frames, of delta frames and of keyframes."""
    if plan.options.latency == "barcode":
        read = [delay for one in windows for stream in one.barcodes for delay in stream.delays]
        return {
            "e2e_frame_ms": metric_of_values((one.ms for one in read), "ms"),
            "e2e_delta_ms": metric_of_values((one.ms for one in read if not one.keyframe), "ms"),
            "e2e_keyframe_ms": metric_of_values((one.ms for one in read if one.keyframe), "ms"),
        }
    histograms = [window.figures.histograms for window in windows]
    return {
        "e2e_frame_ms": metric_of_histograms(one.e2e_frame for one in histograms),
        "e2e_delta_ms": metric_of_histograms(one.e2e_delta for one in histograms),
        "e2e_keyframe_ms": metric_of_histograms(one.e2e_keyframe for one in histograms),
    }


def _frame_delays_of(
    members: Container[int],
    plan: Plan,
    windows: Sequence[WindowResult],
    streams: "Sequence[WindowStream]",
) -> Metric:
    """Return the frame delays of some bots; ``streams`` are those that they receive."""
    if plan.options.latency == "barcode":
        read = [one for window in windows for one in window.barcodes if one.bot in members]
        return metric_of_values((delay.ms for one in read for delay in one.delays), "ms")
    video = (one.figures for one in streams if one.figures.kind == "video")
    return metric_of_histograms(one.e2e_histogram for one in video)


def _handovers(
    ledger: Ledger, windows: Sequence[WindowResult], members: Container[int] | None = None
) -> dict[str, Metric]:
    bounds = [window.bounds_ns for window in windows]
    changes = list(ledger.handovers.within(bounds, members))
    return {
        "handovers": metric_of_values([float(not one.failure) for one in changes], "ratio"),
        "handover_gap_ms": metric_of_values(_known(one.gap_ms for one in changes), "ms"),
        "handover_ice_ms": metric_of_values(_known(one.ice_ms for one in changes), "ms"),
    }


class _Scope(NamedTuple):
    """The joins and tracks of some windows: 1 where one succeeded, else 0."""

    joined: list[float]
    arrived: list[float]
    joins: list[JoinRecord]


def _scope(
    plan: Plan,
    ledger: Ledger,
    planned: Sequence[Window],
    members: Container[int] | None = None,
) -> _Scope:
    visits = [visit for visit in plan.own_visits if members is None or visit.bot.index in members]
    present = [visit.bot for visit in visits if any(map(visit.is_within, planned))]
    joining = [visit.bot for visit in visits if any(map(visit.begins_in, planned))]
    records = {one.bot.index: one for one in ledger.records_of(present)}
    joined = [
        float(bot.index in records and records[bot.index].connected_ns is not None)
        for bot in present
    ]
    expected = {
        track
        for track in plan.views.expected(planned)
        if members is None or track.subscriber in members
    }
    arrived = len(expected & ledger.arrived)
    tracks = [1.0] * arrived + [0.0] * (len(expected) - arrived)
    return _Scope(joined, tracks, ledger.records_of(joining))


class WindowStream(NamedTuple):
    """One stream in one window."""

    figures: StreamFigures
    window: WindowResult


def streams_of(windows: Iterable[WindowResult]) -> list[WindowStream]:
    """Return the streams of each window."""
    return [WindowStream(one, window) for window in windows for one in window.figures.streams]


def of_streams(streams: Sequence[WindowStream]) -> dict[str, Metric]:
    """Return the metrics of received streams; ``avg`` of a ratio is over all packets."""
    figures = [one.figures for one in streams]
    video = [one for one in figures if one.kind == "video" and one.playing_ms]
    return {
        # a stream that ended before the window keeps its last jitter
        "jitter_ms": metric_of_values(
            _known(one.jitter_ms for one in figures if one.bytes_received), "ms"
        ),
        "late_frames": _ratios((one.frames_late, one.frames) for one in video),
        "late_frames_libwebrtc": _ratios((one.frames_late_libwebrtc, one.frames) for one in video),
        "loss_raw": _ratios((one.packets_lost_raw, one.packets_expected) for one in figures),
        "loss_after_rtx": _repaired(figures),
        "loss_after_rtx_video": _repaired(one for one in figures if one.kind == "video"),
        "loss_after_rtx_audio": _repaired(one for one in figures if one.kind == "audio"),
        "freeze_est": _ratios((one.frozen_ms, one.playing_ms) for one in video),
        "quality": metric_of_values(
            _known(one.quality.score for one in figures if one.quality), "score"
        ),
        "longest_gap_ms": metric_of_values((one.longest_gap_ms for one in video), "ms"),
        "bitrate_in": metric_of_values(
            _known(_rate_bps(one.figures.bytes_received, one.window) for one in streams), "bit/s"
        ),
    }


def _repaired(streams: Iterable[StreamFigures]) -> Metric:
    return _ratios((one.packets_lost_after_rtx, one.packets_expected) for one in streams)


def _ratios(parts: Iterable[tuple[float, float]]) -> Metric:
    known = [(part, whole) for part, whole in parts if whole]
    total = sum(whole for _, whole in known)
    average = sum(part for part, _ in known) / total if total else None
    return metric_of_values(
        (part / whole for part, whole in known), "ratio", average=average, weight=total
    )


def _queues(windows: Iterable[WindowResult]) -> dict[str, Metric]:
    """Return the metrics of the queues of those downlinks over which media came."""
    return links.metrics(
        link
        for window in windows
        for receivers in [{one.bot for one in window.figures.streams if one.bytes_received}]
        for link in links.between(window.figures_before.links, window.figures.links)
        if link.bot in receivers
    )


def _switches(ledger: Ledger, streams: Sequence[WindowStream]) -> Metric:
    return metric_of_values(
        (
            float(ledger.changes_within(one.figures.stream, *one.window.bounds_ns))
            for one in streams
            if one.figures.kind == "video"
        ),
        "count",
    )


def _sent(plan: Plan, windows: Sequence[WindowResult]) -> Metric:
    """Return the bitrate of publishers, as average only."""
    sent_bytes = sum(window.figures.totals.bytes_sent for window in windows)
    publishing_s, most = 0.0, 0
    for planned, window in zip(plan.windows, windows, strict=False):
        publishers = sum(slot.sends and plan.is_own(slot) for slot in plan.slots[: planned.clients])
        publishing_s += publishers * window.wall_s
        most = max(most, publishers)
    if not publishing_s or any(window.wall_s < _MIN_WINDOW_S for window in windows):
        return Metric(unit="bit/s", count=0)
    rate_bps = sent_bytes * 8 / publishing_s
    return Metric(unit="bit/s", count=most, avg=rate_bps, weight=publishing_s)


def groups(
    plan: Plan, ledger: Ledger, windows: Sequence[WindowResult]
) -> dict[str, dict[str, Metric]]:
    """Return the metrics of impaired and of other bots, and of the groups of a scenario."""
    streams = streams_of(windows)
    parts: dict[str, list[WindowStream]] = {}
    if any(bot.impaired for bot in plan.bots):
        parts = {"impaired": [], "free": []}
        for one in streams:
            is_impaired = plan.bots[one.figures.bot - 1].impaired
            parts["impaired" if is_impaired else "free"].append(one)
    for group in plan.options.groups:
        parts[group.name] = [
            one for one in streams if plan.bots[one.figures.bot - 1].group == group
        ]
    return {name: _group(part, ledger) for name, part in parts.items()}


def _group(streams: Sequence[WindowStream], ledger: Ledger) -> dict[str, Metric]:
    """Return the metrics of a group, with the percentile of each stream."""
    video = [one for one in streams if one.figures.kind == "video"]
    return {
        **of_streams(streams),
        "stream_e2e_p99_ms": metric_of_values(
            _known(one.figures.e2e_frame.p99_ms for one in video), "ms"
        ),
        "layer_switches": _switches(ledger, streams),
        "settled_ms": metric_of_values(
            _known(ledger.settled_ms(one.figures.stream, one.window.bounds_ns[0]) for one in video),
            "ms",
        ),
    }


def _rate_bps(size_bytes: int, window: WindowResult) -> float | None:
    """Return bytes of the window as bit/s; None where it was interrupted too early."""
    return size_bytes * 8 / window.wall_s if window.wall_s >= _MIN_WINDOW_S else None


def _known(values: Iterable[float | None]) -> list[float]:
    return [value for value in values if value is not None]
