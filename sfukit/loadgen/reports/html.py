"""The report of a load test as one self-contained page."""

from collections.abc import Iterator

from sfukit import gates, units
from sfukit.htmlreport import page as frame
from sfukit.htmlreport.elements import (
    State,
    Tile,
    badge,
    details,
    facts,
    listed,
    table,
    text,
    tiles,
)
from sfukit.htmlreport.page import Banner, Section
from sfukit.htmlreport.plots import figures
from sfukit.loadgen import endpoints
from sfukit.loadgen.reports import (
    conditions,
    links,
    participants,
    rfc8867,
    sentences,
    time_plots,
)
from sfukit.loadgen.result.report import LoadtestReport, Metric
from sfukit.units import show_bitrate, show_size

_ROWS = (
    ("join", "join_ms"),
    ("first frame", "ttff_ms"),
    ("frame delay", "e2e_frame_ms"),
    ("frame delay of delta frames", "e2e_delta_ms"),
    ("frame delay of keyframes", "e2e_keyframe_ms"),
    ("round trip", "rtt_ms"),
    ("jitter", "jitter_ms"),
    ("handover gap", "handover_gap_ms"),
    ("TURN allocation", "turn_allocate_ms"),
    ("handover, ICE", "handover_ice_ms"),
    ("playout delay, moving average", "playout_delay_ms"),
    ("playout delay, libwebrtc", "playout_delay_libwebrtc_ms"),
    ("late frames, moving average", "late_frames"),
    ("late frames, libwebrtc", "late_frames_libwebrtc"),
    ("layer switch", "layer_switch_ms"),
    ("loss before repair", "loss_raw"),
    ("loss after repair", "loss_after_rtx"),
    ("frozen (estimated)", "freeze_est"),
    ("longest gap", "longest_gap_ms"),
    ("wait at a bottleneck, downlinks", "queue_ms"),
    ("dropped at a full queue, downlinks", "queue_drops"),
    ("quality score", "quality"),
    ("opinion score of audio (estimated)", "mos_audio_est"),
    ("PSNR of decoded frames, at most 60 dB", "psnr"),
    ("SSIM of decoded frames", "ssim"),
    ("frames identical to the clip", "lossless_frames"),
    ("bitrate of a received stream", "bitrate_in"),
    ("bitrate of a publisher", "bitrate_out"),
)
_VERDICTS: dict[str | None, State] = {"pass": "ok", "fail": "bad"}
_STATES: dict[bool | None, State] = {True: "ok", False: "bad", None: "warn"}


def page(report: LoadtestReport) -> str:
    """Return the page."""
    sections = [
        Section("Gates", _gates(report)),
        Section("Shards", _shards(report)),
        Section("At a glance", _glance(report)),
        Section("Over time", figures(time_plots.plots(report))),
        *([Section("Impaired links", links.section(report))] if report.links else []),
        *([Section("RFC 8867", rfc8867.section(report.rfc8867))] if report.rfc8867 else []),
        Section("Participants", participants.section(report)),
        Section("Worst streams", _worst(report)),
        Section("Decoded streams", _decoded(report)),
        Section("Load generator", _generator(report)),
        Section("Figures", _figures(report)),
        Section("Errors", _errors(report)),
        Section("Run", _run(report)),
    ]
    name = f"{report.name}: load test" if report.name else "Load test"
    return frame.page(
        f"{name} of {sentences.target(report)}",
        f"{report.scenario.summary}; {report.started_at}, sfukit {report.version}",
        sections,
        Banner(
            sentences.word(report),
            sentences.state(report),
            f"{sentences.outcome(report)}, exit code {report.exit_code}",
            report.reasons,
        ),
    )


def _gates(report: LoadtestReport) -> str:
    rows = [
        [
            text(gate.gate),
            badge(sentences.mark(gate), _STATES[gate.ok]),
            text(gates.show(gate.value, gate.unit)),
            text("default" if gate.default else "given"),
        ]
        for gate in report.gates
    ]
    if not rows:
        return "<p>This run has no gates.</p>"
    return table("Gates", ["gate", "result", "value", "from"], rows)


