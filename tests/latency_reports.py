"""Reports of ``sfukit latency`` for tests of what is made of them."""

import msgspec

from sfukit.gates import judge, parse
from sfukit.loadgen.latency import result
from sfukit.loadgen.latency.independent.comparison import compare
from sfukit.loadgen.latency.result import (
    Clock,
    Generator,
    Independent,
    LatencyReport,
    Media,
    Sample,
)
from sfukit.loadgen.result.report import Fault, Metric, Target

CLOCK = Clock(
    offset_ms=-12.5, uncertainty_ms=0.147, min_rtt_ms=0.226, drift_ppm=None, exchanges=25,
    frames_early=0,
)  # fmt: skip


def sample(at_s: float = 1.0, **changes: object) -> Sample:
    usual = Sample(
        at_s=at_s,
        frames=30,
        packets_received=66,
        packets_expected=66,
        packets_lost_raw=2,
        packets_lost_after_rtx=0,
        e2e_frame_ms=46.0 + at_s,
        e2e_frame_max_ms=90.0,
        rtt_pub_ms=40.5,
        rtt_sub_ms=0.06,
        sfu_residence_ms=5.9,
        jitter_ms=4.4,
        bitrate_in=513_000.0,
        bitrate_out=511_000.0,
    )
    return msgspec.structs.replace(usual, **changes)


def metric(unit: str, value: float) -> Metric:
    known = msgspec.convert(unit, result.Unit)
    return Metric(unit=known, count=3, avg=value, p50=value, p95=value, p99=value, max=value)


def a_report(**changes: object) -> LatencyReport:
    metrics = {name: metric(unit, 5.0) for name, unit in result.METRICS.items()}
    metrics |= {"loss_raw": metric("ratio", 0.03), "loss_after_rtx": metric("ratio", 0.0)}
    metrics |= {name: metric("bit/s", 512_000.0) for name in ("bitrate_in", "bitrate_out")}
    usual = LatencyReport(
        schema=result.SCHEMA,
        command="latency",
        verdict="pass",
        exit_code=0,
        started_at="2026-01-01T00:00:00+00:00",
        ends="both",
        interrupted=False,
        reasons=[],
        target=Target(kind="sfukit", url="http://127.0.0.1:7080"),
        media=Media(codec="vp8", encoding="360p30", srtp_negotiated={}, net_up=None, net_down=None),
        duration_s=3.0,
        measured_s=3.0,
        interval_s=1.0,
        gates=[],
        metrics=metrics,
        unknown={},
        samples=[sample(float(at_s)) for at_s in range(1, 4)],
        generator=Generator(lag_ms=metric("ms", 0.7), socket_drops=0, unsent=0, saturated=[]),
        clock=None,
        errors=[],
    )
    return msgspec.structs.replace(usual, **changes)


def independent(**changes: object) -> Independent:
    """Return figures of aiortc beside the native ones of ``a_report``: one of them differs."""
    usual = Independent(
        samples=[sample(float(at_s), e2e_frame_ms=52.0) for at_s in range(1, 3)],
        encode_ms=metric("ms", 4.5),
        decoded_frame_ms=metric("ms", 71.0),
        late_ms=metric("ms", 0.9),
        compared=[
            compare("e2e_frame_ms", metric("ms", 47.0), metric("ms", 52.0)),
            compare("rtt_pub_ms", metric("ms", 41.0), metric("ms", 42.0)),
            compare("jitter_ms", metric("ms", 4.4), Metric(unit="ms", count=0)),
            compare("loss_raw", metric("ratio", 0.03), metric("ratio", 0.031)),
        ],
        reasons=[],
    )
    return msgspec.structs.replace(usual, **changes)


def whole(seconds: int = 120) -> LatencyReport:
    """Return a report with every part: gates, unknown figures, clocks, engines, errors."""
    report = a_report(clock=CLOCK)
    judged = [
        parse(text, result.catalogue()) for text in ("e2e_frame_ms.p95<4ms", "rtt_pub_ms.p50<5.5")
    ]
    metrics = {**report.metrics, "rtt_sub_ms": Metric(unit="ms", count=0)}
    return a_report(
        verdict="fail",
        exit_code=3,
        reasons=["e2e_frame_ms.p95 < 4.0 ms: it is 5.0 ms"],
        clock=CLOCK,
        gates=judge(judged, result.figures(report.metrics, CLOCK)),
        metrics=metrics,
        unknown={"rtt_sub_ms": "the target answered none of 25 requests (RFC 3611)"},
        samples=[sample(float(at_s), rtt_sub_ms=None) for at_s in range(1, seconds + 1)],
        errors=[Fault(code="late", message="a frame was late", count=2, first="p1")],
        independent=independent(),
    )
