"""Statistics of packets through the relay: RTT, loss, jitter, throughput. Pure."""

import itertools
from collections.abc import Sequence

import msgspec


class Percentiles(msgspec.Struct, frozen=True, kw_only=True):
    """A distribution of milliseconds; None where nothing was measured."""

    p50: float | None = None
    p95: float | None = None
    p99: float | None = None
    max: float | None = None


class RelayFigures(msgspec.Struct, frozen=True, kw_only=True):
    """RTT, loss and jitter of packets through the relay to the peer and back.

    ``overhead_ms`` is the RTT minus twice the direct RTT to the server, since the peer is as far
    from it as the probe; ``overhead_bytes`` is the TURN header of each packet between probe and
    server. Ratios are 0..1, None is unknown.
    """

    sent: int
    received: int
    rtt_ms: Percentiles
    loss: float
    jitter_ms: float | None
    direct_rtt_ms: float | None
    overhead_ms: float | None
    overhead_bytes: int


class Throughput(msgspec.Struct, frozen=True, kw_only=True):
    """The bitrate received at the peer of a constant bitrate sent."""

    asked_bps: int
    sent_bps: float
    bitrate_bps: float
    loss: float
    size_bytes: int
    duration_s: float


def percentiles(values: Sequence[float]) -> Percentiles:
    """Return percentiles by nearest rank. Unit: ms."""
    if not values:
        return Percentiles()
    ranked = sorted(values)

    def at(share: float) -> float:
        return round(ranked[min(len(ranked) - 1, int(share * len(ranked)))], 3)

    return Percentiles(p50=at(0.5), p95=at(0.95), p99=at(0.99), max=round(ranked[-1], 3))


def jitter_ms(rtts_ms: Sequence[float]) -> float | None:
    """Smooth the differences of consecutive round trips as RFC 3550 section 6.4.1 does."""
    if len(rtts_ms) < 2:
        return None
    jitter = 0.0
    for earlier, later in itertools.pairwise(rtts_ms):
        jitter += (abs(later - earlier) - jitter) / 16
    return round(jitter, 3)


def relay_figures(
    sent: int, rtts_ms: Sequence[float], direct_rtt_ms: float | None, overhead_bytes: int
) -> RelayFigures:
    """Summarize a series; RTTs in the order of sending."""
    rtt = percentiles(rtts_ms)
    overhead = None
    if rtt.p50 is not None and direct_rtt_ms is not None:
        overhead = round(rtt.p50 - 2 * direct_rtt_ms, 3)
    return RelayFigures(
        sent=sent,
        received=len(rtts_ms),
        rtt_ms=rtt,
        loss=round(1 - len(rtts_ms) / sent, 4) if sent else 0.0,
        jitter_ms=jitter_ms(rtts_ms),
        direct_rtt_ms=direct_rtt_ms,
        overhead_ms=overhead,
        overhead_bytes=overhead_bytes,
    )
