"""The common start of several processes (``--start-at``): a time of the wall clock."""

import time
from datetime import UTC, datetime

from sfukit import units
from sfukit.errors import UsageError

_LONGEST_WAIT_S = 86_400.0
_GRAMMAR = "give an RFC 3339 time (2026-05-01T12:00:00Z), seconds since 1970, or +30s"


def parse(text: str, now_s: float, where: str = "--start-at") -> float:
    """Read a time; return seconds since 1970. Raises ``UsageError`` where it is over."""
    at_s = _read(text, now_s, where)
    if not at_s - now_s <= _LONGEST_WAIT_S:
        raise UsageError(f"{where} {text}: more than a day from now", hint=_GRAMMAR)
    if at_s < now_s:
        raise UsageError(f"{where} {text}: was {now_s - at_s:.1f} s ago", hint="give a later time")
    return at_s


def left_s(at_s: float | None) -> float:
    """Return the seconds until a start; 0 without one.

    Raises ``UsageError`` where the start was missed, as the others started without this process.
    """
    if at_s is None:
        return 0.0
    left = at_s - time.time()
    if left < 0:
        raise UsageError(
            f"the start was {-left:.1f} s ago: this process was not ready in time",
            hint="give a later --start-at",
        )
    return left


def show(at_s: float) -> str:
    """Return a start as RFC 3339 in UTC."""
    return datetime.fromtimestamp(at_s, UTC).isoformat(timespec="milliseconds")


def _read(text: str, now_s: float, where: str) -> float:
    if text.startswith("+"):
        return now_s + units.duration_s(text[1:], where)
    if text.replace(".", "", 1).isascii() and text.replace(".", "", 1).isdigit():
        return float(text[:30])
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise UsageError(f"{where} {text}: not a time", hint=_GRAMMAR) from error
    if found.tzinfo is None:
        raise UsageError(f"{where} {text}: without a time zone", hint=f"give {text}Z for UTC")
    return found.timestamp()
