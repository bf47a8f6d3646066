"""The text of a load test report, for a run that ended and for a saved one."""

from collections.abc import Sequence

import msgspec

from sfukit import gates, units
from sfukit.cli import load_table, loadtest_rfc8867, metric_table
from sfukit.cli.error_lines import error_lines
from sfukit.cli.metric_table import gates_on, in_brackets, table
from sfukit.cli.output import LOADTEST_LABEL, labelled
from sfukit.loadgen import endpoints
from sfukit.loadgen.reports import conditions, sentences
from sfukit.loadgen.result.report import (
    EncodingUse,
    LoadtestReport,
    RateLimited,
    Saturation,
    ServerUse,
    Stage,
    SwarmUse,
    Worst,
)

_ROWS = (
    ("join", "join_ms"),
    ("first frame", "ttff_ms"),
    ("frame delay", "e2e_frame_ms"),
    ("round trip", "rtt_ms"),
    ("queue", "queue_ms"),
    ("jitter", "jitter_ms"),
    ("handover gap", "handover_gap_ms"),
    ("playout delay", "playout_delay_libwebrtc_ms"),
)
_VERDICT = 8


def render_saved(saved: bytes) -> list[str]:
    """Return the lines of a saved report."""
    return whole_lines(msgspec.json.decode(saved, type=LoadtestReport))


def whole_lines(report: LoadtestReport) -> list[str]:
    """Return the lines of a report with those that a run prints before it ends."""
    return [
        opening_line(report),
        f"{'plan':<{LOADTEST_LABEL}}{report.scenario.summary}",
        *([labelled("name", sentences.labels(report))] if sentences.labels(report) else []),
        *result_lines(report),
    ]


def opening_line(report: LoadtestReport) -> str:
    """Return the line with version, start and target."""
    return f"sfukit {report.version}  {report.started_at}  {sentences.target(report)}"


def result_lines(report: LoadtestReport) -> list[str]:
    """Return the verdict, the metrics with their gates, and the CPU use of both sides."""
    return [
        *verdict_lines(report),
        *shard_lines(report),
        *stage_lines(report.stages),
        *loadtest_rfc8867.lines(report.rfc8867),
        *table(_ROWS, report.metrics, report.gates),
        *_loss_line(report),
        *timing_lines(report),
        *_late_line(report),
        *_quality_line(report),
        *_decoded_line(report),
        *_other_gates(report),
        *media_lines(report),
        *join_lines(report),
        *side_lines(report),
        *worst_lines(report.worst[:1]),
        *error_lines(report.errors),
    ]


def verdict_lines(report: LoadtestReport) -> list[str]:
    """Return the verdict with its reasons."""
    word, outcome = sentences.word(report), sentences.outcome(report)
    return [
        f"{word:<{_VERDICT - 1}} {outcome}  (seed {report.seed})",
        *(f"{'':<{_VERDICT}}{reason}" for reason in report.reasons),
    ]


def shard_lines(report: LoadtestReport) -> list[str]:
    """Return the shards of a merged report."""
    return [labelled("shards", sentences.shards(report.merged))] if report.merged else []


def media_lines(report: LoadtestReport) -> list[str]:
    """Return the encodings that were not sent."""
    if not report.encodings.inactive:
        return []
    return [labelled("inactive", _inactive_text(report.encodings))]


def join_lines(report: LoadtestReport) -> list[str]:
    """Return what concerns joins: a shared endpoint, those that were delayed or tried again."""
    lines = []
    if shared := endpoints.note(report.target):
        lines.append(labelled("endpoint", shared))
    if report.rate_limited.requests:
        lines.append(labelled("limits", _limits_text(report.rate_limited)))
    found = (("relay", conditions.relay_of(report)), ("retries", conditions.retries(report)))
    return lines + [labelled(name, text) for name, text in found if text]


def timing_lines(report: LoadtestReport) -> list[str]:
    """Return what frame delays were measured by, where that is not the usual."""
    if not conditions.notable(report.frame_delay):
        return []
    return [labelled("frame delay", text) for text in conditions.frame_delay(report.frame_delay)]


def side_lines(report: LoadtestReport) -> list[str]:
    """Return the use of both sides, and whether the load generator was at its limit."""
    lines = []
    if report.server is not None:
        lines.append(labelled("server", _server_text(report.server)))
    if exchange := sentences.exchange(report):
        lines.append(labelled("pin", exchange))
    if report.generator is not None:
        lines.append(labelled("load generator", _swarm_text(report.generator, report.saturation)))
    return lines + [
        labelled("", text) for text in report.saturation.reasons if text not in report.reasons
    ]


def worst_lines(streams: Sequence[Worst]) -> list[str]:
    """Return the worst streams."""
    return [
        labelled("" if place else "worst", f"{sentences.stream(one)}: {sentences.worst(one)}")
        for place, one in enumerate(streams)
    ]


def stage_lines(stages: Sequence[Stage]) -> list[str]:
    """Return the stages as rows of a table."""
    rows = [
        load_table.row(
            f"{stage.number}  {units.show_duration(stage.duration_s)}",
            stage.clients,
            stage.verdict,
            stage.metrics,
            (stage.server, stage.generator),
            stage.gates,
        )
        for stage in stages
    ]
    return [load_table.head("stage"), *rows] if rows else []


