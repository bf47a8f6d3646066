"""TCP connections of HTTP: request timeouts, limits per address, closing of idle connections."""

import asyncio
from collections import Counter, OrderedDict
from typing import Any, Protocol, cast

from sfukit.buckets import address_key
from sfukit.server.framing import Framing
from sfukit.server.metrics import Metrics
from sfukit.server.settings import Settings


class AddressExemption(Protocol):
    """Addresses whose unauthenticated connections have no limit."""

    def is_exempt(self, address: str) -> bool:
        """Return whether the connections of an address have no limit."""


class Connections:
    """All open connections; the idle ones in the order in which they became idle."""

    def __init__(self, settings: Settings, metrics: Metrics, exemption: AddressExemption) -> None:
        self.request_s = settings.timing.request_s
        self.keep_alive_s = settings.timing.keep_alive_s
        self._max_unauthenticated = settings.limits.unauthenticated_connections
        self._metrics = metrics
        self._exemption = exemption
        self._by_handler: dict[asyncio.BaseProtocol, Connection] = {}
        self._idle: OrderedDict[Connection, None] = OrderedDict()
        self._unauthenticated: Counter[str] = Counter()
        metrics.connections.set_function(lambda: len(self._by_handler))

    def __len__(self) -> int:
        return len(self._by_handler)

    def admits(self, address: str) -> bool:
        """Return whether an address may open one more unauthenticated connection."""
        if self._exemption.is_exempt(address):
            return True
        if self._unauthenticated[address_key(address)] < self._max_unauthenticated:
            return True
        self._metrics.connections_closed.labels("address_limit").inc()
        return False

    def find(self, handler: asyncio.BaseProtocol) -> "Connection | None":
        """Return the connection of aiohttp's protocol handler."""
        return self._by_handler.get(handler)

    def close_oldest_idle(self) -> bool:
        """Close the connection that is idle for longest; return False if none is idle."""
        if not self._idle:
            return False
        next(iter(self._idle)).abort("descriptors")
        return True

    def add(self, connection: "Connection") -> None:
        """Add an open connection."""
        self._by_handler[connection.handler] = connection
        self._unauthenticated[connection.address_key] += 1

    def mark_authenticated(self, connection: "Connection") -> None:
        """Remove a connection from the unauthenticated ones of its address."""
        self._unauthenticated[connection.address_key] -= 1
        if self._unauthenticated[connection.address_key] <= 0:
            del self._unauthenticated[connection.address_key]

    def mark_idle(self, connection: "Connection") -> None:
        """Mark a connection that waits for a request."""
        self._idle[connection] = None
        self._idle.move_to_end(connection)

    def mark_busy(self, connection: "Connection") -> None:
        """Mark a connection whose request is being answered."""
        self._idle.pop(connection, None)

    def remove(self, connection: "Connection") -> None:
        """Remove a closed connection."""
        self._idle.pop(connection, None)
        del self._by_handler[connection.handler]

    def count_closed(self, reason: str) -> None:
        """Count a connection that the server closed."""
        self._metrics.connections_closed.labels(reason).inc()


class Connection(asyncio.Protocol):
    """One TCP connection around aiohttp's handler, which has no timeout for a request head."""

    transport: asyncio.Transport

    def __init__(self, handler: Any, connections: Connections, address: str) -> None:
        self.handler = handler
        self.address_key = address_key(address)
        self._connections = connections
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._in_head = False
        self._framing = Framing()
        self._is_busy = False
        self._is_closed = False
        self._is_authenticated = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Start the timeout of the first request head."""
        self.transport = cast(
            asyncio.Transport, transport
        )  # uvloop's transport does not inherit from it
        self._connections.add(self)
        self._connections.mark_idle(self)
        self._start_head_timeout()
        self.handler.connection_made(transport)

    def data_received(self, data: bytes) -> None:
        """Pass bytes to the handler; the first byte of a request head starts its timeout."""
        if not self._is_busy and not self._in_head:
            self._start_head_timeout()
        self._framing.feed(data, is_busy=self._is_busy)
        self.handler.data_received(data)

    def eof_received(self) -> bool | None:
        """Pass the end of the stream to the handler."""
        return bool(self.handler.eof_received())

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the timer and remove the connection."""
        self._is_closed = True
        self._stop_timer()
        self.authenticate()
        self._connections.remove(self)
        self.handler.connection_lost(exc)

    def pause_writing(self) -> None:
        """Pass backpressure to the handler."""
        self.handler.pause_writing()

    def resume_writing(self) -> None:
        """Pass the end of backpressure to the handler."""
        self.handler.resume_writing()

    def begin_request(self, body_bytes: int | None = 0, *, is_upgrade: bool = False) -> None:
        """Stop the timeout of the head, which is complete. ``body_bytes`` None: a chunked body."""
        if is_upgrade:
            self._framing.ignore()
        else:
            self._framing.begin(body_bytes)
        self._stop_timer()
        self._is_busy, self._in_head = True, False
        self._connections.mark_busy(self)

    def end_request(self) -> None:
        """Start the keep-alive timeout, or that of the next head if part of it has arrived."""
        self._is_busy = False
        if self._is_closed:
            return
        self._connections.mark_idle(self)
        if self._framing.end():
            self._start_head_timeout()
            return
        self._start_timer(self._connections.keep_alive_s, "idle")

    def authenticate(self) -> None:
        """Remove the connection from the unauthenticated ones of its address."""
        if not self._is_authenticated:
            self._is_authenticated = True
            self._connections.mark_authenticated(self)

    def abort(self, reason: str) -> None:
        """Close at once and discard unsent data (RST)."""
        self._connections.count_closed(reason)
        self._connections.mark_busy(self)
        self.transport.abort()

    def _start_head_timeout(self) -> None:
        self._in_head = True
        self._start_timer(self._connections.request_s, "request_timeout")

    def _start_timer(self, wait_s: float, reason: str) -> None:
        self._stop_timer()
        self._timer = self._loop.call_later(wait_s, self.abort, reason)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
