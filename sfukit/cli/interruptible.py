"""Run a command that Ctrl-C ends early, with the report so far."""

import asyncio
import signal
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

Result = TypeVar("Result")


def run(whole: Callable[[asyncio.Event], Awaitable[Result]]) -> Result:
    """Run ``whole``; the first Ctrl-C sets its event, a second one ends at once."""

    async def main() -> Result:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, _stop_once, stop)
        return await whole(stop)

    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        return runner.run(main())


def _stop_once(stop: asyncio.Event) -> None:
    if stop.is_set():
        raise KeyboardInterrupt
    stop.set()


def _loop_factory() -> Any:
    try:
        import uvloop
    except ImportError:  # not available on this platform
        return None
    return uvloop.new_event_loop
