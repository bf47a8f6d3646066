"""The drawn scene: a moving pattern, grain, a clock and the barcode of the tick.

A tick gives the same scene at every size, as simulcast encodings of one source do, and the scene
repeats after `LOOP_TICKS`. Raw frames are YUV 4:2:0 in limited range, one array of
(height * 3 / 2, width) with the planes Y, U, V below each other: the layout "yuv420p" of PyAV.
"""

import math

import numpy as np
import numpy.typing as npt

from sfukit.media import barcode
from sfukit.media.catalog import LOOP_TICKS, TICKS_PER_SECOND

RawFrame = npt.NDArray[np.uint8]
Field = npt.NDArray[np.float32]

GRAIN_SIGMA = 2.0
GRAIN_FIELDS = 8
SEED = 5

# 5x7 dots per glyph, one number per row, the leftmost dot in the highest of five bits
GLYPHS = {
    "0": (14, 17, 19, 21, 25, 17, 14),
    "1": (4, 12, 4, 4, 4, 4, 14),
    "2": (14, 17, 1, 2, 4, 8, 31),
    "3": (31, 2, 4, 2, 1, 17, 14),
    "4": (2, 6, 10, 18, 31, 2, 2),
    "5": (31, 16, 30, 1, 1, 17, 14),
    "6": (6, 8, 16, 30, 17, 17, 14),
    "7": (31, 1, 2, 4, 8, 8, 8),
    "8": (14, 17, 17, 14, 17, 17, 14),
    "9": (14, 17, 17, 15, 1, 2, 12),
    ":": (0, 4, 4, 0, 4, 4, 0),
    ".": (0, 0, 0, 0, 0, 12, 12),
}
GLYPH_COLUMNS = 6  # with the gap to the next
GLYPH_ROWS = 7


class Scene:
    """The scene at one frame size; coordinates and grain are computed once for all frames."""

    def __init__(self, width: int, height: int) -> None:
        if width % 2 or height % 2:
            raise ValueError(f"4:2:0 frames have even sides, not {width}x{height}")
        self.width, self.height = width, height
        self._x = np.linspace(0, width / height, width, dtype=np.float32)[None, :]
        self._y = np.linspace(0, 1, height, dtype=np.float32)[:, None]
        random = np.random.default_rng(SEED)
        shape = (GRAIN_FIELDS, height, width)
        self._grain: Field = (random.standard_normal(shape) * GRAIN_SIGMA).astype(np.float32)

    def frame(self, tick: int) -> RawFrame:
        """Draw the frame of `tick` (1/30 s), modulo `LOOP_TICKS`: scene, clock and barcode."""
        step = tick % LOOP_TICKS
        phase = 2 * math.pi * step / LOOP_TICKS
        luma = self._pattern(phase) + self._ball(phase)
        luma += self._grain[tick % GRAIN_FIELDS]
        frame = np.empty((self.height * 3 // 2, self.width), dtype=np.uint8)
        plane = frame[: self.height]
        np.clip(luma, barcode.BLACK, barcode.WHITE, out=luma)
        plane[:] = luma
        draw_text(plane, clock(step), self.height // 60)
        barcode.draw(plane, step)
        self._colour(frame[self.height :], phase)
        return frame

    def _pattern(self, phase: float) -> Field:
        waves = np.sin(9 * self._x + phase) * np.cos(7 * self._y - 2 * phase)
        stripes = np.sin(40 * (self._x + self._y) + 3 * phase)
        return np.asarray(110 + 45 * waves + 12 * stripes, dtype=np.float32)

    def _ball(self, phase: float) -> Field:
        x = self._x - self.width / self.height * (0.5 + 0.35 * math.cos(phase))
        y = self._y - (0.55 + 0.25 * math.sin(2 * phase))
        distance = np.sqrt(x * x + y * y)
        return np.asarray(np.clip((0.16 - distance) * 900, 0, 90), dtype=np.float32)

    def _colour(self, chroma: RawFrame, phase: float) -> None:
        x, y = self._x[:, ::2], self._y[::2]
        blue = 128 + 40 * np.sin(3 * x + phase) + 0 * y
        red = 128 + 40 * np.cos(3 * y - phase) + 0 * x
        chroma[:] = np.concatenate([blue.ravel(), red.ravel()]).reshape(chroma.shape)


def clock(tick: int) -> str:
    """Format a tick as minutes:seconds.frames."""
    seconds, frames = divmod(tick, TICKS_PER_SECOND)
    return f"{seconds // 60:02}:{seconds % 60:02}.{frames:02}"


def draw_text(luma: RawFrame, text: str, dot: int) -> None:
    """Write `text` at the lower left in dots of `dot` pixels, white on a black box, in place."""
    dots = np.zeros((GLYPH_ROWS + 2, GLYPH_COLUMNS * len(text) + 1), dtype=bool)
    for position, letter in enumerate(text):
        for row, bits in enumerate(GLYPHS[letter]):
            for column in range(5):
                dots[row + 1, position * GLYPH_COLUMNS + column + 1] = bits >> (4 - column) & 1
    box = np.where(np.kron(dots, np.ones((dot, dot), dtype=bool)), barcode.WHITE, barcode.BLACK)
    bottom = luma.shape[0] - 4 * dot
    luma[bottom - box.shape[0] : bottom, 4 * dot : 4 * dot + box.shape[1]] = box
