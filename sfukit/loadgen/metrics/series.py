"""Figures per interval, from cumulative snapshots of the swarm."""

from collections.abc import Sequence
from typing import NamedTuple

from sfukit.loadgen.host.processes import Reading, between
from sfukit.loadgen.metrics.figures import Figures
from sfukit.loadgen.metrics.histogram import Histogram, metric_of_histograms, since
from sfukit.loadgen.result.series import MOST_INTERVALS, Interval, Phase

_NS_PER_S = 1e9
_DISTRIBUTIONS = ("e2e_frame", "rtt", "lag")


class Counts(NamedTuple):
    """Outcomes of joins and tracks at one instant."""

    joined: int
    failed: int
    tracks: int


class Reach(NamedTuple):
    """What was read at the end of an interval; ``server`` is None for an external server."""

    figures: Figures
    swarm: Reading
    server: Reading | None


def interval_s(asked_s: float, total_s: float) -> float:
    """Return the interval: longer than asked for where a run would have too many."""
    return max(asked_s, total_s / MOST_INTERVALS)


class Series:
    """The intervals of a run, one after the other.

    The figures of the swarm are cumulative: since its start, or since the start of the window
    once that is open (``restart``). With ``histograms`` each interval keeps them.
    """

    def __init__(self, interval_s: float, start_ns: int, *, histograms: bool = False) -> None:
        self._histograms = histograms
        self.intervals: list[Interval] = []
        self.next_ns = start_ns
        self._interval_ns = round(interval_s * _NS_PER_S)
        self._start_ns = start_ns
        self._earlier: Reach | None = None

    def add(self, reach: Reach, phase: Phase, counts: Counts) -> None:
        """Complete an interval; the first one after a restart only begins it."""
        earlier, at_ns = self._earlier, reach.figures.at_ns
        self._earlier = reach
        while self.next_ns <= at_ns:
            self.next_ns += self._interval_ns
        if earlier is None or (at_ns - earlier.figures.at_ns) * 2 < self._interval_ns:
            return  # too short for rates
        if len(self.intervals) < 2 * MOST_INTERVALS:
            self.intervals.append(self._interval(earlier, reach, phase, counts))

    def restart(self, reach: Reach) -> None:
        """Begin the first interval of the window, from which on figures count."""
        self._earlier = reach
        self.next_ns = reach.figures.at_ns + self._interval_ns

    def _interval(self, earlier: Reach, later: Reach, phase: Phase, counts: Counts) -> Interval:
        before, after = earlier.figures, later.figures
        seconds = (after.at_ns - before.at_ns) / _NS_PER_S
        totals, start = after.totals, before.totals
        loss = [
            max(0, getattr(after.loss, name) - getattr(before.loss, name))
            for name in ("packets_expected", "packets_lost_raw", "packets_lost_after_rtx")
        ]
        delay, rtt, lag = (
            metric_of_histograms([_since(after, before, name)]) for name in _DISTRIBUTIONS
        )
        return Interval(
            start_s=(before.at_ns - self._start_ns) / _NS_PER_S,
            end_s=(after.at_ns - self._start_ns) / _NS_PER_S,
            phase=phase,
            joined=counts.joined,
            failed=counts.failed,
            tracks=counts.tracks,
            bitrate_in_bps=(totals.bytes_received - start.bytes_received) * 8 / seconds,
            bitrate_out_bps=(totals.bytes_sent - start.bytes_sent) * 8 / seconds,
            loss_raw=loss[1] / loss[0] if loss[0] else None,
            loss_after_rtx=loss[2] / loss[0] if loss[0] else None,
            e2e_frame_p50_ms=delay.p50,
            e2e_frame_p95_ms=delay.p95,
            e2e_frame_p99_ms=delay.p99,
            rtt_p95_ms=rtt.p95,
            lag_p99_ms=lag.p99,
            unsent=totals.packets_unsent - start.packets_unsent,
            generator_cores=_cores(earlier.swarm, later.swarm) or 0.0,
            server_cores=_cores(earlier.server, later.server),
            packets_expected=loss[0],
            hdr={
                name: metric.hdr
                for name, metric in zip(_DISTRIBUTIONS, (delay, rtt, lag), strict=True)
                if self._histograms and metric.hdr is not None
            },
        )


def measured(intervals: Sequence[Interval]) -> list[Interval]:
    """Return the intervals of the measured window."""
    return [interval for interval in intervals if interval.phase == "measuring"]


def _since(later: Figures, earlier: Figures, name: str) -> Histogram:
    return since(getattr(later.histograms, name), getattr(earlier.histograms, name))


def _cores(earlier: Reading | None, later: Reading | None) -> float | None:
    if earlier is None or later is None:
        return None
    use = between(earlier, later)
    return use.cpu_s / use.wall_s
