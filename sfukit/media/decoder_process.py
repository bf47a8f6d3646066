"""A module of this package that decodes received frames, run as a process of its own."""

import asyncio
import sys
from collections.abc import Sequence
from typing import NamedTuple

_TIMEOUT_S = 300.0


class Ended(NamedTuple):
    """What a process wrote to standard output; None where it failed, and why."""

    output: bytes | None
    fault: str = ""


async def run(module: str, arguments: Sequence[str]) -> Ended:
    """Run a module; it is killed after five minutes, and where this is cancelled."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-m", module, *arguments),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        async with asyncio.timeout(_TIMEOUT_S):
            output, _ = await process.communicate()
    except TimeoutError:
        return Ended(None, f"not decoded within {_TIMEOUT_S:.0f} s")
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode:
        return Ended(None, f"the decoder ended with {process.returncode}")
    return Ended(output)
