"""Frame delays of sampled streams by the barcodes in their decoded frames. Pure.

The barcode has the time of a frame within the clip, in ticks of 1/30 s, so it repeats with each
loop of four seconds: the capture is the latest one before the frame was complete. The height of
the frame tells its encoding.
"""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from sfukit.loadgen.scenario import Encoding
from sfukit.media.spool import ReadFrame
from sfukit.swarm.messages import Capture

NS_PER_TICK = 100_000
_NS_PER_MS = 1e6


class Delay(NamedTuple):
    """The delay of one frame."""

    ms: float
    keyframe: bool


class BarcodeStream(NamedTuple):
    """One sampled stream in one window: the delays of its frames, and frames without.

    ``unread`` frames have no readable barcode, ``resized`` ones the height of no encoding,
    ``unmatched`` ones no known capture; ``fault`` is why none was read.
    """

    stream: int
    bot: int
    delays: Sequence[Delay] = ()
    unread: int = 0
    resized: int = 0
    unmatched: int = 0
    fault: str = ""


class Captures:
    """When each frame of the clips was captured by one publisher."""

    def __init__(self, captures: Iterable[Capture], encodings: Sequence[Encoding]) -> None:
        self._encodings = {one.clip.height: index for index, one in enumerate(encodings)}
        self._ticks_per_frame = [one.clip.ticks_per_frame for one in encodings]
        self._ns: defaultdict[tuple[int, int], list[int]] = defaultdict(list)
        for one in captures:
            self._ns[one.encoding, one.position].append(one.tick * NS_PER_TICK)

    def encoding(self, height: int) -> int | None:
        """Return the index of the encoding of this height."""
        return self._encodings.get(height)

    def before(self, encoding: int, number: int, at_ns: int) -> int | None:
        """Return the latest capture of the frame with this barcode before an instant."""
        times = self._ns.get((encoding, number // self._ticks_per_frame[encoding]), [])
        place = bisect_right(times, at_ns)
        return times[place - 1] if place else None


def measured(
    stream: int, bot: int, frames: Iterable[ReadFrame], captures: Captures
) -> BarcodeStream:
    """Return the delays of a stream whose frames were read."""
    delays: list[Delay] = []
    unread = resized = unmatched = 0
    for frame in frames:
        encoding = captures.encoding(frame.height)
        if encoding is None:
            resized += 1
        elif frame.number is None:
            unread += 1
        elif (at_ns := captures.before(encoding, frame.number, frame.completed_ns)) is None:
            unmatched += 1
        else:
            delays.append(Delay((frame.completed_ns - at_ns) / _NS_PER_MS, frame.keyframe))
    return BarcodeStream(stream, bot, delays, unread, resized, unmatched)