def _shards(report: LoadtestReport) -> str:
    """Return the shards of a merged report, the absent ones too."""
    if report.merged is None:
        return ""
    rows = [
        [
            f"{part.index} of {report.merged.count}",
            badge(part.verdict or "absent", _VERDICTS.get(part.verdict, "warn")),
            "unknown" if part.clients is None else f"{part.clients:,}",
            text("; ".join([*part.reasons, part.note])),
        ]
        for part in report.merged.parts
    ]
    return table("Shards", ["shard", "by itself", "clients", "notes"], rows)


def _glance(report: LoadtestReport) -> str:
    metrics, planned = report.metrics, sentences.load(report)
    parts = [
        Tile("joined", sentences.share(metrics.get("joins"), planned.clients), _join_note(report)),
        Tile("tracks", sentences.share(metrics.get("tracks"), planned.tracks)),
        *_percentile_tile("frame delay p95", metrics.get("e2e_frame_ms"), report),
        *_ratio_tile("loss after repair", metrics.get("loss_after_rtx"), report),
        *_ratio_tile("frozen", metrics.get("freeze_est"), report),
    ]
    server = report.server
    if server is not None:
        parts.append(
            Tile(
                "server CPU",
                f"{server.cpu_s / server.wall_s:.2f} cores",
                f"{gates.show(server.cpu_us_per_packet, 'us')} per forwarded packet",
            )
        )
        parts.append(
            Tile(
                "server memory",
                show_size(server.rss_bytes),
                f"{show_bitrate(server.bytes_sent * 8 / server.wall_s)} sent",
            )
        )
    trusted = sentences.trusted(report)
    parts.append(
        Tile("load generator", "trusted" if trusted else "not trusted", state=_STATES[trusted])
    )
    return tiles(parts)


def _join_note(report: LoadtestReport) -> str:
    joins = report.metrics.get("join_ms")
    return f"p95 {gates.show(joins.p95, 'ms')}" if joins and joins.count else ""


def _percentile_tile(name: str, metric: Metric | None, report: LoadtestReport) -> Iterator[Tile]:
    if metric is not None and metric.count:
        note = f"p50 {gates.show(metric.p50, 'ms')}, p99 {gates.show(metric.p99, 'ms')}"
        judged = _judged(report, "e2e_frame_ms")
        yield Tile(name, gates.show(metric.p95, "ms"), note, judged)
    elif report.frame_delay is not None and report.frame_delay.reasons:
        judged = _judged(report, "e2e_frame_ms")
        yield Tile(name, "unknown", report.frame_delay.reasons[0], judged)


def _ratio_tile(name: str, metric: Metric | None, report: LoadtestReport) -> Iterator[Tile]:
    if metric is not None and metric.count:
        path = "freeze_est" if name == "frozen" else "loss_after_rtx"
        note = f"worst {gates.show(metric.max, 'ratio')}"
        yield Tile(name, gates.show(metric.avg, "ratio"), note, _judged(report, path))


def _judged(report: LoadtestReport, metric: str) -> State:
    """Return the worst result of the gates on a metric."""
    results = [gate.ok for gate in report.gates if gate.path.partition(".")[0] == metric]
    for result in (False, None, True):
        if result in results:
            return _STATES[result]
    return "none"


def _worst(report: LoadtestReport) -> str:
    rows = [[text(sentences.stream(one)), text(sentences.worst(one))] for one in report.worst]
    return table("Worst streams", ["stream", "figure"], rows) if rows else ""


