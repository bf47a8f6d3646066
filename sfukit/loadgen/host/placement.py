"""The cores of the server and of the load generator (``--pin auto|off|exchange|S:L``)."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

from sfukit.errors import UsageError
from sfukit.machine import ENOUGH_TO_SPLIT

_GRAMMAR = "give auto, off, exchange, or two lists of cores such as 0:1 or 0-1:2-3"
EXCHANGE = "exchange"


class Cores(NamedTuple):
    """The cores of each side; ``cores_swapped`` if their media threads swap them."""

    pin: str
    server: tuple[int, ...]
    swarm: tuple[int, ...]
    cores_swapped: bool = False

    @property
    def disjoint(self) -> bool:
        """Whether the sides share no core."""
        return not set(self.server) & set(self.swarm)


def place(pin: str, usable: Sequence[int], *, server_here: bool) -> Cores:
    """Return the cores of each side.

    ``auto`` splits the cores where each side gets at least two; on fewer, a fixed split would
    starve the side that needs more than its half, so the kernel places both. ``exchange`` gives
    each of the two media threads a core and swaps these: it moves threads of the server under
    test, so it is a mode of its own, and no part of ``auto``.
    """
    everywhere = tuple(usable)
    if ":" in pin:
        server, _, swarm = pin.partition(":")
        return Cores(pin, _cores(server, pin, usable), _cores(swarm, pin, usable))
    if pin not in ("auto", "off", EXCHANGE):
        raise UsageError(f"--pin {pin}: unknown value", hint=_GRAMMAR)
    if pin == EXCHANGE:
        return _exchanged(everywhere, server_here=server_here)
    if not server_here:
        return Cores(pin, (), everywhere)
    if pin == "off" or len(everywhere) < ENOUGH_TO_SPLIT:
        return Cores(pin, everywhere, everywhere)
    half = len(everywhere) // 2
    return Cores(pin, everywhere[:half], everywhere[half:])


def _exchanged(usable: tuple[int, ...], *, server_here: bool) -> Cores:
    """Return the cores of ``exchange``, of which the first two are swapped."""
    if not server_here:
        raise UsageError(
            "--pin exchange moves threads of the private server",
            hint="give no target, or leave --pin out",
        )
    if len(usable) < 2:
        raise UsageError("--pin exchange needs two cores", hint="leave --pin out")
    return Cores(EXCHANGE, usable, usable, cores_swapped=True)


@contextmanager
def running_on(cores: Sequence[int]) -> Iterator[None]:
    """Pin this thread, and the threads and processes that it starts, to ``cores``."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def _cores(text: str, pin: str, usable: Sequence[int]) -> tuple[int, ...]:
    """Return the cores of a list such as ``0,2-3``."""
    found: set[int] = set()
    for part in text.split(","):
        first, dash, last = part.partition("-")
        if not first.isdecimal() or (dash and not last.isdecimal()):
            raise UsageError(f"--pin {pin}: cannot read {text!r}", hint=_GRAMMAR)
        found.update(range(int(first), int(last or first) + 1))
    missing = sorted(found - set(usable))
    if missing or not found:
        raise UsageError(
            f"--pin {pin}: no such core: {', '.join(map(str, missing))}",
            hint=f"usable: {', '.join(map(str, usable))}",
        )
    return tuple(sorted(found))
