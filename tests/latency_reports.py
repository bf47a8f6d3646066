"""Reports of ``sfukit latency`` for tests of what is made of them."""

import msgspec

from sfukit.loadgen.latency import result
from sfukit.loadgen.latency.result import Generator, LatencyReport, Media, Sample
from sfukit.loadgen.result import Metric, Target


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
