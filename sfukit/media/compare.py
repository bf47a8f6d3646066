"""Decode a received stream and compare it with its clips: ``python -m sfukit.media.compare``.

It runs in a process of its own after the run: decoders take a core, and the bytes are those of a
server. The arguments are the file of frames (`spool`), the capture tick at which the window ended
(empty where the stream ended before it) and the clips by encoding index; the `Comparison` is
written to standard output as JSON.

Frames of VP9 have no frame number: they are found in the clip by their bytes, which no SFU changes.

What is compared is what a viewer sees: a frame that the receiver could not decode repeats the one
before, beside the frame of the clip that was due at that time.
"""

import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import av
import msgspec
import numpy as np

from sfukit.media import decode, ivf
from sfukit.media.draw import RawFrame
from sfukit.media.similarity import PSNR_CAP_DB, capped_psnr_db, ssim
from sfukit.media.spool import Comparison, SpooledFrame, frames

_TICKS_PER_S = 10_000
_TICK_MASK = 0xFFFFFFFF
_IN_FLIGHT_TICKS = _TICKS_PER_S // 2
_MOST_PIXELS = 4 * 1920 * 1080
_UNNUMBERED = "VP90"
_MOST_REPEATED = 300  # after one frame: ten seconds of a freeze


class Shown(NamedTuple):
    """A decoded frame: what it is, and its image."""

    frame: SpooledFrame
    image: RawFrame


class Clips:
    """The decoded frames of the clips, by encoding index; each clip is decoded once."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self._clips = [ivf.read(path) for path in paths]
        self._decoded: dict[int, list[RawFrame]] = {}
        self._positions: dict[int, dict[bytes, list[int]]] = {}

    @property
    def fourcc(self) -> str:
        """The codec of all clips."""
        return self._clips[0].fourcc

    def frame(self, encoding: int, number: int) -> RawFrame | None:
        """Return the frame of the clip; None where no clip has the encoding."""
        if encoding >= len(self._clips):
            return None
        if encoding not in self._decoded:
            self._decoded[encoding] = list(decode.clip_frames(self._clips[encoding]))
        loop = self._decoded[encoding]
        return loop[number % len(loop)]

    def numbered(self, frame: SpooledFrame, before: int) -> SpooledFrame | None:
        """Return a frame with its number; None where no clip has it.

        Of several equal frames it is the next one after number ``before``.
        """
        if self.fourcc != _UNNUMBERED:
            return frame
        if frame.encoding >= len(self._clips):
            return None
        loop = self._clips[frame.encoding].frames
        if frame.encoding not in self._positions:
            positions = self._positions.setdefault(frame.encoding, {})
            for at, one in enumerate(loop):
                positions.setdefault(one.payload, []).append(at)
        found = self._positions[frame.encoding].get(frame.payload, ())
        number = min(found, key=lambda at: (at - before - 1) % len(loop), default=None)
        return None if number is None else frame._replace(number=number)

    def frames_between(self, earlier: SpooledFrame, later: SpooledFrame) -> int:
        """Return how many frames were due between two, by their capture times."""
        ticks = (later.tick - earlier.tick) & _TICK_MASK
        if ticks > _TICK_MASK // 2 or earlier.encoding >= len(self._clips):
            return 0
        clip = self._clips[earlier.encoding]
        due = round(ticks / _TICKS_PER_S * clip.rate / clip.scale)
        return max(0, min(due - 1, _MOST_REPEATED))


class Tally:
    """The values of the frames so far."""

    def __init__(self) -> None:
        self.psnr: list[float] = []
        self.ssim: list[float] = []
        self.lossless = self.repeated = self.undecodable = 0

    def compare(self, image: RawFrame, source: RawFrame | None) -> None:
        """Compare a image with the frame that was due, where a clip has it."""
        if source is None:
            return
        if np.array_equal(image, source):
            self.lossless += 1
            self.psnr.append(PSNR_CAP_DB)
            self.ssim.append(1.0)
        elif image.shape == source.shape:
            shown, due = decode.luma(image), decode.luma(source)
            self.psnr.append(round(capped_psnr_db(shown, due), 3))
            self.ssim.append(round(ssim(shown, due), 5))
        else:
            self.undecodable += 1

    def result(self) -> Comparison:
        return Comparison(self.psnr, self.ssim, self.lossless, self.repeated, self.undecodable)


def compare(
    received: Iterable[SpooledFrame], clips: Clips, end_tick: int | None = None
) -> Comparison:
    """Decode the frames of a stream and compare them with its clips.

    The last frame is shown until half a second before ``end_tick``: later frames may be on their
    way.
    """
    tally = Tally()
    before: Shown | None = None
    for shown in _decoded(received, clips, tally):
        if before is not None and not shown.frame.after_drop:
            _repeat(before, shown.frame, clips, tally)
        if not shown.frame.identified:  # which frame it is, only its barcode tells
            before = None
            continue
        tally.compare(shown.image, clips.frame(shown.frame.encoding, shown.frame.number))
        before = shown
    if before is not None and end_tick is not None:
        end = before.frame._replace(tick=(end_tick - _IN_FLIGHT_TICKS) & _TICK_MASK)
        _repeat(before, end, clips, tally)
    return tally.result()


def _repeat(before: Shown, later: SpooledFrame, clips: Clips, tally: Tally) -> None:
    """Compare a frame with those that were due while it was still shown."""
    earlier = before.frame
    for nth in range(1, clips.frames_between(earlier, later) + 1):
        source = clips.frame(earlier.encoding, earlier.number + nth)
        tally.repeated += 1
        tally.compare(before.image, source)


def _decoded(received: Iterable[SpooledFrame], clips: Clips, tally: Tally) -> Iterator[Shown]:
    """Decode frames one by one; a frame that the decoder refuses is counted and not shown."""
    decoder = one_frame_decoder(clips.fourcc)
    number = -1
    for frame in received:
        if frame.after_drop:
            decoder = one_frame_decoder(clips.fourcc)
        try:
            # an empty packet would end the decoder
            decoded = decoder.decode(av.Packet(frame.payload)) if frame.payload else []
        except av.error.FFmpegError:
            decoded = []
        numbered = clips.numbered(frame, number)
        if not decoded or numbered is None:
            tally.undecodable += 1
            continue
        number = numbered.number
        yield Shown(numbered, decode.raw_frame(decoded[-1]))


def one_frame_decoder(fourcc: str) -> av.VideoCodecContext:
    """Return a decoder that has an image for each frame at once."""
    decoder = av.CodecContext.create(decode.DECODERS[fourcc], "r")
    assert isinstance(decoder, av.VideoCodecContext)
    decoder.thread_count = 1
    decoder.flags |= av.codec.context.Flags.low_delay  # an image for each frame, at once
    decoder.options = {"max_pixels": str(_MOST_PIXELS)}
    return decoder


def main(arguments: Sequence[str]) -> None:
    spool, end_tick, *paths = arguments
    clips = Clips([Path(path) for path in paths])
    found = compare(frames(Path(spool)), clips, int(end_tick) if end_tick else None)
    sys.stdout.buffer.write(msgspec.json.encode(found))


if __name__ == "__main__":
    main(sys.argv[1:])
