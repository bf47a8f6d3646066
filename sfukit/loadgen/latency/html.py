"""The report of a measurement as one self-contained page."""

from collections.abc import Mapping

import msgspec

from sfukit import gates
from sfukit.htmlreport import page as frame
from sfukit.htmlreport.elements import State, Tile, badge, facts, listed, table, text, tiles
from sfukit.htmlreport.page import Banner, Section
from sfukit.htmlreport.plots import Bound, Curve, Plot, figures
from sfukit.loadgen.latency import engines_html as engines
from sfukit.loadgen.latency.result import LatencyReport, Sample
from sfukit.loadgen.reports import conditions
from sfukit.loadgen.result.report import Metric

_LABELS: Mapping[str, str] = {
    "e2e_frame_ms": "frame delay",
    "e2e_delta_ms": "frame delay of delta frames",
    "e2e_keyframe_ms": "frame delay of keyframes",
    "rtt_pub_ms": "round trip of the publisher",
    "rtt_sub_ms": "round trip of the subscriber",
    "sfu_residence_ms": "SFU residence",
    "jitter_ms": "jitter",
    "loss_raw": "loss before repair",
    "loss_after_rtx": "loss after repair",
    "bitrate_in": "bitrate received",
    "bitrate_out": "bitrate sent",
}
_TILES = ("e2e_frame_ms", "rtt_pub_ms", "rtt_sub_ms", "sfu_residence_ms", "jitter_ms")
_STATES: Mapping[bool | None, State] = {True: "ok", False: "bad", None: "warn"}
_VERDICTS: Mapping[str, State] = {"pass": "ok", "fail": "bad", "inconclusive": "warn"}
_ASSUMED = (
    "SFU residence is the frame delay less half of both round trips: it assumes that both "
    "directions of a path take equally long."
)


def page(report: LatencyReport) -> str:
    """Return the page."""
    sections = [
        Section("At a glance", _glance(report)),
        Section("Over time", figures(_plots(report))),
        Section("Gates", _gates(report)),
        Section("Engines", engines.section(report, _LABELS)),
        Section("Figures", _figures(report)),
        Section("Unknown", _unknown(report)),
        Section("Clocks", _clocks(report)),
        Section("Errors", _errors(report)),
        Section("Run", _run(report)),
    ]
    target = "a private SFU" if report.target.private else report.target.url
    frames = sum(sample.frames for sample in report.samples)
    return frame.page(
        f"Latency through {target}",
        f"{report.started_at}, sfukit {report.version}",
        sections,
        Banner(
            "INTERRUPTED" if report.interrupted else report.verdict.upper(),
            _VERDICTS[report.verdict],
            f"{report.measured_s:.3g} s measured, {frames} frames received, "
            f"exit code {report.exit_code}",
            report.reasons,
        ),
    )


def saved_page(saved: bytes) -> str:
    """Return the page of a saved report."""
    return page(msgspec.json.decode(saved, type=LatencyReport))


def _glance(report: LatencyReport) -> str:
    shown = [(name, report.metrics[name]) for name in _TILES]
    parts = [_tile(report, name, metric) for name, metric in shown if metric.count]
    loss = report.metrics["loss_after_rtx"]
    if loss.count:
        note = f"{gates.show(report.metrics['loss_raw'].avg, 'ratio')} before repair"
        value = gates.show(loss.avg, "ratio")
        parts.append(Tile("loss after repair", value, note, _judged(report, "loss_after_rtx")))
    return tiles(parts) if parts else ""


def _tile(report: LatencyReport, name: str, metric: Metric) -> Tile:
    note = f"p95 {gates.show(metric.p95, 'ms')}, highest {gates.show(metric.max, 'ms')}"
    return Tile(_LABELS[name], gates.show(metric.p50, "ms"), note, _judged(report, name))


def _judged(report: LatencyReport, metric: str) -> State:
    """Return the worst result of the gates on a metric."""
    results = [gate.ok for gate in report.gates if gate.path.partition(".")[0] == metric]
    return next((_STATES[one] for one in (False, None, True) if one in results), "none")


