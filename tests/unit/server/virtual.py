"""A server without sockets on virtual time, and participants without WebSockets."""

import asyncio
import heapq
import itertools
from collections.abc import Callable
from typing import Any

import msgspec

from sfukit.server.mock_engine import MockEngine
from sfukit.server.rpc_methods import Methods
from sfukit.server.server_context import ServerContext
from sfukit.server.settings import Settings

_request = itertools.count()


class Timer:
    """What ``call_later`` returns."""

    def __init__(self, call: Callable[[], object]) -> None:
        self.call: Callable[[], object] | None = call

    def cancel(self) -> None:
        """Cancel the call."""
        self.call = None


class Timers:
    """The part of an event loop that the server's objects use, on virtual time."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.failures: list[Exception] = []
        self._queue: list[tuple[float, int, Timer]] = []
        self._order = itertools.count()

    def __len__(self) -> int:
        return sum(timer.call is not None for _, _, timer in self._queue)

    def call_later(self, delay_s: float, call: Callable[..., object], *arguments: Any) -> Timer:
        """Schedule a call."""
        timer = Timer(lambda: call(*arguments))
        heapq.heappush(self._queue, (self.now_s + delay_s, next(self._order), timer))
        return timer

    def call_soon(self, call: Callable[..., object], *arguments: Any) -> Timer:
        """Schedule a call that is due."""
        return self.call_later(0, call, *arguments)

    def advance(self, seconds: float) -> None:
        """Advance the time and run due calls; exceptions are recorded."""
        end_s = self.now_s + seconds
        while self._queue and self._queue[0][0] <= end_s:
            self.now_s, _, timer = heapq.heappop(self._queue)
            if timer.call is None:
                continue
            try:
                timer.call()
            except Exception as error:
                self.failures.append(error)
        self.now_s = end_s


class Channel:
    """The signaling channel of one participant, which records its messages."""

    def __init__(self) -> None:
        self.messages: list[tuple[str, Any]] = []
        self.close_reason: str | None = None

    def notify(self, method: str, params: Any) -> None:
        """Record a notification."""
        self.messages.append((method, msgspec.to_builtins(params)))

    def send(self, message: bytes, **_limits: Any) -> None:
        """Record an encoded message or batch."""
        content = msgspec.json.decode(message)
        for entry in content if isinstance(content, list) else [content]:
            self.messages.append((entry["method"], entry["params"]))

    def close(self, reason: str) -> None:
        """Record the reason."""
        self.close_reason = reason

    def take(self, method: str) -> list[Any]:
        """Remove and return the notifications of one method."""
        removed = [params for name, params in self.messages if name == method]
        self.messages = [entry for entry in self.messages if entry[0] != method]
        return removed


class Peer:
    """The methods of one WebSocket, with a recording channel."""

    def __init__(
        self, context: ServerContext, channel: Channel | None = None, token: str = ""
    ) -> None:
        self.channel = channel or Channel()
        self.methods = Methods(
            context.core,
            context.rooms,
            context.access,
            context.limiter,
            token=token or None,
            address=str(next(_request)),
            trace_id="",
        )
        self.methods.channel = self.channel

    async def call(self, method: str, **params: Any) -> Any:
        """Execute one request."""
        return await self.methods.call(method, msgspec.Raw(msgspec.json.encode(params)))


def virtual_context(engine: MockEngine, **changes: Any) -> tuple[ServerContext, Timers]:
    """Return a server on the running loop with virtual timers."""
    context = ServerContext(Settings(**changes), engine)
    timers = Timers()
    loop: Any = timers
    context.core.loop = loop
    return context, timers


def offer(text: str) -> dict[str, str]:
    """Return an offer as parameter of the methods."""
    return {"type": "offer", "sdp": text}


async def settle() -> None:
    """Run the callbacks that are ready."""
    for _ in range(3):
        await asyncio.sleep(0)
