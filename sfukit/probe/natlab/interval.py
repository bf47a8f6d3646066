"""Confidence intervals of shares."""

import math

_Z_95 = 1.959964


def wilson(hits: float, runs: int) -> tuple[float, float]:
    """Bound a share with 95 % confidence (Wilson 1927); ratios 0..1, (0, 1) without runs."""
    if runs == 0:
        return 0.0, 1.0
    share, z2 = hits / runs, _Z_95**2
    centre = (share + z2 / (2 * runs)) / (1 + z2 / runs)
    half = _Z_95 / (1 + z2 / runs) * math.sqrt(share * (1 - share) / runs + z2 / (4 * runs**2))
    low = 0.0 if hits == 0 else max(0.0, centre - half)
    high = 1.0 if hits == runs else min(1.0, centre + half)
    return low, high
