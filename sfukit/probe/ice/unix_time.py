"""Times since 1970 in records, in whatever unit they are: told by their size."""

from typing import Any

_SINCE_S = 1e9  # 2001
_UNTIL_S = 1e10  # 2286
_UNITS_S = (1.0, 1e-3, 1e-6, 1e-9)


def seconds(value: Any) -> float | None:
    """Read seconds, milliseconds, microseconds or nanoseconds; None for what is no such time.

    Browsers write milliseconds, native libwebrtc microseconds.
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    for unit_s in _UNITS_S:
        if _SINCE_S <= value * unit_s < _UNTIL_S:
            return float(value * unit_s)
    return None
