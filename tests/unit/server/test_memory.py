"""Free pages return to the kernel, although an allocation above them is in use."""

import ctypes
import os
from pathlib import Path

import pytest

from sfukit.server import memory

MIB = 1 << 20


def resident_bytes() -> int:
    """Memory of this process that is in use."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "malloc_trim"), reason="this is not glibc")
def test_free_pages_return_to_the_kernel() -> None:
    pieces = [bytes([1]) * 4_000 for _ in range(25_000)]
    last = pieces[-1]
    del pieces
    before = resident_bytes()
    memory.trim_allocator()
    assert before - resident_bytes() > 80 * MIB
    assert last[0] == 1