def _limits_text(limited: RateLimited) -> str:
    each_s = limited.waited_s / limited.clients
    refused = f"; {limited.clients_refused} did not join" if limited.clients_refused else ""
    return (
        f"rate_limited, the target's policy: {limited.requests} requests of {limited.clients} "
        f"clients refused and retried, {each_s:.1f} s of backoff each{refused}"
    )


def _loss_line(report: LoadtestReport) -> list[str]:
    raw, repaired = report.metrics.get("loss_raw"), report.metrics.get("loss_after_rtx")
    if raw is None or repaired is None or not raw.count:
        return []
    text = f"{_percent(raw.avg)} before repair, {_percent(repaired.avg)} after"
    text += in_brackets(gates_on(report.gates, "loss_after_rtx"))
    freezes = report.metrics.get("freeze_est")
    if freezes is not None and freezes.count:
        text += f"   freezes {_percent(freezes.avg)}"
        text += in_brackets(gates_on(report.gates, "freeze_est"))
    return [labelled("loss", text)]


def _late_line(report: LoadtestReport) -> list[str]:
    """Return the frames that came after their playout time, by both jitter buffers."""
    names = ("late_frames_libwebrtc", "late_frames")
    found = [report.metrics.get(name) for name in names]
    if not all(metric is not None and metric.count for metric in found):
        return []
    libwebrtc, average = (_percent(metric.avg) for metric in found if metric is not None)
    gates_of = [text for name in names for text in gates_on(report.gates, name)]
    text = f"{libwebrtc} by libwebrtc's jitter buffer, {average} by the moving average"
    return [labelled("late frames", text + in_brackets(gates_of))]


def _quality_line(report: LoadtestReport) -> list[str]:
    """Return the quality score, and the estimated opinion score of audio."""
    parts = []
    for name, label in (("quality", ""), ("mos_audio_est", "audio (estimated MOS) ")):
        metric = report.metrics.get(name)
        if metric is not None and metric.count:
            bounds = in_brackets(gates_on(report.gates, name))
            parts.append(f"{label}{metric.avg:.3g}, p5 {metric.p5:.3g}{bounds}")
    return [labelled("quality", "   ".join(parts))] if parts else []


def _decoded_line(report: LoadtestReport) -> list[str]:
    """Return what the decoder found of the sampled streams, and why it has not seen some."""
    psnr, ssim, lossless = (
        report.metrics.get(name) for name in ("psnr", "ssim", "lossless_frames")
    )
    lines = []
    if psnr is not None and psnr.count and ssim is not None and lossless is not None:
        parts = [
            f"{_percent(lossless.avg)} of {psnr.count:,} frames identical to the clip",
            f"PSNR {gates.show(psnr.avg, 'dB')}",
            f"SSIM {ssim.avg:.4f}",
        ]
        bounds = in_brackets(
            [
                one
                for name in ("lossless_frames", "psnr", "ssim")
                for one in gates_on(report.gates, name)
            ]
        )
        lines.append(labelled("decoded", ", ".join(parts) + bounds))
    unsampled = sum(one.unsampled for one in report.decoded)
    if unsampled:
        lines.append(labelled("", f"{unsampled:,} frames were not kept for the decoder"))
    lines += [
        labelled("", f"{one.room} {one.bot} of {one.source} not decoded: {one.fault}")
        for one in report.decoded
        if one.fault
    ]
    return lines


def _other_gates(report: LoadtestReport) -> list[str]:
    """Return the gates on what no other line shows: rooms, groups, the server."""
    elsewhere = {"joins", "tracks", "loss_after_rtx", "freeze_est", *(path for _, path in _ROWS)}
    elsewhere |= {"late_frames", "late_frames_libwebrtc", "quality", "mos_audio_est"}
    elsewhere |= {"psnr", "ssim", "lossless_frames"}
    return [
        labelled(
            "gate", f"{gate.gate}: {gates.show(gate.value, gate.unit)}  {metric_table.mark(gate)}"
        )
        for gate in report.gates
        if gate.path.partition(".")[0] not in elsewhere
    ]


def _inactive_text(encodings: EncodingUse) -> str:
    return (
        f"{encodings.inactive:,} of {encodings.published:,} encodings, without subscribers "
        "(dynacast; --unwatched send keeps all active)"
    )


def _server_text(server: ServerUse) -> str:
    per_packet = gates.show(server.cpu_us_per_packet, "us")
    sent_bps = server.bytes_sent * 8 / server.wall_s
    return (
        f"{server.cpu_s / server.wall_s:.2f} core, {per_packet} per forwarded packet, "
        f"{units.show_size(server.rss_bytes)}, {units.show_bitrate(sent_bps)} out"
    )


def _swarm_text(swarm: SwarmUse, saturation: Saturation) -> str:
    drops = "unknown" if swarm.socket_drops is None else f"{swarm.socket_drops:,}"
    limited = saturation.side in ("swarm", "shared")
    state = "saturated, the server may be better than these figures" if limited else "not saturated"
    return (
        f"{swarm.cpu_s / swarm.wall_s:.2f} core, lag p99 {gates.show(swarm.lag_ms.p99, 'ms')}, "
        f"{drops} socket drops: {state}"
    )


def _percent(value: float | None) -> str:
    return gates.show(value, "ratio")
