"""The JSON of ``sfukit loadtest --scenario signaling``.

Its schema is published in docs/schema/loadtest-signaling.json.
"""

from typing import Any

import msgspec

from sfukit import report
from sfukit.gates import TEXT, GateResult, Value
from sfukit.loadgen.result.report import Environment, Fault, Saturation, Target
from sfukit.loadgen.signaling_load.recorder import STAGES
from sfukit.report import Envelope

COMMAND = "loadtest-signaling"
SCHEMA = report.schema_id(COMMAND)
AGGREGATES = ("avg", "p50", "p90", "p95", "p99", "max")
RATIOS = ("joins", "operations", "deliveries")
_SERVER_UNITS = {
    "cpu_s": "s",
    "cpu_cores": "",
    "cpu_ms_per_operation": "ms",
    "rss_bytes": "bytes",
    "busiest_thread": "ratio",
}
_GENERATOR_UNITS = {"cpu_s": "s", "cpu_cores": "", "busiest_thread": "ratio", "lag_ms.p99": "ms"}


class Latency(msgspec.Struct, frozen=True, kw_only=True):
    """A distribution in ms; the values are None where nothing was measured.

    ``hdr`` is its HdrHistogram, in microseconds, as that of the metrics of a load with media.
    """

    count: int
    avg: float | None = None
    p50: float | None = None
    p90: float | None = None
    p95: float | None = None
    p99: float | None = None
    max: float | None = None
    hdr: str | None = None


class Share(msgspec.Struct, frozen=True, kw_only=True):
    """Successful ones of all that were planned."""

    done: int
    planned: int

    @property
    def ratio(self) -> float | None:
        """The share, None without planned ones."""
        return self.done / self.planned if self.planned else None


class Load(msgspec.Struct, frozen=True, kw_only=True):
    """The planned load; ``call_s`` is the time from the join of a caller to its leave."""

    clients: int
    rooms: int
    rate_per_s: float
    ramp_per_s: float
    warmup_s: float
    duration_s: float
    callers: int
    call_s: float
    tokens: bool
    summary: str


class PhaseUse(msgspec.Struct, frozen=True, kw_only=True):
    """CPU time of the private server in one phase of the run, and per unit of its work.

    The phases: ``connect`` (WebSocket upgrades), ``audience`` (joins without an offer),
    ``warm-up`` and ``operations``.
    """

    phase: str
    work: str
    count: int
    wall_s: float
    cpu_s: float
    cpu_ms_each: float | None


class ServerUse(msgspec.Struct, frozen=True, kw_only=True):
    """Use of the private server: all its threads, in the measured window."""

    wall_s: float
    cpu_s: float
    cpu_cores: float
    cpu_ms_per_operation: float | None
    rss_bytes: int
    run_queue_wait_s: float | None
    busiest_thread: float
    phases: list[PhaseUse]


class GeneratorUse(msgspec.Struct, frozen=True, kw_only=True):
    """Use of the load generator in the window; ``lag_ms``: requests after their planned time."""

    wall_s: float
    cpu_s: float
    cpu_cores: float
    rss_bytes: int
    run_queue_wait_s: float | None
    busiest_thread: float
    lag_ms: Latency


class ProfileEntry(msgspec.Struct, frozen=True, kw_only=True):
    """CPU time of the server's main thread in one kind of work; ``share`` of all samples."""

    work: str
    share: float
    cpu_s: float
    functions: list[str]


class Profile(msgspec.Struct, frozen=True, kw_only=True):
    """CPU profile of the private server's main thread in the measured window.

    ``longest_collection_ms`` is the longest pause for garbage collection.
    """

    samples: int
    cpu_s: float
    longest_collection_ms: float
    entries: list[ProfileEntry]


class RateLimited(msgspec.Struct, frozen=True, kw_only=True):
    """Requests that the target refused by its rate limit: policy, not a failure."""

    requests: int
    clients: int


class SignalingReport(Envelope, kw_only=True, frozen=True):
    """One signaling load."""

    started_at: str
    seed: int
    interrupted: bool
    reasons: list[str]
    target: Target
    load: Load
    environment: Environment
    gates: list[GateResult]
    shares: dict[str, Share]
    metrics: dict[str, Latency]
    server: ServerUse | None
    generator: GeneratorUse | None
    saturation: Saturation
    rate_limited: RateLimited
    profile: Profile | None = None
    errors: list[Fault]


def schema() -> dict[str, Any]:
    """Return the JSON Schema of a report."""
    return report.schema(SignalingReport)


def catalogue() -> dict[str, str]:
    """Return the paths that a gate may name, with their units."""
    paths = {"saturation.side": TEXT, "rate_limited.requests": ""}
    paths |= dict.fromkeys(RATIOS, "ratio")
    for stage in STAGES:
        paths[stage] = "ms"
        paths[f"{stage}.count"] = ""
        paths |= {f"{stage}.{aggregate}": "ms" for aggregate in AGGREGATES}
    paths |= {f"server.{name}": unit for name, unit in _SERVER_UNITS.items()}
    paths |= {f"generator.{name}": unit for name, unit in _GENERATOR_UNITS.items()}
    return paths


def figures(
    shares: dict[str, Share],
    metrics: dict[str, Latency],
    server: ServerUse | None,
    generator: GeneratorUse | None,
    saturation: Saturation,
    rate_limited: RateLimited,
) -> dict[str, Value]:
    """Return the value of every path; the bare name of a stage is its ``avg``."""
    found: dict[str, Value] = {
        "saturation.side": saturation.side,
        "rate_limited.requests": rate_limited.requests,
    }
    found |= {name: share.ratio for name, share in shares.items()}
    for stage, latency in metrics.items():
        found[stage] = latency.avg
        found[f"{stage}.count"] = latency.count
        found |= {f"{stage}.{name}": getattr(latency, name) for name in AGGREGATES}
    found |= {f"server.{name}": getattr(server, name, None) for name in _SERVER_UNITS}
    found |= {
        f"generator.{name}": getattr(generator, name, None)
        for name in _GENERATOR_UNITS
        if "." not in name
    }
    found["generator.lag_ms.p99"] = None if generator is None else generator.lag_ms.p99
    return found
