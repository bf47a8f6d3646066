"""The text of a signaling load report, for a run that ended and for a saved one."""

from collections.abc import Mapping

import msgspec

from sfukit import gates, units
from sfukit.cli.error_lines import error_lines
from sfukit.cli.output import LOADTEST_LABEL, labelled
from sfukit.gates import GateResult
from sfukit.loadgen.signaling_load.result import (
    GeneratorUse,
    Latency,
    PhaseUse,
    Profile,
    ProfileEntry,
    ServerUse,
    Share,
    SignalingReport,
)

_ROWS = (
    ("connect", "connect_ms"),
    ("TLS", "tls_ms"),
    ("upgrade", "upgrade_ms"),
    ("join, audience", "audience_join_ms"),
    ("join, offer", "join_ms"),
    ("leave", "leave_ms"),
    ("message", "message_ms"),
    ("delivery", "delivery_ms"),
    ("layer", "layer_ms"),
    ("re-offer", "reoffer_ms"),
    ("answer", "answer_ms"),
    ("all requests", "operation_ms"),
)
_VERDICT = 8
_CELL = 10
_MAX_FUNCTIONS = 3


def render_saved(saved: bytes) -> list[str]:
    """Return the lines of a saved report."""
    report = msgspec.json.decode(saved, type=SignalingReport)
    target = "a private SFU" if report.target.private else report.target.url
    return [
        f"sfukit {report.version}  {report.started_at}  {target}",
        labelled("plan", report.load.summary),
        *result_lines(report),
    ]


def result_lines(report: SignalingReport) -> list[str]:
    """Return the verdict, the latencies with their gates, and the CPU use of both sides."""
    lines = [_verdict_line(report)]
    lines += [f"{'':<{_VERDICT}}{reason}" for reason in report.reasons]
    lines += _table(report)
    if report.rate_limited.requests:
        limited = report.rate_limited
        lines.append(
            labelled(
                "limits",
                f"rate_limited, the target's policy: {limited.requests} requests of "
                f"{limited.clients} clients",
            )
        )
    if report.server is not None:
        lines.append(labelled("server", _server_text(report.server)))
        lines += [labelled("", _phase_text(phase)) for phase in report.server.phases]
    if report.generator is not None:
        lines.append(labelled("load generator", _generator_text(report.generator, report)))
    lines += [
        labelled("", text) for text in report.saturation.reasons if text not in report.reasons
    ]
    if report.profile is not None:
        lines += _profile_lines(report.profile)
    return lines + error_lines(report.errors)


def _verdict_line(report: SignalingReport) -> str:
    word = "INTERRUPTED" if report.interrupted else report.verdict.upper()
    parts = [_share_text(report.shares, "joins"), _share_text(report.shares, "operations")]
    parts.append(_share_text(report.shares, "deliveries"))
    if report.gates:
        held = sum(gate.ok is True for gate in report.gates)
        kind = "default " if all(gate.default for gate in report.gates) else ""
        parts.append(f"{held}/{len(report.gates)} {kind}gates")
    return f"{word:<{_VERDICT - 1}} {', '.join(parts)}  (seed {report.seed})"


def _share_text(shares: Mapping[str, Share], name: str) -> str:
    share = shares[name]
    return f"{share.done:,}/{share.planned:,} {name}"


def _table(report: SignalingReport) -> list[str]:
    rows = [(name, path, report.metrics[path]) for name, path in _ROWS]
    rows = [(name, path, latency) for name, path, latency in rows if latency.count]
    if not rows:
        return []
    head = "".join(f"{title:>{_CELL}}" for title in ("count", "p50", "p90", "p99", "max"))
    lines = [f"{'':<{LOADTEST_LABEL}}{head}   gate"]
    for name, path, latency in rows:
        judged = "; ".join(_gate_text(gate) for gate in _gates_on(report, path))
        lines.append(f"{name:<{LOADTEST_LABEL}}{_cells(latency)}   {judged}".rstrip())
    return lines


def _cells(latency: Latency) -> str:
    figures = (latency.p50, latency.p90, latency.p99, latency.max)
    cells = [f"{latency.count:,}", *(gates.show(figure, "ms") for figure in figures)]
    return "".join(f"{cell:>{_CELL}}" for cell in cells)


def _gates_on(report: SignalingReport, metric: str) -> list[GateResult]:
    return [gate for gate in report.gates if gate.path.partition(".")[0] == metric]


def _gate_text(gate: GateResult) -> str:
    aggregate = gate.path.partition(".")[2]
    mark = "unknown" if gate.ok is None else "ok" if gate.ok else "NOT MET"
    return f"{aggregate} {gate.op} {gates.show(gate.bound, gate.unit)}  {mark}".strip()


def _server_text(server: ServerUse) -> str:
    return (
        f"{server.cpu_cores:.2f} core, {gates.show(server.cpu_ms_per_operation, 'ms')} per "
        f"request, {units.show_size(server.rss_bytes)}"
    )


def _phase_text(phase: PhaseUse) -> str:
    return (
        f"{phase.phase:<12}{phase.count:>8,} {phase.work}: {phase.cpu_s:.2f} s CPU in "
        f"{units.show_duration(phase.wall_s)}, {gates.show(phase.cpu_ms_each, 'ms')} each"
    )


def _generator_text(use: GeneratorUse, report: SignalingReport) -> str:
    limited = report.saturation.side in ("swarm", "shared")
    state = "saturated, the server may be better than these figures" if limited else "not saturated"
    return (
        f"{use.cpu_cores:.2f} core, lag p99 {gates.show(use.lag_ms.p99, 'ms')}, "
        f"{units.show_size(use.rss_bytes)}: {state}"
    )


def _profile_lines(profile: Profile) -> list[str]:
    lines = [
        labelled(
            "server profile",
            f"{profile.cpu_s:.1f} s CPU of the main thread in {profile.samples:,} samples, "
            f"longest garbage collection {gates.show(profile.longest_collection_ms, 'ms')}",
        )
    ]
    return lines + [labelled("", _entry_text(entry)) for entry in profile.entries]


def _entry_text(entry: ProfileEntry) -> str:
    functions = ", ".join(entry.functions[:_MAX_FUNCTIONS])
    return f"{entry.share * 100:5.1f} %  {entry.cpu_s:6.2f} s  {entry.work:<24}{functions}"
