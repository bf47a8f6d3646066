"""Release of unused memory: reference cycles, free pages of the allocator."""

import ctypes
import gc

_THRESHOLDS = (1_000, 5, 1_000)  # of the generations: the second has about 6,000 objects
_SECOND = 1
_MIN_ENDED = 2_000


class ShortCollections:
    """Keep the pauses for garbage collection short, however many participants there are.

    A collection of the oldest generation visits every object, half a second for 5,000
    participants, and no request is answered meanwhile. So what survives the second generation is
    frozen, and no collection visits it again. Objects without references are freed at once, frozen
    or not; the reference cycles that ended participants and requests leave are freed when these are
    as many as the present ones.
    """

    def __init__(self) -> None:
        self._thresholds: tuple[int, int, int] | None = None
        self._ended_before = 0

    def start(self) -> None:
        """Freeze the objects so far, and those that survive further collections."""
        self._thresholds = gc.get_threshold()
        gc.set_threshold(*_THRESHOLDS)
        gc.callbacks.append(_freeze_survivors)
        collect_garbage()
        gc.freeze()

    def stop(self) -> None:
        """Restore the settings of the interpreter."""
        if self._thresholds is not None:
            gc.callbacks.remove(_freeze_survivors)
            gc.set_threshold(*self._thresholds)
            gc.unfreeze()

    def check(self, ended: int, present: int) -> None:
        """Free the cycles of ``ended`` participants and requests, if they are many."""
        if self._thresholds is not None and ended - self._ended_before > max(_MIN_ENDED, present):
            self._ended_before = ended
            collect_garbage()
            gc.freeze()


def _freeze_survivors(phase: str, info: dict[str, int]) -> None:
    if phase == "stop" and info["generation"] >= _SECOND:
        gc.freeze()


def collect_garbage() -> None:
    """Free reference cycles, frozen or not; tens of ms on the thread of the event loop.

    A closed WebSocket of aiohttp is part of a cycle with its session and participant. With
    automatic collection alone, several load tests of 500 participants held 5 MB more.
    """
    gc.unfreeze()
    gc.collect()


def trim_allocator() -> None:
    """Return free pages to the kernel (``malloc_trim``, glibc only); takes up to tens of ms.

    glibc keeps free pages below an allocation that is in use: after 500 participants left, the RSS
    of a server was five times its initial one.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
