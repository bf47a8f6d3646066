"""The video track of the generated scene, and the reader of its decoded frames."""

import asyncio
import time
from fractions import Fraction

import numpy as np
from aiortc import MediaStreamTrack, VideoStreamTrack
from aiortc.mediastreams import MediaStreamError
from av import VideoFrame

from sfukit.loadgen.latency.independent.frame_log import CLOCK_RATE, FrameLog
from sfukit.media import barcode
from sfukit.media.catalog import LOOP_TICKS, TICKS_PER_SECOND
from sfukit.media.draw import Scene

# Small, since drawing, encoding and decoding share the machine with what is measured.
WIDTH, HEIGHT = 320, 180
_TICK_CLOCK = CLOCK_RATE // TICKS_PER_SECOND


def drawn_loop() -> list[np.ndarray]:
    """Draw all frames of the scene: 26 MB, so that no frame is late for its drawing."""
    scene = Scene(WIDTH, HEIGHT)
    return [scene.frame(tick) for tick in range(LOOP_TICKS)]


class SceneTrack(VideoStreamTrack):
    """One frame per tick, each due at its scheduled capture."""

    def __init__(self, loop_frames: list[np.ndarray], log: FrameLog, late_ms: list[float]) -> None:
        super().__init__()
        self._loop_frames = loop_frames
        self._log = log
        self._late_ms = late_ms
        self._started_s: float | None = None
        self._tick = -1

    async def recv(self) -> VideoFrame:
        """Wait for the next tick; ticks that passed meanwhile are left out, as by a camera."""
        now_s = time.monotonic()
        if self._started_s is None:
            self._started_s = now_s
        self._tick = max(self._tick + 1, int((now_s - self._started_s) * TICKS_PER_SECOND))
        due_s = self._started_s + self._tick / TICKS_PER_SECOND
        await asyncio.sleep(max(0.0, due_s - now_s))
        self._late_ms.append(max(0.0, time.monotonic() - due_s) * 1000)
        self._log.captured(self._tick, due_s)
        raw = self._loop_frames[self._tick % LOOP_TICKS]
        frame = VideoFrame.from_ndarray(raw, format="yuv420p")
        frame.pts, frame.time_base = self._tick * _TICK_CLOCK, Fraction(1, CLOCK_RATE)
        return frame


async def read_frames(track: MediaStreamTrack, log: FrameLog) -> None:
    """Note each decoded frame until the track ends."""
    while True:
        try:
            frame = await track.recv()
        except MediaStreamError:
            return
        at_s = time.monotonic()
        if isinstance(frame, VideoFrame) and frame.pts is not None:
            log.decoded(frame.pts, _number(frame), at_s)


def _number(frame: VideoFrame) -> int | None:
    """Return the number of the barcode, from the luma plane alone."""
    plane = frame.planes[0]
    luma = np.frombuffer(memoryview(plane), dtype=np.uint8).reshape(-1, plane.line_size)
    return barcode.read(luma[: frame.height, : frame.width])
