"""An async context manager on an event loop in a separate thread."""

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import TypeVar

_START_S = 20.0

T = TypeVar("T")


@contextlib.contextmanager
def on_a_thread(running: contextlib.AbstractAsyncContextManager[T]) -> Iterator[T]:
    """Enter the context on the loop of a new thread; exit it and close the loop at the end."""
    started: Future[tuple[T, Callable[[], object]]] = Future()

    async def stay() -> None:
        loop, stop = asyncio.get_running_loop(), asyncio.Event()
        async with asyncio.timeout(_START_S) as patience, running as entered:
            patience.reschedule(None)
            started.set_result((entered, lambda: loop.call_soon_threadsafe(stop.set)))
            await stop.wait()

    with ThreadPoolExecutor(1) as thread:
        ended = thread.submit(asyncio.run, stay())
        wait((started, ended), return_when=FIRST_COMPLETED)
        if not started.done():
            ended.result()  # raises the error of the exit
        entered, stop = started.result()
        try:
            yield entered
        finally:
            stop()
            ended.result()
