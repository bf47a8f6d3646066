"""What a relay saw of one session, and the figures that follow from it. Pure.

The figures are computed here a second time, from the arrival of each packet: no code is shared with
the swarm or with aiortc.
"""

import statistics
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Literal, NamedTuple

import msgspec

_CLOCK_RATE = 90_000  # of video (RFC 7741 section 4.1)
_MS_PER_S = 1000.0
_BITS = 8
_TIMESTAMPS = 1 << 32

Role = Literal["publisher", "subscriber"]


class Datagram(msgspec.Struct, frozen=True, array_like=True):
    """One datagram: when it came, when it went on (None: lost), and its RTP header.

    Times are of the monotonic clock, in seconds. ``ssrc`` is None for STUN, DTLS and RTCP;
    ``has_report`` marks compound RTCP that begins with a sender or receiver report, as all with
    timestamps for round trips do (RFC 3550 section 6.1).
    """

    in_s: float
    out_s: float | None
    size: int
    ssrc: int | None = None
    sequence: int = 0
    timestamp: int = 0
    has_report: bool = False


class Session(msgspec.Struct, frozen=True):
    """One WHIP or WHEP session: datagrams to the server, and from it."""

    role: Role
    up: list[Datagram]
    down: list[Datagram]


class Window(NamedTuple):
    """The measured time; the ends of its intervals, the last of which is the end."""

    start_s: float
    ends_s: Sequence[float]

    def has(self, at_s: float) -> bool:
        """Return whether an instant is in the window."""
        return self.start_s <= at_s < self.ends_s[-1]


def media(datagrams: Iterable[Datagram]) -> list[Datagram]:
    """Return the packets of the stream with the most packets: no retransmissions."""
    rtp = [one for one in datagrams if one.ssrc is not None]
    counts = Counter(one.ssrc for one in rtp)
    ssrc = counts.most_common(1)[0][0] if counts else None
    return [one for one in rtp if one.ssrc == ssrc]


def loss(packets: Iterable[Datagram], window: Window) -> float:
    """Return the share of the packets that were lost."""
    passing = _passing_s(packets)
    within = [packet for packet, at_s in passing if window.has(at_s)]
    return sum(one.out_s is None for one in within) / len(within)


def reports_held_ms(datagrams: Iterable[Datagram], window: Window) -> float:
    """Return the median time that the relay held RTCP reports."""
    return statistics.median(_held_ms((one for one in datagrams if one.has_report), window))


def lateness_ms(datagrams: Iterable[Datagram], window: Window) -> float:
    """Return how much longer than at best the relay held one datagram of twenty."""
    held = sorted(_held_ms(datagrams, window))
    return held[len(held) * 19 // 20] - held[0]


def _held_ms(datagrams: Iterable[Datagram], window: Window) -> list[float]:
    return [
        (one.out_s - one.in_s) * _MS_PER_S
        for one in datagrams
        if one.out_s is not None and window.has(one.out_s)
    ]


def frame_delay_ms(sent: Sequence[Datagram], received: Sequence[Datagram], window: Window) -> float:
    """Return the median time from the first packet of a frame at the relay to its last one after.

    ``sent`` are the packets of the publisher, ``received`` those of the subscriber, whose
    timestamps the server shifts by a constant. Frames that lost a packet are left out.
    """
    first = {packet.timestamp: packet for packet in reversed(sent)}
    last = {packet.timestamp: packet for packet in received}
    incomplete = {packet.timestamp for packet in received if packet.out_s is None}
    shift = _shift(first, received)
    delays = [
        packet.out_s - first[begin].in_s
        for timestamp, packet in last.items()
        if packet.out_s is not None and window.has(packet.out_s) and timestamp not in incomplete
        if (begin := (timestamp - shift) % _TIMESTAMPS) in first
    ]
    return statistics.median(delays) * _MS_PER_S


def _shift(first: Mapping[int, Datagram], received: Sequence[Datagram]) -> int:
    """Return what a server adds to timestamps: it forwards a frame before the next one comes."""
    began = received[0]
    before = [one for one in first.values() if one.out_s is not None and one.out_s <= began.in_s]
    latest = max(before, key=lambda one: one.in_s)
    return (began.timestamp - latest.timestamp) % _TIMESTAMPS


def bitrate_bps(datagrams: Iterable[Datagram], window: Window) -> float:
    """Return the rate of the RTP datagrams that went on."""
    size = sum(
        one.size
        for one in datagrams
        if one.ssrc is not None and one.out_s is not None and window.has(one.out_s)
    )
    return size * _BITS / (window.ends_s[-1] - window.start_s)


def jitter_ms(packets: Iterable[Datagram], window: Window) -> float:
    """Return the interarrival jitter of RFC 3550 section 6.4.1, all packets counted.

    It is the mean of the values at the end of each interval.
    """
    return _mean_at_ends(packets, window, _every_packet)


def jitter_by_frame_ms(packets: Iterable[Datagram], window: Window) -> float:
    """Return the jitter as aiortc counts it (``rtcrtpreceiver.StreamStatistics.add``).

    A difference counts where the timestamp changes: from the last packet of a frame to the first
    one of the next, so that the spacing of packets within a frame is left out.
    """
    return _mean_at_ends(packets, window, _every_frame)


def _every_packet(_before: Datagram, _after: Datagram) -> bool:
    return True


def _every_frame(before: Datagram, after: Datagram) -> bool:
    return before.timestamp != after.timestamp


def _mean_at_ends(
    packets: Iterable[Datagram], window: Window, counts: Callable[[Datagram, Datagram], bool]
) -> float:
    values = []
    estimates = _estimates(packets, counts)
    at_s, estimate_s = next(estimates)
    for end_s in window.ends_s:
        latest = estimate_s
        while at_s < end_s:
            latest = estimate_s
            at_s, estimate_s = next(estimates, (float("inf"), estimate_s))
        values.append(latest)
    return statistics.fmean(values) * _MS_PER_S


def _estimates(
    packets: Iterable[Datagram], counts: Callable[[Datagram, Datagram], bool]
) -> Iterator[tuple[float, float]]:
    """Yield the arrival of each packet and the estimate after it, in seconds."""
    arrived = [(one.out_s, one) for one in packets if one.out_s is not None]
    arrived.sort(key=lambda entry: entry[0])
    estimate_s, previous = 0.0, None
    for at_s, packet in arrived:
        if previous is not None and counts(previous[1], packet):
            sent_s = _elapsed_s(previous[1].timestamp, packet.timestamp)
            estimate_s += (abs(at_s - previous[0] - sent_s) - estimate_s) / 16
        previous = (at_s, packet)
        yield at_s, estimate_s


def _elapsed_s(earlier: int, later: int) -> float:
    """Return the difference of two RTP timestamps, which may wrap."""
    units = (later - earlier) % _TIMESTAMPS
    return (units - _TIMESTAMPS if units >= _TIMESTAMPS // 2 else units) / _CLOCK_RATE


def _passing_s(packets: Iterable[Datagram]) -> list[tuple[Datagram, float]]:
    """Return when each packet went on; a lost one as long after it came as the one before it."""
    passing, held_s = [], 0.0
    for packet in packets:
        if packet.out_s is not None:
            held_s = packet.out_s - packet.in_s
        passing.append((packet, packet.in_s + held_s))
    return passing
