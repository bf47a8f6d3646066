"""Measure by aiortc after the native engine, and compare both."""

import asyncio
from typing import TYPE_CHECKING

import msgspec

from sfukit.errors import ExitCode, MachineError
from sfukit.loadgen.latency.independent.comparison import compare
from sfukit.loadgen.latency.measure import Observer
from sfukit.loadgen.latency.options import LatencyOptions
from sfukit.loadgen.latency.result import Independent, LatencyReport
from sfukit.loadgen.latency.summary import loss_ratio
from sfukit.loadgen.metrics.histogram import metric_of_values
from sfukit.loadgen.scenario import Plan
from sfukit.loadgen.stopping import StoppedError, unless_stopped
from sfukit.loadgen.target_setup import OpenedTarget
from sfukit.loadgen.verdict.saturation import LATE_MS

if TYPE_CHECKING:
    from sfukit.loadgen.latency.independent.measure import Measured


def check_installed() -> None:
    """Raise ``MachineError`` without the extra that has aiortc."""
    try:
        import aiortc  # noqa: F401
        import numpy  # noqa: F401
    except ImportError as error:
        raise MachineError(
            f"--engine aiortc needs {error.name}", hint="pip install 'sfukit[media]'"
        ) from error


async def beside(
    native: LatencyReport,
    options: LatencyOptions,
    plan: Plan,
    opened: OpenedTarget,
    observer: Observer,
    stop: asyncio.Event,
) -> LatencyReport:
    """Measure by aiortc and return the native report with both engines beside each other.

    ``stop`` ends the measurement early, with the figures so far; the run is then interrupted.
    """
    if native.exit_code == 4 or native.interrupted:
        return native
    from sfukit.loadgen.latency.independent.measure import Measurement
    from sfukit.loadgen.latency.independent.scene_track import drawn_loop

    observer.report("engine", "aiortc: the same measurement again, encoded and decoded")
    try:
        loop_frames = await unless_stopped(asyncio.to_thread(drawn_loop), stop)
    except StoppedError:
        return _interrupted(native)
    measured = await Measurement(options, plan, opened, observer, stop).run(loop_frames)
    independent = result_of(native, measured)
    if stop.is_set():
        return _interrupted(msgspec.structs.replace(native, independent=independent))
    reasons = [*native.reasons, *independent.reasons]
    if not independent.reasons or native.verdict == "fail":
        return msgspec.structs.replace(native, independent=independent, reasons=reasons)
    return msgspec.structs.replace(
        native, independent=independent, reasons=reasons, verdict="inconclusive", exit_code=5
    )


def _interrupted(report: LatencyReport) -> LatencyReport:
    return msgspec.structs.replace(
        report,
        interrupted=True,
        verdict="inconclusive",
        exit_code=ExitCode.INTERRUPTED,
        reasons=["interrupted, while aiortc measured", *report.reasons],
    )


def result_of(native: LatencyReport, measured: "Measured") -> Independent:
    """Return what aiortc measured, beside the native figures."""
    samples = measured.samples
    metrics = {
        "e2e_frame_ms": metric_of_values(measured.network_ms, "ms"),
        "rtt_pub_ms": metric_of_values(
            [one.rtt_pub_ms for one in samples if one.rtt_pub_ms is not None], "ms"
        ),
        "jitter_ms": metric_of_values(
            [one.jitter_ms for one in samples if one.jitter_ms is not None], "ms"
        ),
        "loss_raw": loss_ratio(samples, lambda one: one.packets_lost_raw),
    }
    late = metric_of_values(measured.late_ms, "ms")
    reasons = [] if measured.fault is None else [measured.fault.text]
    if late.p99 is not None and late.p99 > LATE_MS:
        reasons.append(f"aiortc was {late.p99:.0f} ms late (p99): its figures are not valid")
    return Independent(
        samples=samples,
        encode_ms=metric_of_values(measured.encode_ms, "ms"),
        decoded_frame_ms=metric_of_values(measured.decoded_ms, "ms"),
        late_ms=late,
        compared=[compare(name, native.metrics[name], one) for name, one in metrics.items()],
        reasons=reasons,
    )
