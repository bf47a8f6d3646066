"""The sample of each interval: what the swarm counted between two snapshots."""

from sfukit.loadgen.latency.peer import Peer
from sfukit.loadgen.latency.received import Direction, round_trips, total, video_streams
from sfukit.loadgen.latency.result import Sample
from sfukit.loadgen.metrics.figures import Figures
from sfukit.loadgen.metrics.histogram import metric_of_histograms, since

_NS_PER_S = 1e9
_BITS = 8
# Reports are sent every 0.5 to 1.5 s: the RTT of an interval without one is that before it.
_RTT_VALID_S = 5.0


class Sampler:
    """The intervals of one window, each from the snapshots at its ends.

    ``publisher`` and ``subscriber`` are bots of the swarm, None for an end in another process.
    """

    def __init__(
        self, before: Figures, publisher: int | None, subscriber: int | None, peer: Peer
    ) -> None:
        self._start_ns = before.at_ns
        self._before = before
        self._publisher = publisher
        self._subscriber = subscriber
        self._peer = peer
        self._last_pub = _Latest()
        self._last_sub = _Latest()

    def sample(self, figures: Figures) -> Sample:
        """Return the sample of the interval that ends with a snapshot."""
        before, self._before = self._before, figures
        at_s = (figures.at_ns - self._start_ns) / _NS_PER_S
        wall_s = (figures.at_ns - before.at_ns) / _NS_PER_S
        earlier = video_streams(before, self._subscriber)
        later = video_streams(figures, self._subscriber)
        delays = metric_of_histograms(
            [since(figures.histograms.e2e_frame, before.histograms.e2e_frame)]
        )
        rtt_pub_ms = self._peer.rtt_pub_ms
        if self._publisher is not None:
            rtt_pub_ms = _mean_rtt_ms(before, figures, self._publisher, "outbound")
        rtt_sub_ms = _mean_rtt_ms(before, figures, self._subscriber, "inbound")
        sent_bytes = figures.totals.bytes_sent - before.totals.bytes_sent
        received_bytes = total(later, "bytes_received") - total(earlier, "bytes_received")
        jitters = [one.jitter_ms for one in later if one.jitter_ms is not None]
        return Sample(
            at_s=at_s,
            frames=total(later, "frames") - total(earlier, "frames"),
            packets_received=figures.totals.packets_received - before.totals.packets_received,
            packets_expected=total(later, "packets_expected") - total(earlier, "packets_expected"),
            packets_lost_raw=total(later, "packets_lost_raw") - total(earlier, "packets_lost_raw"),
            packets_lost_after_rtx=total(later, "packets_lost_after_rtx")
            - total(earlier, "packets_lost_after_rtx"),
            e2e_frame_ms=delays.p50,
            e2e_frame_max_ms=delays.max,
            rtt_pub_ms=rtt_pub_ms,
            rtt_sub_ms=rtt_sub_ms,
            sfu_residence_ms=residence_ms(
                delays.p50, self._last_pub.at(at_s, rtt_pub_ms), self._last_sub.at(at_s, rtt_sub_ms)
            ),
            jitter_ms=jitters[-1] if jitters else None,
            bitrate_in=None if self._subscriber is None else received_bytes * _BITS / wall_s,
            bitrate_out=None if self._publisher is None else sent_bytes * _BITS / wall_s,
            clock_uncertainty_ms=self._peer.uncertainty_ms,
        )


def residence_ms(
    e2e_ms: float | None, rtt_pub_ms: float | None, rtt_sub_ms: float | None
) -> float | None:
    """Return the delay of a frame without half of both round trips: symmetric paths assumed."""
    if e2e_ms is None or rtt_pub_ms is None or rtt_sub_ms is None:
        return None
    return e2e_ms - rtt_pub_ms / 2 - rtt_sub_ms / 2


class _Latest:
    """The latest round trip, while it is valid."""

    def __init__(self) -> None:
        self._ms: float | None = None
        self._at_s = 0.0

    def at(self, at_s: float, rtt_ms: float | None) -> float | None:
        """Return the round trip of an interval, else the latest one of at most 5 s before."""
        if rtt_ms is not None:
            self._ms, self._at_s = rtt_ms, at_s
        return self._ms if at_s - self._at_s <= _RTT_VALID_S else None


def _mean_rtt_ms(
    before: Figures, figures: Figures, bot: int | None, direction: Direction
) -> float | None:
    """Return the mean round trip of an interval."""
    earlier = round_trips(before, bot, direction)
    later = round_trips(figures, bot, direction)
    added = [
        since(rtts, earlier[transport]) if transport in earlier else rtts
        for transport, rtts in later.items()
    ]
    return metric_of_histograms(added).avg
