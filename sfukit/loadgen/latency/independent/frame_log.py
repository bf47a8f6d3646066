"""The times of each frame: scheduled capture, first packet sent, last packet received, decoded.

RTP headers are not encrypted (RFC 3711 section 3.1), so that datagrams show which frame they are
part of. Sent frames are known by their RTP timestamp, decoded ones by their barcode. All times are
of one monotonic clock, in seconds.
"""

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import NamedTuple

from sfukit.media.catalog import LOOP_TICKS, TICKS_PER_SECOND

CLOCK_RATE = 90_000
_KEPT = 1024  # frames: 34 s
_HEADER = 12
_TIMESTAMPS = 1 << 32
_MS_PER_S = 1000.0


class Rtp(NamedTuple):
    """The fixed header of an RTP packet (RFC 3550 section 5.1), as far as needed."""

    payload_type: int
    timestamp: int
    ssrc: int


def read_rtp(datagram: bytes) -> Rtp | None:
    """Return the header of an RTP packet; None for STUN, DTLS and RTCP (RFC 7983, RFC 5761)."""
    if len(datagram) < _HEADER or not 128 <= datagram[0] < 192 or 192 <= datagram[1] < 224:
        return None
    return Rtp(
        datagram[1] & 0x7F,
        int.from_bytes(datagram[4:8], "big"),
        int.from_bytes(datagram[8:12], "big"),
    )


class _Times(OrderedDict[int, float]):
    """The times of the latest frames."""

    def put(self, key: int, at_s: float) -> None:
        self[key] = at_s
        while len(self) > _KEPT:
            self.popitem(last=False)


@dataclass
class Delays:
    """Delays since the last interval, in ms: encoder, network and SFU, capture to decoded."""

    encode: list[float] = field(default_factory=list)
    network: list[float] = field(default_factory=list)
    decoded: list[float] = field(default_factory=list)


class FrameLog:
    """The frames of one publisher and one subscriber.

    ``media_types`` are the payload types of video without retransmissions.
    """

    def __init__(self) -> None:
        self.bytes_sent = self.bytes_received = 0
        self.media_types: set[int] = set()
        self.received_ssrc: int | None = None
        self.frames_decoded = 0
        self._captured = _Times()
        self._sent = _Times()
        self._arrived = _Times()
        self._first_captured: int | None = None
        self._first_sent: int | None = None
        self._first_arrived: int | None = None
        self._delays = Delays()

    def captured(self, tick: int, at_s: float) -> None:
        """Note the scheduled capture of a frame."""
        if self._first_captured is None:
            self._first_captured = tick
        self._captured.put(tick, at_s)

    def sent(self, datagram: bytes, at_s: float) -> None:
        """Note a datagram of the publisher."""
        rtp = read_rtp(datagram)
        if rtp is None:
            return
        self.bytes_sent += len(datagram)
        if self._first_captured is None or rtp.payload_type not in self.media_types:
            return
        if self._first_sent is None:
            self._first_sent = rtp.timestamp
        elapsed = (rtp.timestamp - self._first_sent) % _TIMESTAMPS
        tick = self._first_captured + elapsed * TICKS_PER_SECOND // CLOCK_RATE
        if tick not in self._sent and tick in self._captured:
            self._sent.put(tick, at_s)
            self._delays.encode.append((at_s - self._captured[tick]) * _MS_PER_S)

    def received(self, datagram: bytes, at_s: float) -> None:
        """Note a datagram for the subscriber."""
        rtp = read_rtp(datagram)
        if rtp is None:
            return
        self.bytes_received += len(datagram)
        if rtp.payload_type not in self.media_types:
            return
        if self.received_ssrc is None:
            self.received_ssrc, self._first_arrived = rtp.ssrc, rtp.timestamp
        if rtp.ssrc == self.received_ssrc:
            self._arrived.put(rtp.timestamp, at_s)

    def decoded(self, elapsed: int, number: int | None, at_s: float) -> None:
        """Note a decoded frame: its RTP time since the first one, the number of its barcode."""
        self.frames_decoded += 1
        tick = None if number is None else self._tick(number)
        if tick is None:
            return
        self._delays.decoded.append((at_s - self._captured[tick]) * _MS_PER_S)
        if self._first_arrived is None:
            return
        arrived_s = self._arrived.get((self._first_arrived + elapsed) % _TIMESTAMPS)
        sent_s = self._sent.get(tick)
        # a first frame that was lost shifts the timestamps: no figure rather than a wrong one
        if arrived_s is not None and sent_s is not None and sent_s <= arrived_s <= at_s:
            self._delays.network.append((arrived_s - sent_s) * _MS_PER_S)

    def take(self) -> Delays:
        """Return the delays since the last call."""
        taken, self._delays = self._delays, Delays()
        return taken

    def _tick(self, number: int) -> int | None:
        """Return the latest captured tick with a number: the scene repeats after a loop."""
        return next(
            (tick for tick in reversed(self._captured) if tick % LOOP_TICKS == number), None
        )
