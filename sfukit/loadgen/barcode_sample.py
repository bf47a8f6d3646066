"""Barcodes of sampled streams (``--latency barcode``), read after the run."""

from collections import defaultdict
from collections.abc import Sequence

import msgspec

from sfukit.errors import MachineError
from sfukit.loadgen.metrics.barcodes import BarcodeStream, Captures, measured
from sfukit.loadgen.metrics.decoded import SampledStream
from sfukit.loadgen.metrics.ledger import Ledger
from sfukit.loadgen.scenario import Plan
from sfukit.media import decoder_process
from sfukit.media.spool import ReadFrame
from sfukit.swarm.messages import Capture, TakeCaptures
from sfukit.swarm.native import Swarm

_MOST_CAPTURES = 1_000_000  # of one publisher: three hours of three encodings
_FOURCC = {"vp8": "VP80", "h264": "H264", "vp9": "VP90", "av1": "AV01"}


class CaptureLog:
    """The captures of the publishers of sampled streams, by their indices."""

    def __init__(self, swarm: Swarm, ledger: Ledger) -> None:
        self._swarm = swarm
        self._ledger = ledger
        self._captures: defaultdict[int, list[Capture]] = defaultdict(list)
        self._ended: set[int] = set()

    async def take(self) -> None:
        """Take the captures since the last time."""
        for publisher, stream in self._ledger.logged.items():
            kept = self._captures[publisher]
            if stream in self._ended or len(kept) >= _MOST_CAPTURES:
                continue
            try:
                kept += await self._swarm.request(TakeCaptures(stream=stream), list[Capture])
            except MachineError:
                self._ended.add(stream)  # its publisher has left

    def of(self, publisher: int) -> Sequence[Capture]:
        """Return the captures of a publisher."""
        return self._captures[publisher]


async def read(
    sampled: SampledStream, plan: Plan, ledger: Ledger, captures: CaptureLog
) -> BarcodeStream:
    """Read the barcodes of one stream in a process of its own, which hostile frames may end."""
    expected = ledger.expected[sampled.stream]
    bot, publisher = expected.subscriber.index, expected.publisher
    if publisher is None:
        return BarcodeStream(sampled.stream, bot, fault="its publisher is not in the plan")
    if sampled.fault and not sampled.frames:
        return BarcodeStream(sampled.stream, bot, fault=sampled.fault)
    if not sampled.frames:
        return BarcodeStream(sampled.stream, bot, fault="no keyframe was decodable")
    arguments = (str(sampled.path), _FOURCC[plan.codec_of(publisher)])
    found = await decoder_process.run("sfukit.media.read_barcodes", arguments)
    if found.output is None:
        return BarcodeStream(sampled.stream, bot, fault=found.fault)
    frames = msgspec.json.decode(found.output, type=list[ReadFrame])
    return measured(
        *(sampled.stream, bot, frames),
        Captures(captures.of(publisher.index), plan.encodings),
    )
