"""PSNR and SSIM of two luma planes (numpy, the extra `media`)."""

import numpy as np
import numpy.typing as npt

from sfukit.media.decode import psnr_db
from sfukit.media.draw import RawFrame

PSNR_CAP_DB = 60.0
"""The PSNR of identical frames, which is infinite."""

_PEAK = 255.0
_C1, _C2 = (0.01 * _PEAK) ** 2, (0.03 * _PEAK) ** 2
_BLOCK = 4
_WINDOW_PIXELS = (2 * _BLOCK) ** 2

Sums = npt.NDArray[np.float64]


def capped_psnr_db(decoded: RawFrame, source: RawFrame) -> float:
    """Return the PSNR in dB, at most ``PSNR_CAP_DB``."""
    return min(psnr_db(decoded, source), PSNR_CAP_DB)


def ssim(decoded: RawFrame, source: RawFrame) -> float:
    """Return the mean SSIM over windows of 8 x 8 pixels in steps of 4 (Wang et al. 2004)."""
    one, other = decoded.astype(np.float64), source.astype(np.float64)
    sum_one, sum_other = _window_sums(one), _window_sums(other)
    squares = _window_sums(one * one + other * other)
    products = _window_sums(one * other)
    means = sum_one * sum_other / _WINDOW_PIXELS
    mean_squares = (sum_one * sum_one + sum_other * sum_other) / _WINDOW_PIXELS
    variance = (squares - mean_squares) / (_WINDOW_PIXELS - 1)
    covariance = (products - means) / (_WINDOW_PIXELS - 1)
    luminance = (2 * means / _WINDOW_PIXELS + _C1) / (mean_squares / _WINDOW_PIXELS + _C1)
    structure = (2 * covariance + _C2) / (variance + _C2)
    return float(np.mean(luminance * structure))


def _window_sums(plane: Sums) -> Sums:
    """Return the sums of all windows; columns and rows beyond a multiple of 4 are left out."""
    rows, columns = (size // _BLOCK for size in plane.shape)
    blocks = plane[: rows * _BLOCK, : columns * _BLOCK].reshape(rows, _BLOCK, columns, _BLOCK)
    sums: Sums = blocks.sum(axis=(1, 3))
    return sums[:-1, :-1] + sums[1:, :-1] + sums[:-1, 1:] + sums[1:, 1:]
