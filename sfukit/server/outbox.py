"""The bounded send queue of one WebSocket; lossy messages are dropped first."""

from collections import OrderedDict, deque
from collections.abc import Hashable, Mapping
from typing import Any

MAX_MESSAGES = 1_000
MAX_BYTES = 1024 * 1024

StateKey = tuple[Hashable, ...]

# Notifications of a state, with the parameters that identify its object: in the queue of one
# WebSocket the latest replaces earlier ones.
_STATES: Mapping[str, tuple[str, ...]] = {
    "publication-muted": ("publication",),
    "encoding-state": ("publication", "rid"),
    "encodings": ("publication",),
    "layer-switch": ("publication",),
    "quality": (),
    "active-speakers": (),
    "room-size": (),
    "ice-servers": (),
}


def state_key_of(method: str, params: Any) -> StateKey | None:
    """Return the key of a state notification, None for other notifications."""
    names = _STATES.get(method)
    if names is None:
        return None
    read = params.get if isinstance(params, dict) else lambda name: getattr(params, name)
    return (method, tuple(read(name) for name in names))


class Outbox:
    """A queue of messages in order.

    A state replaces an earlier one of the same key. Lossy messages are dropped when it is full.
    """

    def __init__(self) -> None:
        self._queue: OrderedDict[Hashable, bytes] = OrderedDict()
        self._lossy: deque[int] = deque()
        self._bytes = 0
        self._number = 0
        self.dropped = 0

    def __len__(self) -> int:
        return len(self._queue)

    def put(
        self, message: bytes, *, state_key: StateKey | None = None, lossy: bool = False
    ) -> bool:
        """Queue a message; return False if it does not fit after all lossy ones were dropped."""
        if state_key is not None and (earlier := self._queue.pop(state_key, None)) is not None:
            self._bytes -= len(earlier)
        self._number += 1
        self._queue[state_key or self._number] = message
        self._bytes += len(message)
        if lossy:
            self._lossy.append(self._number)
        while self._is_full and self._lossy:
            self._drop(self._lossy.popleft())
        return not self._is_full

    def pop(self) -> bytes:
        """Remove and return the first message."""
        key, message = self._queue.popitem(last=False)
        self._bytes -= len(message)
        if self._lossy and self._lossy[0] == key:
            self._lossy.popleft()
        return message

    def take(self, size: int) -> list[bytes]:
        """Remove and return the first messages, until they have ``size`` bytes or more."""
        taken: list[bytes] = []
        while self._queue and size > 0:
            message = self.pop()
            taken.append(message)
            size -= len(message)
        return taken

    def clear(self) -> None:
        """Drop all messages."""
        self.dropped += len(self._queue)
        self._queue.clear()
        self._lossy.clear()
        self._bytes = 0

    @property
    def _is_full(self) -> bool:
        return len(self._queue) > MAX_MESSAGES or self._bytes > MAX_BYTES

    def _drop(self, number: int) -> None:
        self._bytes -= len(self._queue.pop(number))
        self.dropped += 1
