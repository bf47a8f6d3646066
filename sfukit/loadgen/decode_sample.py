"""Sampled streams (``--decode-sample N``): which, their frames in files, compared after the run."""

import asyncio
import contextlib
import importlib.util
import os
import tempfile
from collections.abc import Coroutine, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from io import BufferedWriter
from pathlib import Path
from random import Random
from typing import Any, TypeVar

import msgspec

from sfukit.errors import MachineError
from sfukit.loadgen import barcode_sample
from sfukit.loadgen.barcode_sample import CaptureLog
from sfukit.loadgen.metrics.barcodes import BarcodeStream
from sfukit.loadgen.metrics.decoded import DecodedStream, SampledStream
from sfukit.loadgen.metrics.ledger import Ledger
from sfukit.loadgen.metrics.measured import WindowResult
from sfukit.loadgen.options import RunOptions
from sfukit.loadgen.scenario import Plan, PlannedTrack
from sfukit.loadgen.stopping import StoppedError, unless_stopped
from sfukit.media import cache, decoder_process, spool
from sfukit.media.spool import Comparison, SpooledFrame
from sfukit.swarm.messages import TakeFrames, TakenFrames
from sfukit.swarm.native import Swarm

Result = TypeVar("Result")

_TAKE_EVERY_S = 0.5  # the swarm keeps 2 MiB of each stream: five seconds of 3 Mb/s
_MOST_BYTES = 64 * 1024 * 1024  # of one stream and window
_INTERRUPTED = "interrupted"
_BARCODE_STREAMS = 4  # without --decode-sample
_SALT = "decode-sample"
# Capture ticks of frame ids: 100 us, 32 bits.
_NS_PER_TICK = 100_000
_TICK_MASK = 0xFFFFFFFF


def check_extra(option: str) -> None:
    """Refuse an option that decodes without the extra for it."""
    for name in ("av", "numpy"):
        if importlib.util.find_spec(name) is None:
            raise MachineError(f"{option} needs {name}", hint="pip install 'sfukit[media]'")


def streams(options: RunOptions) -> int:
    """Return how many streams are sampled: as many as are decoded, or a few for their barcodes."""
    barcodes = _BARCODE_STREAMS if options.load.latency == "barcode" else 0
    return options.decode_sample or barcodes


def chosen(plan: Plan, count: int) -> frozenset[PlannedTrack]:
    """Return the sampled tracks: of all planned video, by the seed of the run.

    The captures of a barcode are known in the process of its publisher alone.
    """
    whole = plan.options.latency != "barcode"
    tracks = sorted(
        track
        for track in plan.views.expected()
        if track.kind == "video"
        and plan.is_own(plan.bots[track.subscriber])
        and (whole or plan.is_own(plan.bots[track.publisher]))
    )
    random = Random(f"{plan.options.seed} {_SALT}")
    return frozenset(random.sample(tracks, min(count, len(tracks))))


@contextlib.contextmanager
def folder(options: RunOptions) -> Iterator[Path | None]:
    """Make a folder for the frames of sampled streams, where there are any."""
    if streams(options) == 0:
        yield None
        return
    check_extra("--decode-sample" if options.decode_sample else "--latency barcode")
    with tempfile.TemporaryDirectory(prefix="sfukit-decode-") as made:
        yield Path(made)


