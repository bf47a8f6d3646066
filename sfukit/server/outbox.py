"""What waits to be read by one WebSocket: bounded, the least important dropped first."""

from collections import OrderedDict, deque
from collections.abc import Hashable, Mapping
from typing import Any

MAX_MESSAGES = 1_000
MAX_BYTES = 1024 * 1024

StateKey = tuple[Hashable, ...]

# Notifications of a state, with the parameters that tell what it is the state of: of several that
# wait for the same reader only the latest matters.
_STATES: Mapping[str, tuple[str, ...]] = {
    "publication-muted": ("publication",),
    "encoding-state": ("publication", "rid"),
    "encodings": ("publication",),
    "layer-switch": ("publication",),
    "room-size": (),
}


def state_key_of(method: str, params: Any) -> StateKey | None:
    """Name what a notification is the state of; None where each one counts."""
    names = _STATES.get(method)
    if names is None:
        return None
    read = params.get if isinstance(params, dict) else lambda name: getattr(params, name)
    return (method, tuple(read(name) for name in names))


class Outbox:
    """A queue of messages in order.

    A state takes the place of an earlier one of its subject. Lossy messages make room for all else.
    """

    def __init__(self) -> None:
        self._waiting: OrderedDict[Hashable, bytes] = OrderedDict()
        self._lossy: deque[int] = deque()
        self._bytes = 0
        self._number = 0
        self.dropped = 0

    def __len__(self) -> int:
        return len(self._waiting)

    def put(
        self, message: bytes, *, state_key: StateKey | None = None, lossy: bool = False
    ) -> bool:
        """Queue a message; False if it does not fit although everything lossy was dropped."""
        if state_key is not None and (earlier := self._waiting.pop(state_key, None)) is not None:
            self._bytes -= len(earlier)
        self._number += 1
        self._waiting[state_key or self._number] = message
        self._bytes += len(message)
        if lossy:
            self._lossy.append(self._number)
        while self._is_over and self._lossy:
            self._drop(self._lossy.popleft())
        return not self._is_over

    def pop(self) -> bytes:
        """Take the earliest message out."""
        key, message = self._waiting.popitem(last=False)
        self._bytes -= len(message)
        if self._lossy and self._lossy[0] == key:
            self._lossy.popleft()
        return message

    def clear(self) -> None:
        """Drop everything."""
        self.dropped += len(self._waiting)
        self._waiting.clear()
        self._lossy.clear()
        self._bytes = 0

    @property
    def _is_over(self) -> bool:
        return len(self._waiting) > MAX_MESSAGES or self._bytes > MAX_BYTES

    def _drop(self, number: int) -> None:
        self._bytes -= len(self._waiting.pop(number))
        self.dropped += 1
