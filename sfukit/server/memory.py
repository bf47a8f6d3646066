"""Release of unused memory: reference cycles, free pages of the allocator."""

import asyncio
import ctypes
import gc

_THRESHOLDS = (1_000, 5, 5)  # of the generations: the oldest has about 25,000 new objects
_OLDEST = 2
_FEW_OBJECTS = 400_000  # frozen ones below which no full collection is due


class ShortCollections:
    """Keep the pauses of automatic garbage collection short, however many participants there are.

    A collection of the oldest generation visits every object, half a second for 5,000
    participants, and no request is answered meanwhile. So what survives one is frozen: later ones
    visit the objects since then. Objects without references are freed at once, frozen or not;
    cycles among frozen ones are found by a full collection when the number of objects has doubled.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._thresholds = gc.get_threshold()
        self._frozen = self._frozen_after_full = 0

    def start(self) -> None:
        """Freeze the objects so far, and those that survive further collections."""
        gc.set_threshold(*_THRESHOLDS)
        gc.callbacks.append(self._collected)
        self.collect_all()

    def stop(self) -> None:
        """Restore the settings of the interpreter."""
        if self._collected in gc.callbacks:
            gc.callbacks.remove(self._collected)
        gc.set_threshold(*self._thresholds)
        gc.unfreeze()

    def collect_all(self) -> None:
        """Free all cycles; a pause in proportion to the number of objects."""
        collect_garbage()
        gc.freeze()
        # without objects, so that the next one is due by the thresholds: in CPython before 3.14 an
        # automatic full collection waits until a quarter of the survivors of the last one is new
        gc.collect()
        self._frozen = self._frozen_after_full = gc.get_freeze_count()

    def _collected(self, phase: str, info: dict[str, int]) -> None:
        if phase != "stop" or info["generation"] < _OLDEST:
            return
        self._frozen += len(gc.get_objects(_OLDEST))
        gc.freeze()
        limit = max(_FEW_OBJECTS, 2 * self._frozen_after_full)
        if self._frozen <= limit:
            return
        self._frozen = gc.get_freeze_count()  # visits every object; some have been freed
        if self._frozen > limit:
            self._loop.call_soon_threadsafe(self.collect_all)


def collect_garbage() -> None:
    """Free reference cycles; takes tens of ms, on the thread of the event loop.

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
