"""Encoding that is stopped between two frames: it runs in a thread, which cannot be cancelled."""

from collections.abc import Callable

Stopped = Callable[[], bool]


class EncodingStoppedError(Exception):
    """The clip was not encoded, since it is not needed any more."""


def never() -> bool:
    """Return False: nothing stops the encoding."""
    return False