def _plots(report: LatencyReport) -> list[Plot]:
    samples = report.samples
    if not samples:
        return []
    times = [sample.at_s for sample in samples]

    def curve(name: str, field: str) -> Curve:
        return Curve(name, [getattr(sample, field) for sample in samples])

    return [
        Plot(
            title="Frame delay and SFU residence",
            unit="ms",
            times_s=times,
            curves=[
                curve("frame delay", "e2e_frame_ms"),
                curve("highest frame delay", "e2e_frame_max_ms"),
                curve("SFU residence", "sfu_residence_ms"),
            ],
            bounds=_bounds(report, "e2e_frame_ms"),
            note=_ASSUMED,
        ),
        Plot(
            title="Round trips",
            unit="ms",
            times_s=times,
            curves=[curve("publisher", "rtt_pub_ms"), curve("subscriber", "rtt_sub_ms")],
        ),
        Plot(
            title="Jitter",
            unit="ms",
            times_s=times,
            curves=[curve("jitter", "jitter_ms")],
            bounds=_bounds(report, "jitter_ms"),
        ),
        Plot(
            title="Packet loss",
            unit="ratio",
            times_s=times,
            curves=[
                Curve("before repair", [_ratio(one, one.packets_lost_raw) for one in samples]),
                Curve("after repair", [_ratio(one, one.packets_lost_after_rtx) for one in samples]),
            ],
            bounds=_bounds(report, "loss_after_rtx"),
        ),
        Plot(
            title="Bitrate",
            unit="bit/s",
            times_s=times,
            curves=[curve("received", "bitrate_in"), curve("sent", "bitrate_out")],
            combine="mean",
            filled=True,
        ),
    ]


def _ratio(sample: Sample, lost: int | None) -> float | None:
    expected = sample.packets_expected
    return max(0.0, lost / expected) if expected > 0 and lost is not None else None


def _bounds(report: LatencyReport, metric: str) -> list[Bound]:
    return [
        Bound(f"gate {gate.gate.removeprefix(metric).lstrip('. ')}", gate.bound)
        for gate in report.gates
        if gate.path.partition(".")[0] == metric and isinstance(gate.bound, float)
    ]


def _gates(report: LatencyReport) -> str:
    words = {True: "ok", False: "NOT MET", None: "unknown"}
    rows = [
        [
            text(gate.gate),
            text(gates.show(gate.value, gate.unit)),
            badge(words[gate.ok], _STATES[gate.ok]),
        ]
        for gate in report.gates
    ]
    return table("Gates", ["gate", "value", "result"], rows) if rows else ""


def _figures(report: LatencyReport) -> str:
    rows = []
    for name, label in _LABELS.items():
        metric = report.metrics[name]
        values = (metric.avg, metric.p50, metric.p95, metric.p99, metric.max)
        cells = [gates.show(one, metric.unit) if one is not None else "-" for one in values]
        rows.append([text(label), *map(text, cells), f"{metric.count:,}"])
    return table("Figures", ["metric", "mean", "p50", "p95", "p99", "highest", "values"], rows)


def _unknown(report: LatencyReport) -> str:
    return listed(f"{_LABELS.get(name, name)}: {why}" for name, why in report.unknown.items())


def _clocks(report: LatencyReport) -> str:
    clock = report.clock
    if clock is None:
        return ""
    drift = "unknown" if clock.drift_ppm is None else f"{clock.drift_ppm:+.1f} ppm"
    return facts(
        [
            ("publisher's clock against this host", f"{clock.offset_ms:+,.3f} ms"),
            ("uncertainty of offset and frame delay", f"+- {clock.uncertainty_ms:.3f} ms"),
            ("shortest round trip of an exchange", f"{clock.min_rtt_ms:.3f} ms"),
            ("drift", drift),
            ("exchanges", f"{clock.exchanges:,}"),
            ("frames that seemed early", f"{clock.frames_early:,}"),
        ]
    )


def _errors(report: LatencyReport) -> str:
    rows = [
        [text(fault.code), f"{fault.count:,}", text(fault.first), text(fault.message)]
        for fault in report.errors
    ]
    return table("Errors", ["code", "count", "first", "message"], rows) if rows else ""


def _run(report: LatencyReport) -> str:
    media, generator = report.media, report.generator
    srtp = ", ".join(f"{count} x {name}" for name, count in media.srtp_negotiated.items())
    parts = [
        ("target", f"{report.target.url} ({report.target.kind})"),
        ("ends in this process", report.ends),
        ("media", f"{media.codec}, {media.encoding}"),
        ("SRTP", srtp or "nothing negotiated"),
        ("interval", f"{report.interval_s:g} s"),
    ]
    if relayed := conditions.relay(report.relay, None, 0):
        parts.append(("relay", relayed))
    if generator is not None:
        drops = "unknown" if generator.socket_drops is None else f"{generator.socket_drops:,}"
        state = "; ".join(generator.saturated) or "not saturated"
        lag = gates.show(generator.lag_ms.p99, "ms")
        parts.append(("load generator", f"lag p99 {lag}, {drops} socket drops: {state}"))
    return facts(parts)
