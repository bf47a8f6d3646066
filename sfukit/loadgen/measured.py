"""The metrics of a run."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sfukit.loadgen.figures import Figures, StreamFigures
from sfukit.loadgen.histogram import metric_of_histograms, metric_of_values
from sfukit.loadgen.ledger import Ledger
from sfukit.loadgen.processes import Reading
from sfukit.loadgen.result import Metric
from sfukit.loadgen.result_series import Interval
from sfukit.loadgen.scenario import Plan
from sfukit.loadgen.server_process import Traffic
from sfukit.loadgen.verdict import TargetFault

_NS_PER_S = 1e9
_MIN_WINDOW_S = 0.2


@dataclass(frozen=True)
class UsageSample:
    """Use of both processes at one instant; the server's is None for an external server.

    ``busy_s`` is the CPU time of all cores of this machine, None where it is unknown.
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
    intervals: Sequence[Interval] = ()

    @property
    def measured_s(self) -> float:
        """The measured time; 0 where it was too short for rates."""
        wall_s = self.after.swarm.at_s - self.before.swarm.at_s
        return wall_s if wall_s >= _MIN_WINDOW_S else 0.0


def metrics(plan: Plan, ledger: Ledger, window: WindowResult) -> dict[str, Metric]:
    """Return every metric; those without samples have no values."""
    records = ledger.join_records.values()
    histograms = window.figures.histograms
    joined = [float(one.connected_ns is not None) for one in records]
    joined += [0.0] * (len(plan.bots) - len(joined))  # bots that were not started
    arrived = [1.0] * ledger.tracks + [0.0] * max(0, plan.tracks - ledger.tracks)
    return {
        "joins": metric_of_values(joined, "ratio"),
        "tracks": metric_of_values(arrived, "ratio"),
        "join_ms": metric_of_values(ledger.join_ms(), "ms"),
        "join_signalling_ms": metric_of_values(ledger.signalling_ms(), "ms"),
        "join_ice_ms": metric_of_values(_known(one.ice_ms for one in records), "ms"),
        "join_dtls_ms": metric_of_values(_known(one.dtls_ms for one in records), "ms"),
        "ttff_ms": metric_of_values(ledger.ttff_ms(), "ms"),
        "e2e_frame_ms": metric_of_histograms([histograms.e2e_frame]),
        "e2e_delta_ms": metric_of_histograms([histograms.e2e_delta]),
        "e2e_keyframe_ms": metric_of_histograms([histograms.e2e_keyframe]),
        "rtt_ms": metric_of_histograms([histograms.rtt]),
        "layer_switch_ms": metric_of_values(ledger.switch_waits_ms, "ms"),
        "layer_switches": _switches(ledger, window.figures.streams, window),
        "bitrate_out": _sent(plan, window),
        **of_streams(window.figures.streams, window),
    }


def of_streams(streams: Sequence[StreamFigures], window: WindowResult) -> dict[str, Metric]:
    """Return the metrics of received streams; ``avg`` of a ratio is over all packets."""
    video = [stream for stream in streams if stream.kind == "video" and stream.playing_ms]
    return {
        "jitter_ms": metric_of_values(_known(stream.jitter_ms for stream in streams), "ms"),
        "loss_raw": _ratios((one.packets_lost_raw, one.packets_expected) for one in streams),
        "loss_after_rtx": _repaired(streams),
        "loss_after_rtx_video": _repaired(one for one in streams if one.kind == "video"),
        "loss_after_rtx_audio": _repaired(one for one in streams if one.kind == "audio"),
        "freeze_est": _ratios((one.frozen_ms, one.playing_ms) for one in video),
        "longest_gap_ms": metric_of_values((one.longest_gap_ms for one in video), "ms"),
        "bitrate_in": metric_of_values(
            _known(_rate_bps(one.bytes_received, window) for one in streams), "bit/s"
        ),
    }


def _repaired(streams: Iterable[StreamFigures]) -> Metric:
    return _ratios((one.packets_lost_after_rtx, one.packets_expected) for one in streams)


def _ratios(parts: Iterable[tuple[float, float]]) -> Metric:
    known = [(part, whole) for part, whole in parts if whole]
    total = sum(whole for _, whole in known)
    average = sum(part for part, _ in known) / total if total else None
    return metric_of_values((part / whole for part, whole in known), "ratio", average=average)


def _switches(ledger: Ledger, streams: Sequence[StreamFigures], window: WindowResult) -> Metric:
    start_ns, end_ns = (
        round(sample.swarm.at_s * _NS_PER_S) for sample in (window.before, window.after)
    )
    return metric_of_values(
        (
            float(ledger.changes_within(one.stream, start_ns, end_ns))
            for one in streams
            if one.kind == "video"
        ),
        "count",
    )


def _sent(plan: Plan, window: WindowResult) -> Metric:
    """Return the bitrate of publishers, as average only."""
    publishers = sum(bot.sends for bot in plan.bots)
    sent_bps = _rate_bps(window.figures.totals.bytes_sent, window)
    if sent_bps is None or not publishers:
        return Metric(unit="bit/s", count=0)
    return Metric(unit="bit/s", count=publishers, avg=sent_bps / publishers)


def groups(plan: Plan, ledger: Ledger, window: WindowResult) -> dict[str, dict[str, Metric]]:
    """Return the metrics of impaired and of other bots, if some are impaired."""
    impaired = {bot.index + 1 for bot in plan.bots if bot.impaired}
    if not impaired:
        return {}
    streams = window.figures.streams
    parts = {
        "impaired": [one for one in streams if one.bot in impaired],
        "free": [one for one in streams if one.bot not in impaired],
    }
    return {name: _group(part, ledger, window) for name, part in parts.items()}


def _group(
    streams: Sequence[StreamFigures], ledger: Ledger, window: WindowResult
) -> dict[str, Metric]:
    """Return the metrics of a group, with the percentile of each stream."""
    video = [one for one in streams if one.kind == "video"]
    window_ns = round(window.before.swarm.at_s * _NS_PER_S)
    return {
        **of_streams(streams, window),
        "stream_e2e_p99_ms": metric_of_values(
            _known(stream.e2e_frame.p99_ms for stream in video), "ms"
        ),
        "layer_switches": _switches(ledger, streams, window),
        "settled_ms": metric_of_values(
            _known(ledger.settled_ms(one.stream, window_ns) for one in video), "ms"
        ),
    }


def _rate_bps(size_bytes: int, window: WindowResult) -> float | None:
    """Return bytes of the window as bit/s; None where it was interrupted too early."""
    return size_bytes * 8 / window.measured_s if window.measured_s else None


def _known(values: Iterable[float | None]) -> list[float]:
    return [value for value in values if value is not None]
