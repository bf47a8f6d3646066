"""What a run measured, metric by metric."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sfukit.loadgen.figures import Figures, StreamFigures
from sfukit.loadgen.histogram import metric_of_histograms, metric_of_values
from sfukit.loadgen.ledger import Ledger
from sfukit.loadgen.processes import Reading
from sfukit.loadgen.result import Metric
from sfukit.loadgen.scenario import Plan
from sfukit.loadgen.server_process import Traffic
from sfukit.loadgen.verdict import TargetFault

_NS_PER_S = 1e9
_LEAST_WINDOW_S = 0.2


@dataclass(frozen=True)
class Look:
    """Both processes at one instant; the server's parts are None for a server elsewhere.

    ``busy_s`` is what all cores of this machine have worked, None where it is unknown.
    """

    swarm: Reading
    server: Reading | None
    traffic: Traffic | None
    busy_s: float | None


@dataclass(frozen=True, kw_only=True)
class Windowed:
    """What the window gave: looks at the start of the run and at both ends of the window."""

    first: Look
    before: Look
    after: Look
    figures_before: Figures
    figures: Figures
    target_fault: TargetFault | None
    interrupted: bool


def metrics(plan: Plan, ledger: Ledger, windowed: Windowed) -> dict[str, Metric]:
    """Fill in every metric; what was not measured has no figures."""
    attendance = ledger.attendance.values()
    histograms = windowed.figures.histograms
    joined = [float(one.connected_ns is not None) for one in attendance]
    joined += [0.0] * (len(plan.bots) - len(joined))  # those whose turn never came
    arrived = [1.0] * ledger.tracks + [0.0] * max(0, plan.tracks - ledger.tracks)
    return {
        "joins": metric_of_values(joined, "ratio"),
        "tracks": metric_of_values(arrived, "ratio"),
        "join_ms": metric_of_values(ledger.join_ms(), "ms"),
        "join_signalling_ms": metric_of_values(ledger.signalling_ms(), "ms"),
        "join_ice_ms": metric_of_values(_known(one.ice_ms for one in attendance), "ms"),
        "join_dtls_ms": metric_of_values(_known(one.dtls_ms for one in attendance), "ms"),
        "ttff_ms": metric_of_values(ledger.ttff_ms(), "ms"),
        "e2e_frame_ms": metric_of_histograms([histograms.e2e_frame]),
        "e2e_delta_ms": metric_of_histograms([histograms.e2e_delta]),
        "e2e_keyframe_ms": metric_of_histograms([histograms.e2e_keyframe]),
        "rtt_ms": metric_of_histograms([histograms.rtt]),
        "layer_switch_ms": metric_of_values(ledger.switch_waits_ms, "ms"),
        "layer_switches": _switches(ledger, windowed.figures.streams, windowed),
        "bitrate_out": _sent(plan, windowed),
        **_of_streams(windowed.figures.streams, windowed),
    }


def _of_streams(streams: Sequence[StreamFigures], windowed: Windowed) -> dict[str, Metric]:
    """Describe received streams; ratios have the ratio over all packets as their average."""
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
            _known(_rate_bps(one.bytes_received, windowed) for one in streams), "bit/s"
        ),
    }


def _repaired(streams: Iterable[StreamFigures]) -> Metric:
    return _ratios((one.packets_lost_after_rtx, one.packets_expected) for one in streams)


def _ratios(parts: Iterable[tuple[float, float]]) -> Metric:
    known = [(part, whole) for part, whole in parts if whole]
    total = sum(whole for _, whole in known)
    average = sum(part for part, _ in known) / total if total else None
    return metric_of_values((part / whole for part, whole in known), "ratio", average=average)


def _switches(ledger: Ledger, streams: Sequence[StreamFigures], windowed: Windowed) -> Metric:
    start_ns, end_ns = (
        round(look.swarm.at_s * _NS_PER_S) for look in (windowed.before, windowed.after)
    )
    return metric_of_values(
        (
            float(ledger.changes_within(one.stream, start_ns, end_ns))
            for one in streams
            if one.kind == "video"
        ),
        "count",
    )


def _sent(plan: Plan, windowed: Windowed) -> Metric:
    """Describe what publishers sent: only its average is counted."""
    publishers = sum(bot.sends for bot in plan.bots)
    sent_bps = _rate_bps(windowed.figures.totals.bytes_sent, windowed)
    if sent_bps is None or not publishers:
        return Metric(unit="bit/s", count=0)
    return Metric(unit="bit/s", count=publishers, avg=sent_bps / publishers)


def groups(plan: Plan, ledger: Ledger, windowed: Windowed) -> dict[str, dict[str, Metric]]:
    """Tell the bots with a bad network from the others, where there are both."""
    impaired = {bot.index + 1 for bot in plan.bots if bot.impaired}
    if not impaired:
        return {}
    streams = windowed.figures.streams
    parts = {
        "impaired": [one for one in streams if one.bot in impaired],
        "free": [one for one in streams if one.bot not in impaired],
    }
    return {name: _group(part, ledger, windowed) for name, part in parts.items()}


def _group(
    streams: Sequence[StreamFigures], ledger: Ledger, windowed: Windowed
) -> dict[str, Metric]:
    """Describe a group by its streams: of each its own percentile, never a mean of percentiles."""
    video = [one for one in streams if one.kind == "video"]
    window_ns = round(windowed.before.swarm.at_s * _NS_PER_S)
    return {
        **_of_streams(streams, windowed),
        "stream_e2e_p99_ms": metric_of_values(
            _known(stream.e2e_frame.p99_ms for stream in video), "ms"
        ),
        "layer_switches": _switches(ledger, streams, windowed),
        "settled_ms": metric_of_values(
            _known(ledger.settled_ms(one.stream, window_ns) for one in video), "ms"
        ),
    }


def _rate_bps(size_bytes: int, windowed: Windowed) -> float | None:
    """Spread bytes over the window; None where it was interrupted before it was one."""
    wall_s = windowed.after.swarm.at_s - windowed.before.swarm.at_s
    return size_bytes * 8 / wall_s if wall_s >= _LEAST_WINDOW_S else None


def _known(values: Iterable[float | None]) -> list[float]:
    return [value for value in values if value is not None]
