"""The text of a latency report, for a run that ended and for a saved one."""

from collections.abc import Collection

import msgspec

from sfukit import gates, units
from sfukit.cli import latency_engines
from sfukit.cli.error_lines import error_lines
from sfukit.cli.live_view import Row
from sfukit.cli.metric_table import gates_on, in_brackets, table
from sfukit.cli.output import labelled
from sfukit.loadgen.latency.result import Generator, LatencyReport, Sample
from sfukit.loadgen.reports import conditions

_ROWS = (
    ("frame delay", "e2e_frame_ms"),
    ("RTT publisher", "rtt_pub_ms"),
    ("RTT subscriber", "rtt_sub_ms"),
    ("SFU residence", "sfu_residence_ms"),
    ("jitter", "jitter_ms"),
)
_VERDICT = 8
_SYMMETRY = "SFU residence is frame delay - both RTTs / 2: both directions of a path are alike"


def render_saved(saved: bytes) -> list[str]:
    """Return the lines of a saved report."""
    report = msgspec.json.decode(saved, type=LatencyReport)
    target = "a private SFU" if report.target.private else report.target.url
    return [f"sfukit {report.version}  {report.started_at}  {target}", *result_lines(report)]


def result_lines(report: LatencyReport) -> list[str]:
    """Return the verdict, the metrics with their gates, and what is unknown."""
    lines = [_verdict_line(report)]
    lines += [f"{'':<{_VERDICT}}{reason}" for reason in report.reasons]
    lines += table(_ROWS, report.metrics, report.gates)
    lines += _unknown_lines(report) if report.samples else []
    lines += _loss_line(report)
    lines += _bitrate_line(report)
    if report.metrics["sfu_residence_ms"].count:
        lines.append(labelled("assumed", _SYMMETRY))
        lines += _asymmetry_line(report)
    lines += _clock_lines(report)
    lines += latency_engines.lines(report)
    if relayed := conditions.relay(report.relay, None, 0):
        lines.append(labelled("relay", relayed))
    if report.generator is not None:
        lines.append(labelled("load generator", _generator_text(report.generator)))
    told = " ".join(report.reasons)
    return lines + error_lines(fault for fault in report.errors if fault.message not in told)


def sample_line(sample: Sample) -> str:
    """Return one interval as one plain line."""
    if sample.bitrate_in is None:  # the subscriber is elsewhere
        sent = gates.show(sample.bitrate_out, "bit/s")
        return f"{sample.at_s:<6.3g}s RTT publisher {_ms(sample.rtt_pub_ms)}, {sent} sent"
    rtts = " + ".join(_ms(rtt) for rtt in (sample.rtt_pub_ms, sample.rtt_sub_ms))
    parts = [
        f"frame delay {_ms(sample.e2e_frame_ms)}",
        f"RTT {rtts}",
        f"residence {_ms(sample.sfu_residence_ms)}",
        f"jitter {_ms(sample.jitter_ms)}",
        f"loss {gates.show(loss(sample), 'ratio')}",
    ]
    return f"{sample.at_s:<6.3g}s {', '.join(parts)}"


def loss(sample: Sample) -> float | None:
    """Return the loss after repair of one interval."""
    if sample.packets_expected <= 0 or sample.packets_lost_after_rtx is None:
        return None
    return max(0.0, sample.packets_lost_after_rtx / sample.packets_expected)


def _ms(value: float | None) -> str:
    return "-" if value is None else gates.show(value, "ms")


def _verdict_line(report: LatencyReport) -> str:
    word = "INTERRUPTED" if report.interrupted else report.verdict.upper()
    parts = [f"{report.measured_s:.3g} s measured"]
    if report.ends != "publish":
        parts.append(f"{sum(sample.frames for sample in report.samples)} frames received")
    if report.gates:
        held = sum(gate.ok is True for gate in report.gates)
        parts.append(f"{held}/{len(report.gates)} gates")
    else:
        parts.append("no gates (-T adds one)")
    return f"{word:<{_VERDICT - 1}} {', '.join(parts)}"


