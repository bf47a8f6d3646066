"""What both ends have counted at one instant, from the statistics of aiortc and the frame log."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sfukit.loadgen.latency.independent.frame_log import CLOCK_RATE, FrameLog

_MS_PER_S = 1000.0


@dataclass(frozen=True)
class Reading:
    """Totals since the start; the round trip is that of the latest report block, smoothed."""

    at_s: float
    frames: int
    packets_received: int
    packets_lost: int
    bytes_sent: int
    bytes_received: int
    rtt_pub_ms: float | None
    jitter_ms: float | None


def read(
    log: FrameLog,
    publishing: Iterable[Mapping[str, Any]],
    received: Iterable[Mapping[int, Any]],
    at_s: float,
) -> Reading:
    """Return a reading, of ``getStats`` and of the statistics of each received SSRC."""
    outbound = [one for stats in publishing for one in stats.values()]
    rtts = [one.roundTripTime for one in outbound if one.type == "remote-inbound-rtp"]
    known = [rtt for rtt in rtts if rtt is not None]
    inbound = [
        streams[ssrc] for streams in received for ssrc in streams if ssrc == log.received_ssrc
    ]
    return Reading(
        at_s=at_s,
        frames=log.frames_decoded,
        packets_received=sum(one.packets_received for one in inbound),
        packets_lost=sum(one.packets_lost for one in inbound),
        bytes_sent=log.bytes_sent,
        bytes_received=log.bytes_received,
        rtt_pub_ms=known[-1] * _MS_PER_S if known else None,
        # in units of the RTP clock (RFC 3550 section 6.4.1)
        jitter_ms=inbound[-1].jitter * _MS_PER_S / CLOCK_RATE if inbound else None,
    )
