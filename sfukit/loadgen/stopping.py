"""Work that Ctrl-C ends: the steps before a target is ready, each of which may take seconds."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

Result = TypeVar("Result")


class StoppedError(Exception):
    """The work was cancelled, since the run is to stop."""


async def unless_stopped(work: Coroutine[Any, Any, Result], stop: asyncio.Event) -> Result:
    """Return the result of the work; cancel it and raise ``StoppedError`` once ``stop`` is set."""
    task, stopping = asyncio.ensure_future(work), asyncio.ensure_future(stop.wait())
    try:
        await asyncio.wait((task, stopping), return_when=asyncio.FIRST_COMPLETED)
    finally:
        stopping.cancel()
        if not task.done():
            task.cancel()
    try:
        return await task
    except asyncio.CancelledError:
        if not stop.is_set():
            raise
    raise StoppedError
