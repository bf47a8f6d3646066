"""The event loop of a load test, and how Ctrl-C stops it."""

import asyncio
from typing import Any


def stop_once(stop: asyncio.Event) -> None:
    """Stop early with a report; the second time at once."""
    if stop.is_set():
        raise KeyboardInterrupt
    stop.set()


def loop_factory() -> Any:
    """Return the factory of the event loop: uvloop where there is one."""
    try:
        import uvloop
    except ImportError:  # not available on this platform
        return None
    return uvloop.new_event_loop
