"""The JSON of ``sfukit latency``; its schema is published in docs/schema/latency.json."""

from collections.abc import Mapping

import msgspec

from sfukit import report
from sfukit.gates import GateResult, Value
from sfukit.loadgen.latency.options import Ends
from sfukit.loadgen.result.report import Fault, Metric, RelayUse, Target, Unit
from sfukit.loadgen.verdict.gate_figures import metric_paths, metric_values
from sfukit.report import Envelope
from sfukit.swarm.impairment import Impairment

SCHEMA = report.schema_id("latency")

# For ratios `avg` is over all packets; percentiles are over intervals, as those of
# `sfu_residence_ms`, `jitter_ms` and bitrates.
METRICS: dict[str, Unit] = {
    "e2e_frame_ms": "ms",
    "e2e_delta_ms": "ms",
    "e2e_keyframe_ms": "ms",
    "rtt_pub_ms": "ms",
    "rtt_sub_ms": "ms",
    "sfu_residence_ms": "ms",
    "jitter_ms": "ms",
    "loss_raw": "ratio",
    "loss_after_rtx": "ratio",
    "bitrate_in": "bit/s",
    "bitrate_out": "bit/s",
}
_CLOCK_PATHS = ("clock.offset_ms", "clock.uncertainty_ms")


class Sample(msgspec.Struct, frozen=True, kw_only=True):
    """One interval that ends ``at_s`` after the start of the window; None is unknown.

    ``e2e_frame_ms`` is the median of the interval, ``rtt_pub_ms`` and ``rtt_sub_ms`` are means.
    ``clock_uncertainty_ms`` bounds the error of delays between two processes.
    """

    at_s: float
    frames: int
    packets_received: int
    packets_expected: int
    packets_lost_raw: int
    packets_lost_after_rtx: int | None
    e2e_frame_ms: float | None
    e2e_frame_max_ms: float | None
    rtt_pub_ms: float | None
    rtt_sub_ms: float | None
    sfu_residence_ms: float | None
    jitter_ms: float | None
    bitrate_in: float | None
    bitrate_out: float | None
    clock_uncertainty_ms: float | None = None


class Clock(msgspec.Struct, frozen=True, kw_only=True):
    """The clock of the publisher's end against that of the subscriber's end.

    ``offset_ms`` is between the system clocks; frame delays are measured by monotonic clocks, with
    the same error: at most ``uncertainty_ms``, the largest of the window. ``frames_early`` arrived
    before their capture by the corrected clock, with a delay of 0.
    """

    offset_ms: float
    uncertainty_ms: float
    min_rtt_ms: float
    drift_ppm: float | None
    exchanges: int
    frames_early: int


class Media(msgspec.Struct, frozen=True, kw_only=True):
    """The media sent, and the impairment of both ends."""

    codec: str
    encoding: str
    srtp_negotiated: dict[str, int]
    net_up: Impairment | None
    net_down: Impairment | None


class Generator(msgspec.Struct, frozen=True, kw_only=True):
    """The load of the measuring process: figures of a late or dropping one are not valid."""

    lag_ms: Metric
    socket_drops: int | None
    unsent: int
    saturated: list[str]


class Compared(msgspec.Struct, frozen=True, kw_only=True):
    """A metric by both engines; ``differs`` is None where either one is unknown."""

    metric: str
    native: Metric
    independent: Metric
    differs: bool | None


class Independent(msgspec.Struct, frozen=True, kw_only=True):
    """The same measurement by aiortc, after the native one.

    ``decoded_frame_ms`` is from the scheduled capture to the decoded frame, ``encode_ms`` from
    there to the first packet; ``e2e_frame_ms`` in ``compared`` is from the first packet sent to
    the last one received, without both codecs.
    """

    samples: list[Sample]
    encode_ms: Metric
    decoded_frame_ms: Metric
    late_ms: Metric
    compared: list[Compared]
    reasons: list[str]


class LatencyReport(Envelope, kw_only=True, frozen=True):
    """One run of ``sfukit latency``; ``unknown`` has the reason for each metric without values."""

    started_at: str
    ends: Ends
    interrupted: bool
    reasons: list[str]
    target: Target
    media: Media
    duration_s: float
    measured_s: float
    interval_s: float
    gates: list[GateResult]
    metrics: dict[str, Metric]
    unknown: dict[str, str]
    samples: list[Sample]
    clock: Clock | None
    generator: Generator | None
    errors: list[Fault]
    independent: Independent | None = None
    relay: RelayUse | None = None


def catalogue() -> dict[str, str]:
    """Return the paths that a gate may name, with their units."""
    return metric_paths(METRICS) | dict.fromkeys(_CLOCK_PATHS, "ms")


def figures(metrics: Mapping[str, Metric], clock: Clock | None) -> dict[str, Value]:
    """Return the value of every path."""
    of_clock = {
        path: None if clock is None else getattr(clock, path.removeprefix("clock."))
        for path in _CLOCK_PATHS
    }
    return metric_values(metrics) | of_clock