def _decoded(report: LoadtestReport) -> str:
    """Return the sampled streams that were decoded; nothing without any."""
    rows = [
        [
            text(f"{one.room} {one.bot} of {one.source}"),
            f"{one.frames:,}",
            f"{one.lossless:,}",
            f"{one.repeated:,}",
            text(gates.show(one.psnr, "dB")),
            text("unknown" if one.ssim is None else f"{one.ssim:.4f}"),
            text(one.fault or (f"{one.unsampled:,} frames not kept" if one.unsampled else "")),
        ]
        for one in report.decoded
    ]
    head = ["stream", "frames", "identical", "repeated", "PSNR", "SSIM", "note"]
    return table("Decoded streams", head, rows) if rows else ""


def _generator(report: LoadtestReport) -> str:
    state: State = "ok" if sentences.trusted(report) else "warn"
    word = "trusted" if state == "ok" else "not trusted"
    sentence = f"<p>{badge(word, state)} {text(sentences.health(report))}.</p>"
    use = report.generator
    if use is None:
        return sentence
    waited = "unknown" if use.run_queue_wait_s is None else f"{use.run_queue_wait_s:.2f} s"
    return sentence + facts(
        [
            ("CPU", f"{use.cpu_s / use.wall_s:.2f} cores over {use.wall_s:.0f} s"),
            ("busiest thread", f"{use.busiest_thread:.0%} of a core"),
            ("run queue wait", waited),
            ("lag behind plan", f"p99 {gates.show(use.lag_ms.p99, 'ms')}"),
            ("socket drops", sentences.drops(use)),
            ("packets not sent", f"{use.unsent:,}"),
            ("packets", f"{use.packets_received:,} received, {use.packets_sent:,} sent"),
            ("memory", show_size(use.rss_bytes)),
        ]
    )


def _figures(report: LoadtestReport) -> str:
    shown = [(name, report.metrics.get(path)) for name, path in _ROWS]
    rows = [_metric_row(name, metric) for name, metric in shown if metric and metric.count]
    head = ["metric", "mean", "p50", "p95", "p99", "highest", "values"]
    return table("Figures", head, rows) if rows else ""


def _metric_row(name: str, metric: Metric) -> list[str]:
    figures_shown = (metric.avg, metric.p50, metric.p95, metric.p99, metric.max)
    cells = [gates.show(one, metric.unit) if one is not None else "-" for one in figures_shown]
    return [text(name), *map(text, cells), f"{metric.count:,}"]


def _errors(report: LoadtestReport) -> str:
    rows = [
        [text(fault.code), f"{fault.count:,}", text(fault.first), text(fault.message)]
        for fault in report.errors
    ]
    return table("Errors", ["code", "count", "first", "message"], rows) if rows else ""


def _run(report: LoadtestReport) -> str:
    scenario, environment = report.scenario, report.environment
    command = f"<pre>{text(report.command_line)}</pre>" if report.command_line else ""
    parts = facts(
        [
            ("target", f"{report.target.url} ({report.target.kind})"),
            *([("endpoint", shared)] if (shared := endpoints.note(report.target)) else []),
            *report.tags.items(),
            *conditions.rows(report),
            *([("shards", sentences.shards(report.merged))] if report.merged else []),
            ("seed", str(report.seed)),
            ("scenario", f"{scenario.name}, {scenario.clients} clients in {scenario.rooms} rooms"),
            ("media", f"{scenario.codec}, {' / '.join(scenario.encodings) or 'no video'}"),
            ("pacing", scenario.pacing),
            ("SRTP", ", ".join(f"{n} x {name}" for name, n in scenario.srtp_negotiated.items())),
            (
                "timing",
                f"{units.show_duration(scenario.ramp_s)} ramp, "
                f"{units.show_duration(scenario.warmup_s)} warm-up, "
                f"{units.show_duration(scenario.duration_s)} measured",
            ),
            ("impaired clients", str(scenario.impaired_clients)),
            ("kernel", environment.kernel),
            ("CPU", f"{environment.cores} cores, {environment.cpu_model or 'unknown model'}"),
            ("pinning", sentences.exchange(report) or environment.placement.pin),
        ]
    )
    switches = [f"{count:,} layer switches: {reason}" for reason, count in report.switches.items()]
    return command + parts + (details("Layer switches", listed(switches)) if switches else "")