def _unknown_lines(report: LatencyReport) -> list[str]:
    """Return the rows without values, those with a common reason in one line."""
    labels: dict[str, list[str]] = {}
    for label, name in _ROWS:
        if name in report.unknown:
            labels.setdefault(report.unknown[name], []).append(label)
    return [
        labelled(rows[0], f"unknown: {reason}")
        if len(rows) == 1
        else labelled("unknown", f"{', '.join(rows)}: {reason}")
        for reason, rows in labels.items()
    ]


def _loss_line(report: LatencyReport) -> list[str]:
    raw, repaired = report.metrics["loss_raw"], report.metrics["loss_after_rtx"]
    if not raw.count:
        return []
    judged = [*gates_on(report.gates, "loss_raw"), *gates_on(report.gates, "loss_after_rtx")]
    text = (
        f"{gates.show(raw.avg, 'ratio')} before repair, {gates.show(repaired.avg, 'ratio')} after"
    )
    return [labelled("loss", text + in_brackets(judged))]


def _bitrate_line(report: LatencyReport) -> list[str]:
    ends = (("sent", "bitrate_out"), ("received", "bitrate_in"))
    rates = [
        f"{units.show_bitrate(average)} {word}{in_brackets(gates_on(report.gates, name))}"
        for word, name in ends
        if (average := report.metrics[name].avg) is not None
    ]
    return [labelled("bitrate", ", ".join(rates))] if rates else []


def _asymmetry_line(report: LatencyReport) -> list[str]:
    """Return by how much an impairment of one direction shifts the residence."""
    net_up, net_down = report.media.net_up, report.media.net_down
    one_way = net_down if net_up is None else net_up if net_down is None else None
    added_ms = (one_way.delay_ms + one_way.jitter_ms / 2) / 2 if one_way is not None else 0.0
    if not added_ms:
        return []
    option = "--net-up" if net_down is None else "--net-down"
    too_high = gates.show(added_ms, "ms")
    return [labelled("", f"{option} delays one direction only: residence is {too_high} too high")]


def _clock_lines(report: LatencyReport) -> list[str]:
    """Return the offset between two hosts, and the error of frame delays that follows from it."""
    clock = report.clock
    if clock is None:
        return []
    bound = _decimals(clock.uncertainty_ms)
    drift = "" if clock.drift_ppm is None else f", drift {clock.drift_ppm:+.1f} ppm"
    lines = [
        f"publisher's {_decimals(clock.offset_ms, '+')} ms against this host, +- {bound} ms "
        f"({clock.exchanges} exchanges, shortest RTT {_decimals(clock.min_rtt_ms)} ms{drift})",
        f"frame delay and residence are +- {bound} ms by the clocks",
    ]
    if clock.frames_early:
        lines.append(f"{clock.frames_early} frames seemed to arrive before their capture")
    return [labelled("" if place else "clocks", line) for place, line in enumerate(lines)]


def _decimals(ms: float, sign: str = "") -> str:
    return f"{ms:{sign},.3f}"


def _generator_text(generator: Generator) -> str:
    drops = "unknown" if generator.socket_drops is None else f"{generator.socket_drops:,}"
    state = "; ".join(generator.saturated) or "not saturated"
    return f"lag p99 {gates.show(generator.lag_ms.p99, 'ms')}, {drops} socket drops: {state}"


def shown_rows(samples: Collection[Sample]) -> list[Row]:
    """Return the rows of the live view."""
    return [
        Row("frame delay", [one.e2e_frame_ms for one in samples], "ms"),
        Row("RTT publisher", [one.rtt_pub_ms for one in samples], "ms"),
        Row("RTT subscriber", [one.rtt_sub_ms for one in samples], "ms"),
        Row("SFU residence", [one.sfu_residence_ms for one in samples], "ms"),
        Row("jitter", [one.jitter_ms for one in samples], "ms"),
        Row("loss", [loss(one) for one in samples], "ratio"),
        Row("received", [one.bitrate_in for one in samples], "bit/s"),
        Row("sent", [one.bitrate_out for one in samples], "bit/s"),
    ]
