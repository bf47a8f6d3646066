"""Events of one WHEP session for its player: Server-Sent Events.

Source: "Server Sent Events extension" of draft-ietf-wish-whep-03. Every event here is a state, so a
stream keeps the latest of each type only, however slowly its player reads.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Iterable
from typing import Any

import msgspec

from sfukit.server import ids
from sfukit.signaling.refusal import Refusal

TYPES = ("active", "inactive", "layers", "reconnect", "viewercount")
_MOST_STREAMS = 4  # of one session; above, the oldest is closed


class EventStream:
    """The events of one stream that its player has not read yet."""

    def __init__(self, types: frozenset[str]) -> None:
        self.types = types
        self.is_closed = False
        self._pending: dict[str, bytes] = {}
        self._changed = asyncio.Event()
        self._reader = 0

    def put(self, kind: str, data: Any) -> None:
        """Queue an event if its type was requested; it replaces an earlier one of its type."""
        if kind in self.types and not self.is_closed:
            self._pending.pop(kind, None)
            text = msgspec.json.encode(data)
            self._pending[kind] = b"event: %s\ndata: %s\n\n" % (kind.encode(), text)
            self._changed.set()

    def take(self) -> bytes:
        """Remove and return the queued events in order."""
        pending, self._pending = self._pending, {}
        return b"".join(pending.values())

    def close(self) -> None:
        """End the stream behind the queued events."""
        self.is_closed = True
        self._changed.set()

    def begin(self) -> int:
        """Return the number of a new reader; the one before ends."""
        self._reader += 1
        self._changed.set()
        return self._reader

    def is_read_by(self, reader: int) -> bool:
        """Return whether no later reader has begun."""
        return reader == self._reader

    async def wait(self, seconds: float) -> None:
        """Wait until an event is queued or the stream is closed, at most so long."""
        try:
            async with asyncio.timeout(seconds):
                await self._changed.wait()
        except TimeoutError:
            return
        self._changed.clear()


class EventStreams:
    """The streams of one session, by their ids in URLs."""

    def __init__(self) -> None:
        self._streams: OrderedDict[str, EventStream] = OrderedDict()

    def create(self, types: Iterable[str] | None) -> str:
        """Open a stream of the requested types, of all by default; return its id."""
        stream = EventStream(frozenset(TYPES if types is None else types).intersection(TYPES))
        stream.put("active", {})
        name = ids.session_id()
        self._streams[name] = stream
        if len(self._streams) > _MOST_STREAMS:
            self._streams.popitem(last=False)[1].close()
        return name

    def find(self, name: str) -> EventStream:
        """Return a stream; raise ``Refusal`` (session_unknown)."""
        stream = self._streams.get(name)
        if stream is None:
            raise Refusal("session_unknown", "no such event stream; it may have ended")
        return stream

    def delete(self, name: str) -> None:
        """End a stream."""
        self.find(name).close()
        del self._streams[name]

    def put(self, kind: str, data: Any) -> None:
        """Queue an event on each stream that requested its type."""
        for stream in self._streams.values():
            stream.put(kind, data)

    def close(self) -> None:
        """End all streams."""
        for stream in self._streams.values():
            stream.close()
        self._streams.clear()