@dataclass
class Sample:
    """The frames of sampled streams, by window; ``folder`` has a file for each of both."""

    swarm: Swarm
    ledger: Ledger
    folder: Path
    kept: list[dict[int, SampledStream]] = field(default_factory=list)
    _captures: CaptureLog = field(init=False)
    _taking: asyncio.Task[None] | None = None

    def __post_init__(self) -> None:
        self._captures = CaptureLog(self.swarm, self.ledger)

    def begin(self) -> None:
        """Take the frames of a window that opens, until ``end``."""
        self.kept.append({})
        self._taking = asyncio.create_task(self._take())

    async def end(self, end_ns: int) -> None:
        """Take the last frames of the window, which ended at this time."""
        await self.close()
        window = self.kept[-1]
        end_tick = min(end_ns, self.swarm.now_ns()) // _NS_PER_TICK & _TICK_MASK
        for stream in await self._take_all():
            if stream in window and self._has_own_clock(stream):
                window[stream] = replace(window[stream], end_tick=end_tick)

    async def close(self) -> None:
        """Stop to take frames."""
        if self._taking is not None:
            self._taking.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._taking
            self._taking = None

    async def decoded(
        self,
        options: RunOptions,
        plan: Plan,
        windows: Sequence[WindowResult],
        stop: asyncio.Event,
    ) -> list[WindowResult]:
        """Return the windows with the comparisons of their streams, none after ``stop``."""
        if options.decode_sample == 0:
            return list(windows)
        found = []
        for window, streams in zip(windows, self.kept, strict=False):
            decoded = [
                await _unless_stopped(
                    _compared(one, plan, self.ledger), DecodedStream(one, None, _INTERRUPTED), stop
                )
                for one in streams.values()
            ]
            found.append(replace(window, decoded=decoded))
        return [*found, *windows[len(found) :]]

    async def read(
        self, plan: Plan, windows: Sequence[WindowResult], stop: asyncio.Event
    ) -> list[WindowResult]:
        """Return the windows with the barcodes of their streams, none after ``stop``."""
        if plan.options.latency != "barcode":
            return list(windows)
        found = []
        for window, streams in zip(windows, self.kept, strict=False):
            barcodes = [
                await _unless_stopped(
                    barcode_sample.read(one, plan, self.ledger, self._captures),
                    BarcodeStream(one.stream, self._subscriber(one.stream), fault=_INTERRUPTED),
                    stop,
                )
                for one in streams.values()
            ]
            found.append(replace(window, barcodes=barcodes))
        return [*found, *windows[len(found) :]]

    def _subscriber(self, stream: int) -> int:
        return self.ledger.expected[stream].subscriber.index

    def _has_own_clock(self, stream: int) -> bool:
        """Return whether the frames of a stream have the clock of this swarm."""
        publisher = self.ledger.expected[stream].publisher
        return publisher is not None and self.ledger.plan.is_own(publisher)

    async def _take(self) -> None:
        while True:
            await asyncio.sleep(_TAKE_EVERY_S)
            await self._take_all()

    async def _take_all(self) -> list[int]:
        """Take frames of all streams; return those that have not ended."""
        open_streams = []
        await self._captures.take()
        for stream in self.ledger.sampled:
            # a stream that has ended is refused
            with contextlib.suppress(MachineError):
                taken = await self.swarm.request(TakeFrames(stream=stream), TakenFrames)
                self._keep(stream, taken)
                open_streams.append(stream)
        return open_streams

    def _keep(self, stream: int, taken: TakenFrames) -> None:
        """Append frames to the file of the stream, as far as its bound allows."""
        window, number = self.kept[-1], len(self.kept)
        sampled = window.get(stream) or SampledStream(stream, self.folder / f"{number}-{stream}")
        records = [
            spool.record(
                SpooledFrame(
                    *(one.number, one.tick, one.encoding, one.after_drop, one.payload),
                    *(one.identified, one.keyframe, one.completed_ns),
                )
            )
            for one in taken.frames
        ]
        kept: list[bytes] = []
        size = sampled.size
        for each in records:
            if size + len(each) > _MOST_BYTES:
                break
            kept.append(each)
            size += len(each)
        fault = sampled.fault or _appended(sampled.path, kept)
        if fault:
            kept.clear()
        over = len(records) - len(kept)
        window[stream] = replace(
            sampled,
            frames=sampled.frames + len(kept),
            # a file that is full takes no later frames: they would follow a gap of its own
            size=_MOST_BYTES if over else size,
            dropped=taken.dropped,
            over=sampled.over + over,
            unidentified=taken.unidentified,
            fault=fault,
        )


async def _unless_stopped(
    work: Coroutine[Any, Any, Result], otherwise: Result, stop: asyncio.Event
) -> Result:
    """Return the result of the work, or something else once ``stop`` is set, which cancels it."""
    if stop.is_set():
        work.close()
        return otherwise
    try:
        return await unless_stopped(work, stop)
    except StoppedError:
        return otherwise


def write_all(file: BufferedWriter, records: Iterable[bytes]) -> None:
    """Write records, flushed: a full disk is an error here."""
    file.writelines(records)
    file.flush()


def _appended(path: Path, records: Iterable[bytes]) -> str:
    """Append records to a file whole, or none of them; return why not, empty where done."""
    before = path.stat().st_size if path.exists() else 0
    try:
        with path.open("ab") as file:
            write_all(file, records)
    except OSError as error:
        with contextlib.suppress(OSError):
            os.truncate(path, before)
        return f"its frames could not be kept in {path.parent}: {error.strerror}"
    return ""


def _reason_without_frames(sampled: SampledStream, codec: str) -> str:
    if not sampled.unidentified:
        return "no keyframe was decodable"
    if codec == "vp9":
        return "no abs-capture-time of its publisher in its packets"
    return "no frame id in its frames"


async def _compared(sampled: SampledStream, plan: Plan, ledger: Ledger) -> DecodedStream:
    """Compare one stream in a process of its own, which hostile frames may end."""
    publisher = ledger.expected[sampled.stream].publisher
    if publisher is None:
        return DecodedStream(sampled, None, "its publisher is not in the plan")
    codec = plan.codec_of(publisher)
    if sampled.fault and not sampled.frames:
        return DecodedStream(sampled, None, sampled.fault)
    if not sampled.frames:
        return DecodedStream(sampled, None, _reason_without_frames(sampled, codec))
    clips = [str(cache.path(codec, encoding.clip)) for encoding in plan.encodings]
    end_tick = "" if sampled.end_tick is None else str(sampled.end_tick)
    arguments = (str(sampled.path), end_tick, *clips)
    found = await decoder_process.run("sfukit.media.compare", arguments)
    if found.output is None:
        return DecodedStream(sampled, None, found.fault)
    return DecodedStream(sampled, msgspec.json.decode(found.output, type=Comparison))
