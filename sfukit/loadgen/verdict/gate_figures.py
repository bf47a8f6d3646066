"""The figures of a load test that gates may name."""

from collections.abc import Mapping
from types import MappingProxyType

from sfukit import gates
from sfukit.gates import TEXT, Gate, Scope, Value
from sfukit.loadgen.result.report import (
    AGGREGATES,
    LOW_AGGREGATES,
    LOW_UNITS,
    METRICS,
    Metric,
    Saturation,
    ServerUse,
    SwarmUse,
    Unit,
)

# Metrics of clients and of their streams; the others are measured over all clients.
SCOPED = (
    "joins",
    "tracks",
    "join_ms",
    "ttff_ms",
    "e2e_frame_ms",
    "jitter_ms",
    "late_frames",
    "late_frames_libwebrtc",
    "loss_raw",
    "loss_after_rtx",
    "loss_after_rtx_video",
    "loss_after_rtx_audio",
    "freeze_est",
    "longest_gap_ms",
    "quality",
    "bitrate_in",
    "handovers",
    "handover_gap_ms",
    "handover_ice_ms",
)
SCOPES = {"room": SCOPED, "group": SCOPED}

_SERVER_UNITS = {
    "cpu_s": "s",
    "rss_bytes": "bytes",
    "packets_received": "",
    "packets_sent": "",
    "packets_retransmitted": "",
    "cpu_us_per_packet": "us",
    "cpu_us_per_packet_in_out": "us",
    "busiest_thread": "ratio",
}
_GENERATOR_UNITS = {"cpu_s": "s", "socket_drops": "", "unsent": "", "busiest_thread": "ratio"}


def parse(text: str) -> Gate:
    """Parse a gate of a load test."""
    return gates.parse(text, catalogue(), scopes=SCOPES)


def catalogue() -> dict[str, str]:
    """Return the paths that a gate may name, with their units."""
    paths = {"saturation.side": TEXT, **metric_paths(METRICS)}
    paths |= {f"server.{name}": unit for name, unit in _SERVER_UNITS.items()}
    paths |= {f"generator.{name}": unit for name, unit in _GENERATOR_UNITS.items()}
    return paths


def figures(
    metrics: Mapping[str, Metric],
    server: ServerUse | None,
    generator: SwarmUse | None,
    saturation: Saturation,
    scoped: Mapping[Scope, Mapping[str, Metric]] = MappingProxyType({}),
) -> dict[str, Value]:
    """Return the value of every path; the bare name of a metric is its ``avg``."""
    found: dict[str, Value] = {"saturation.side": saturation.side, **metric_values(metrics)}
    for scope, figures_of in scoped.items():
        found |= metric_values(figures_of, f"[{scope}]")
    for prefix, use, names in (
        ("server", server, _SERVER_UNITS),
        ("generator", generator, _GENERATOR_UNITS),
    ):
        found |= {f"{prefix}.{name}": getattr(use, name, None) for name in names}
    return found


def metric_paths(metrics: Mapping[str, Unit]) -> dict[str, str]:
    """Return the paths of metrics that a gate may name, with their units."""
    paths: dict[str, str] = {}
    for name, unit in metrics.items():
        kept_in = "" if unit in ("count", "score") else unit
        paths[name] = kept_in
        paths[f"{name}.count"] = ""
        paths |= {f"{name}.{aggregate}": kept_in for aggregate in _aggregates(unit)}
    return paths


def metric_values(metrics: Mapping[str, Metric], scope: str = "") -> dict[str, Value]:
    """Return the value of every path of metrics; the bare name of a metric is its ``avg``."""
    found: dict[str, Value] = {}
    for name, metric in metrics.items():
        found[f"{name}{scope}"] = metric.avg
        found[f"{name}{scope}.count"] = metric.count
        for aggregate in _aggregates(metric.unit):
            found[f"{name}{scope}.{aggregate}"] = getattr(metric, aggregate)
    return found


def _aggregates(unit: Unit) -> tuple[str, ...]:
    return LOW_AGGREGATES if unit in LOW_UNITS else AGGREGATES
