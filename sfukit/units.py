"""Read and write quantities with units: durations, rates, bitrates, sizes, ratios."""

import re
from collections.abc import Mapping

from sfukit.errors import UsageError

_NUMBER = re.compile(r"\s*([0-9]+(?:\.[0-9]+)?|\.[0-9]+)\s*([A-Za-z%/]*)\s*")

_SECONDS: Mapping[str, float] = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_PER_SECOND: Mapping[str, float] = {"/s": 1.0, "/m": 1 / 60, "/h": 1 / 3600}
_BITS: Mapping[str, float] = {"k": 1e3, "kbps": 1e3, "m": 1e6, "mbps": 1e6, "g": 1e9, "bps": 1.0}
_BYTES: Mapping[str, float] = {
    "b": 1,
    "k": 1e3,
    "kb": 1e3,
    "m": 1e6,
    "mb": 1e6,
    "g": 1e9,
    "gb": 1e9,
    "kib": 2**10,
    "mib": 2**20,
    "gib": 2**30,
}
_RATIO: Mapping[str, float] = {"": 1.0, "%": 0.01}


def duration_s(text: str, where: str) -> float:
    """Read a duration such as ``60s``, ``1m`` or ``250ms``; a bare number is seconds."""
    return _quantity(text, where, {"": 1.0, **_SECONDS}, "a duration such as 60s, 1m or 250ms")


def duration_ms(text: str, where: str) -> float:
    """Read a short duration such as ``50ms``; a bare number is milliseconds. Returns ms."""
    factors = {"": 1.0, **{unit: factor * 1e3 for unit, factor in _SECONDS.items()}}
    return _quantity(text, where, factors, "a duration such as 50ms or 1s")


def rate_per_s(text: str, where: str) -> float:
    """Read a rate such as ``20/s`` or ``100/m``; a bare number is per second."""
    rate = _quantity(text, where, {"": 1.0, **_PER_SECOND}, "a rate such as 20/s or 100/m")
    if rate <= 0:
        raise UsageError(f"{where}: the rate must be above 0", hint="try 20/s")
    return rate


def bitrate_bps(text: str, where: str) -> int:
    """Read a bitrate such as ``1.7M`` or ``500k``; a bare number is bit/s."""
    expected = "a bitrate such as 500k or 1.7M"
    bitrate = round(_quantity(text, where, {"": 1.0, **_BITS}, expected, fold=True))
    if bitrate <= 0:
        raise UsageError(f"{where}: the bitrate must be above 0", hint=f"give {expected}")
    return bitrate


def ratio(text: str, where: str) -> float:
    """Read a share such as ``2%`` or ``0.02``. Returns 0..1."""
    share = _quantity(text, where, _RATIO, "a share such as 2% or 0.02")
    if share > 1:
        raise UsageError(f"{where}: {text} is above 100%", hint="give 0..1 or 0%..100%")
    return share


def number(text: str, where: str, expected: str) -> float:
    """Read a number without a unit, not below 0."""
    return _quantity(text, where, {"": 1.0}, expected)


def size_bytes(text: str, where: str) -> int:
    """Read a size such as ``512KiB`` or ``8M``; a bare number is bytes."""
    return round(_quantity(text, where, {"": 1.0, **_BYTES}, "a size such as 512KiB", fold=True))


def convert(text: str, unit: str, where: str) -> float:
    """Read a quantity in the unit of a metric; a bare number is in that unit."""
    match unit:
        case "ms":
            return duration_ms(text, where)
        case "s":
            return duration_s(text, where)
        case "ratio":
            return _quantity(text, where, _RATIO, "a share such as 0.5% or 0.005")
        case "bit/s":
            return _quantity(text, where, {"": 1.0, **_BITS}, "a bitrate", fold=True)
        case "bytes":
            return float(size_bytes(text, where))
        case _:
            return _quantity(text, where, {"": 1.0, unit: 1.0}, f"a number of {unit}")


def show_duration(seconds: float) -> str:
    """Return seconds for display: ``45 s``, ``1m35``, ``2h05``."""
    whole = round(seconds)
    if whole < 60:
        return f"{seconds:.3g} s"
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02d}"
    return f"{whole // 3600}h{whole % 3600 // 60:02d}"


def show_bitrate(bps: float) -> str:
    """Return bit/s for display: ``480 kb/s``, ``1.7 Mb/s``."""
    if bps < 999_500:  # what rounds to 1,000 kb/s is 1 Mb/s
        return f"{bps / 1e3:.3g} kb/s"
    return f"{bps / 1e6:.3g} Mb/s" if bps < 1e8 else f"{bps / 1e6:,.0f} Mb/s"


def show_size(size: float) -> str:
    """Return bytes for display: ``212 MiB``."""
    for unit, factor in (("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10)):
        if size >= factor:
            return f"{size / factor:.3g} {unit}"
    return f"{size:.0f} B"


def _quantity(
    text: str, where: str, factors: Mapping[str, float], expected: str, *, fold: bool = False
) -> float:
    match = _NUMBER.fullmatch(text)
    unit = match[2].lower() if match and fold else match[2] if match else ""
    if match is None or unit not in factors:
        raise UsageError(f"{where}: cannot read {text!r}", hint=f"give {expected}")
    return float(match[1]) * factors[unit]
