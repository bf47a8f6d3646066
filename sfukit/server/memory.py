"""Memory that nobody needs, and that the collector or the allocator keeps."""

import ctypes
import gc


def collect_garbage() -> None:
    """Free what only refers to itself; takes tens of ms, and belongs on the loop's own thread.

    A closed WebSocket of aiohttp is such a cycle, with the session and the participant behind it.
    Left to the collector's own times they piled up over several loads of 500: 5 MB more.
    """
    gc.collect()


def trim_allocator() -> None:
    """Return free pages to the system, where the allocator can; takes up to tens of ms.

    glibc keeps what was freed below something that is still held: after 500 participants left, a
    server had five times the memory that it began with, none of it in use.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
