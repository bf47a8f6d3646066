"""Sparklines: the last values of a series as one line of blocks."""

from collections.abc import Sequence

_BLOCKS = "▁▂▃▄▅▆▇█"
_GAP = " "


def sparkline(values: Sequence[float | None], width: int) -> str:
    """Return the last values as blocks from 0 to the highest of them; None is a gap."""
    shown = values[-width:] if width > 0 else ()
    highest = max((value for value in shown if value is not None), default=0.0)
    return "".join(_block(value, highest) for value in shown).ljust(max(0, width))


def _block(value: float | None, highest: float) -> str:
    if value is None:
        return _GAP
    share = value / highest if highest > 0 else 0.0
    return _BLOCKS[min(len(_BLOCKS) - 1, int(share * len(_BLOCKS)))]
