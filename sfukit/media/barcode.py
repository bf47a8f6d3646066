"""The number of a frame as a barcode in its luma plane, which survives any encoder.

32 cells in one row: 16 bits of the number, most significant first, then their complement. A cell
is 8 pixels wide at 320x180 and scales with the height; it can be read down to about 30 kb/s.
"""

import numpy as np
import numpy.typing as npt

Plane = npt.NDArray[np.uint8]

BITS = 16
CELLS = 2 * BITS
BLACK, WHITE = 16, 235
REFERENCE_HEIGHT = 180
MARGIN_CELLS = 1
ROWS_CELLS = 2  # a cell is twice as high as wide


def cell_pixels(height: int) -> int:
    """Return the width of a cell in pixels for a frame of this height."""
    return max(8, 8 * height // REFERENCE_HEIGHT)


def draw(luma: Plane, number: int) -> None:
    """Write `number` (its low 16 bits) into a luma plane of at least 272x24 pixels, in place."""
    value = number & 0xFFFF
    bits = np.array([value >> (BITS - 1 - i) & 1 for i in range(BITS)], dtype=np.uint8)
    cells = np.where(np.concatenate([bits, 1 - bits]) == 1, WHITE, BLACK).astype(np.uint8)
    side = cell_pixels(luma.shape[0])
    top = left = side * MARGIN_CELLS
    luma[top : top + side * ROWS_CELLS, left : left + side * CELLS] = np.repeat(cells, side)


def read(luma: Plane) -> int | None:
    """Read the number of a frame; None where its luma plane has no readable barcode."""
    side = cell_pixels(luma.shape[0])
    top = left = side * MARGIN_CELLS
    row = luma[top : top + side * ROWS_CELLS, left : left + side * CELLS]
    if row.shape != (side * ROWS_CELLS, side * CELLS):
        return None
    # the outer quarter of a cell is where the encoder smears it
    cells = row.reshape(side * ROWS_CELLS, CELLS, side)
    inner = cells[side // 4 : -side // 4, :, side // 4 : side - side // 4]
    bits = inner.mean(axis=(0, 2)) > (BLACK + WHITE) / 2
    if np.any(bits[:BITS] == bits[BITS:]):
        return None
    return int("".join("1" if bit else "0" for bit in bits[:BITS]), 2)
