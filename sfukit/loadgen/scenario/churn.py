"""Churn: the share of clients that leave and are replaced per minute (``--churn 2%/m``)."""

from collections.abc import Mapping

from sfukit import units
from sfukit.errors import UsageError

_PERIODS_S: Mapping[str, float] = {"s": 1.0, "m": 60.0, "h": 3600.0}
_GRAMMAR = "give a share per time, such as 2%/m"
_MOST_PER_S = 0.1  # each client stays 10 s


def parse(text: str, where: str = "--churn") -> float:
    """Read a share per time. Returns the share per second."""
    share, slash, period = text.partition("/")
    if not slash or period.strip() not in _PERIODS_S:
        raise UsageError(f"{where} {text}: no share per time", hint=_GRAMMAR)
    per_s = units.convert(share, "ratio", where) / _PERIODS_S[period.strip()]
    if not 0 < per_s <= _MOST_PER_S:
        raise UsageError(f"{where} {text}: out of range", hint="give above 0 and up to 600%/m")
    return per_s


def show(per_s: float) -> str:
    """Return churn as it is given."""
    return f"{per_s * 6000:.3g}%/m"
