"""Unix times in records, whose unit is inferred from the magnitude."""

from typing import Any

_SINCE_S = 1e9  # 2001
_UNTIL_S = 1e10  # 2286
_UNITS_S = (1.0, 1e-3, 1e-6, 1e-9)


def seconds(value: Any) -> float | None:
    """Convert s, ms, us or ns since 1970 to seconds; None for other values.

    Browsers write milliseconds, native libwebrtc microseconds.
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    for unit_s in _UNITS_S:
        if _SINCE_S <= value * unit_s < _UNTIL_S:
            return float(value * unit_s)
    return None
