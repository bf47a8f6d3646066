"""The CPU profile of the private server: started and ended by a signal, read from a file."""

import asyncio
import time
from pathlib import Path

import msgspec

from sfukit.loadgen.signaling_load.result import Profile

MODULE = "sfukit.cli.profiled_serve"  # runs ``serve`` with the profiler
_WRITTEN_S = 5.0
_POLL_S = 0.02


async def read(file: Path) -> Profile | None:
    """Return the profile that the server writes when it ends; None without one."""
    return await asyncio.to_thread(_read, file)


def _read(file: Path) -> Profile | None:
    end_s = time.monotonic() + _WRITTEN_S
    while not file.exists() and time.monotonic() < end_s:
        time.sleep(_POLL_S)
    try:
        return msgspec.json.decode(file.read_bytes(), type=Profile)
    except (OSError, msgspec.DecodeError):
        return None
