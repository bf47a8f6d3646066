"""The report of a measurement: metrics of the window, verdict. Pure."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sfukit import gates
from sfukit.loadgen.latency import ends, result, unknown
from sfukit.loadgen.latency.measure import Measured
from sfukit.loadgen.latency.options import LatencyOptions
from sfukit.loadgen.latency.received import Direction, round_trips
from sfukit.loadgen.latency.result import Generator, LatencyReport, Media, Sample
from sfukit.loadgen.metrics.figures import Figures
from sfukit.loadgen.metrics.histogram import Histogram, metric_of_histograms, metric_of_values
from sfukit.loadgen.metrics.ledger import Ledger
from sfukit.loadgen.result import report as loadtest_result
from sfukit.loadgen.result.report import Metric, Saturation, Unit
from sfukit.loadgen.scenario import Plan
from sfukit.loadgen.summary import described
from sfukit.loadgen.verdict.decision import Circumstances, decide
from sfukit.loadgen.verdict.saturation import LATE_MS

_MAX_DROPPED = 0.0005  # of the packets


@dataclass(frozen=True)
class Facts:
    """The facts before the measurement."""

    options: LatencyOptions
    plan: Plan
    target: loadtest_result.Target
    started_at: datetime


def report(facts: Facts, ledger: Ledger, measured: Measured) -> LatencyReport:
    """Return the whole report."""
    options, plan = facts.options, facts.plan
    publisher, subscriber = ends.swarm_ids(plan, options.ends)
    metrics = _metrics(measured, publisher, subscriber)
    generator = _generator(measured)
    judged = gates.judge(options.run.gates, result.figures(metrics, measured.clock))
    saturated = generator.saturated if generator is not None else []
    decision = decide(
        judged,
        Saturation(side="swarm" if saturated else "none", reasons=saturated),
        Circumstances(interrupted=measured.interrupted, target_fault=measured.fault),
    )
    return LatencyReport(
        schema=result.SCHEMA,
        command="latency",
        verdict=decision.verdict,
        exit_code=decision.exit_code,
        started_at=facts.started_at.isoformat(timespec="seconds"),
        ends=options.ends,
        interrupted=measured.interrupted,
        reasons=decision.reasons,
        target=facts.target,
        media=_media(plan, ledger),
        duration_s=plan.options.duration_s,
        measured_s=measured.samples[-1].at_s if measured.samples else 0.0,
        interval_s=options.interval_s,
        gates=judged,
        metrics=metrics,
        unknown=unknown.reasons(metrics, measured.last, publisher, subscriber),
        samples=measured.samples,
        clock=measured.clock,
        generator=generator,
        errors=ledger.faults,
        relay=described.relay(plan, options.run, ledger),
    )


def _metrics(
    measured: Measured, publisher: int | None, subscriber: int | None
) -> dict[str, Metric]:
    samples, last = measured.samples, measured.last
    return {
        "e2e_frame_ms": _histogram(last, lambda one: one.histograms.e2e_frame),
        "e2e_delta_ms": _histogram(last, lambda one: one.histograms.e2e_delta),
        "e2e_keyframe_ms": _histogram(last, lambda one: one.histograms.e2e_keyframe),
        "rtt_pub_ms": _rtt_pub(measured, publisher),
        "rtt_sub_ms": _rtt(last, subscriber, "inbound"),
        "sfu_residence_ms": _of(samples, "ms", lambda one: one.sfu_residence_ms),
        "jitter_ms": _of(samples, "ms", lambda one: one.jitter_ms),
        "loss_raw": loss_ratio(samples, lambda one: one.packets_lost_raw),
        "loss_after_rtx": loss_ratio(samples, lambda one: one.packets_lost_after_rtx),
        "bitrate_in": _rate(samples, lambda one: one.bitrate_in),
        "bitrate_out": _rate(samples, lambda one: one.bitrate_out),
    }


def _histogram(figures: Figures | None, histogram: Callable[[Figures], Histogram]) -> Metric:
    return metric_of_histograms([] if figures is None else [histogram(figures)])


def _rtt_pub(measured: Measured, publisher: int | None) -> Metric:
    """Return the round trip of the publisher; where it is elsewhere, as told in each interval."""
    if publisher is None:
        return _of(measured.samples, "ms", lambda one: one.rtt_pub_ms)
    return _rtt(measured.last, publisher, "outbound")


def _rtt(figures: Figures | None, bot: int | None, direction: Direction) -> Metric:
    if figures is None:
        return Metric(unit="ms", count=0)
    return metric_of_histograms(round_trips(figures, bot, direction).values())


def _of(samples: Iterable[Sample], unit: Unit, value: Callable[[Sample], float | None]) -> Metric:
    """Return a metric over the intervals."""
    known = (value(sample) for sample in samples)
    return metric_of_values([one for one in known if one is not None], unit)


def _rate(samples: Sequence[Sample], rate: Callable[[Sample], float | None]) -> Metric:
    """Return a bitrate: ``avg`` over the time, percentiles over intervals of any length."""
    begins_s = [0.0, *(one.at_s for one in samples)]
    known = [
        (bps, one.at_s - begin_s)
        for one, begin_s in zip(samples, begins_s, strict=False)
        if (bps := rate(one)) is not None
    ]
    measured_s = sum(span_s for _, span_s in known)
    average = sum(bps * span_s for bps, span_s in known) / measured_s if measured_s else None
    return metric_of_values([bps for bps, _ in known], "bit/s", average=average, weight=measured_s)


def loss_ratio(samples: Iterable[Sample], lost: Callable[[Sample], int | None]) -> Metric:
    """Return a loss ratio: ``avg`` over all ``weight`` packets, percentiles over intervals."""
    counted = [
        (part, one.packets_expected)
        for one in samples
        if one.packets_expected > 0 and (part := lost(one)) is not None
    ]
    expected = sum(whole for _, whole in counted)
    average = sum(part for part, _ in counted) / expected if expected else None
    # a packet that was lost in one interval and repaired in the next one counts below zero there
    ratios = [max(0.0, part / whole) for part, whole in counted]
    return metric_of_values(ratios, "ratio", average=average, weight=expected)


def _media(plan: Plan, ledger: Ledger) -> Media:
    return Media(
        codec=plan.options.codec,
        encoding=plan.encodings[-1].clip.name,
        srtp_negotiated=dict(ledger.profiles),
        net_up=plan.options.net_up,
        net_down=plan.options.net_down,
    )


def _generator(measured: Measured) -> Generator | None:
    """Return the load of this process; None before the window."""
    first, last = measured.first, measured.last
    if first is None or last is None:
        return None
    lag, totals = metric_of_histograms([last.histograms.lag]), last.totals
    drops = _drops(first, last)
    saturated = []
    if lag.p99 is not None and lag.p99 > LATE_MS:
        saturated.append(f"this process was {lag.p99:.0f} ms late (lag p99)")
    if drops and drops > _MAX_DROPPED * max(1, totals.packets_received):
        saturated.append(f"sockets of this process dropped {drops} packets")
    if totals.packets_unsent:
        saturated.append(f"this process did not send {totals.packets_unsent} planned packets")
    return Generator(
        lag_ms=lag, socket_drops=drops, unsent=totals.packets_unsent, saturated=saturated
    )


def _drops(first: Figures, last: Figures) -> int | None:
    if first.generator is None or last.generator is None:
        return None
    if first.generator.socket_drops is None or last.generator.socket_drops is None:
        return None
    return last.generator.socket_drops - first.generator.socket_drops
