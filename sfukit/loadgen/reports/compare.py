"""Two load tests compared: which figures differ by more than noise.

A figure is worse where it moved in the wrong direction by more than the larger of its noise band
and the allowed regression. The noise band is what repeated runs of one server on an idle machine
differ by; it is stated beside each figure.
"""

from collections.abc import Mapping
from typing import Literal, NamedTuple

import msgspec

from sfukit import gates
from sfukit.gates import Gate, Operator, Value
from sfukit.loadgen.result.report import LoadtestReport, Scenario
from sfukit.loadgen.verdict.gate_figures import catalogue, figures

_LOAD = (
    "name",
    "clients",
    "rooms",
    "tracks",
    "codec",
    "encodings",
    "audio",
    "ramp_per_s",
    "srtp",
    "pacing",
    "unwatched",
    "impaired_clients",
    "net_up",
    "net_down",
    "handover_s",
    "phases",
)

Change = Literal["same", "better", "worse", "unknown"]


class Compared(NamedTuple):
    """One figure that is compared, its good direction, and its noise band.

    ``noise`` is in the figure's unit, ``noise_ratio`` a share of the earlier value; the larger
    one applies.
    """

    path: str
    good: Literal["low", "high"]
    noise: float
    noise_ratio: float = 0.05


COMPARED = (
    Compared("joins", "high", 0.0, 0.0),
    Compared("tracks", "high", 0.0, 0.0),
    Compared("join_ms.p95", "low", 20.0, 0.10),
    Compared("ttff_ms.p95", "low", 50.0, 0.10),
    Compared("e2e_frame_ms.p50", "low", 1.0),
    Compared("e2e_frame_ms.p95", "low", 3.0),
    Compared("e2e_frame_ms.p99", "low", 10.0, 0.10),
    Compared("rtt_ms.p95", "low", 1.0),
    Compared("jitter_ms.p95", "low", 2.0),
    Compared("loss_raw", "low", 0.001),
    Compared("loss_after_rtx", "low", 0.0005),
    Compared("freeze_est", "low", 0.002),
    Compared("bitrate_in", "high", 0.0),
    Compared("handover_gap_ms.p95", "low", 20.0, 0.10),
    Compared("server.cpu_us_per_packet", "low", 0.1, 0.10),
    Compared("server.rss_bytes", "low", 8 * 2**20, 0.10),
)


class Difference(NamedTuple):
    """One figure of both runs; ``allowed`` is how far it may get worse."""

    path: str
    unit: str
    before: Value
    after: Value
    noise: float | None
    allowed: float | None
    change: Change


def compare(
    before: LoadtestReport, after: LoadtestReport, max_regression: float
) -> list[Difference]:
    """Return every figure that one of the runs has."""
    earlier, later, units = _figures(before), _figures(after), catalogue()
    return [
        _difference(
            one, units[one.path], earlier.get(one.path), later.get(one.path), max_regression
        )
        for one in COMPARED
        if earlier.get(one.path) is not None or later.get(one.path) is not None
    ]


def load_differences(before: Scenario, after: Scenario) -> list[str]:
    """Return how two loads differ; their figures then say nothing about the server."""
    pairs = ((name, getattr(before, name), getattr(after, name)) for name in _LOAD)
    return [
        f"{name} {_shown(earlier)} and {_shown(later)}"
        for name, earlier, later in pairs
        if earlier != later
    ]


def swap_difference(before: bool, after: bool) -> list[str]:
    """Return how two runs differ where one of them swapped cores (``--pin exchange``)."""
    if before == after:
        return []
    return [f"cores swapped (--pin exchange) in the {'first' if before else 'second'} run alone"]


def baseline_gates(
    before: LoadtestReport, now: Mapping[str, Value], max_regression: float
) -> list[Gate]:
    """Return a gate for each figure of an earlier run: no worse than it by more than allowed.

    A figure that only one of the runs has is unknown, so that its gate is no pass.
    """
    earlier, units = _figures(before), catalogue()
    return [
        _gate(one, units[one.path], earlier[one.path], max_regression)
        for one in COMPARED
        if earlier[one.path] is not None or now[one.path] is not None
    ]


def _gate(one: Compared, unit: str, before: Value, max_regression: float) -> Gate:
    operator: Operator = "<=" if one.good == "low" else ">="
    if not isinstance(before, (float, int)):
        return Gate(one.path, operator, None, unit, note="baseline unknown")
    allowed = max(_noise(one, before), abs(before) * max_regression)
    bound = before + allowed if one.good == "low" else before - allowed
    return Gate(one.path, operator, bound, unit, note=f"baseline {gates.show(before, unit)}")


def _difference(
    one: Compared, unit: str, before: Value, after: Value, max_regression: float
) -> Difference:
    if not isinstance(before, (float, int)) or not isinstance(after, (float, int)):
        return Difference(one.path, unit, before, after, None, None, "unknown")
    noise = _noise(one, before)
    allowed = max(noise, abs(before) * max_regression)
    worse_by = after - before if one.good == "low" else before - after
    change: Change = "same"
    if worse_by > allowed:
        change = "worse"
    elif worse_by < -noise:
        change = "better"
    return Difference(one.path, unit, before, after, noise, allowed, change)


def _noise(one: Compared, before: float) -> float:
    return max(one.noise, abs(before) * one.noise_ratio)


def _figures(report: LoadtestReport) -> dict[str, Value]:
    return figures(report.metrics, report.server, report.generator, report.saturation)


def _shown(value: object) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
