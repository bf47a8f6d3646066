"""HTTP/1.1 message framing (RFC 9112 section 6) of a connection, for its request timeouts.

aiohttp parses the requests; its API does not show whether part of the next one has arrived.
"""

_HEAD_END = b"\r\n\r\n"
_TAIL_BYTES = 16 * 1024  # twice the longest header field that aiohttp accepts
_MAX_BYTES = 256 * 1024  # one socket read, until a request head is complete


class Framing:
    """The received bytes of one connection that belong to no answered request."""

    def __init__(self) -> None:
        self._buffer = b""
        self._received = 0  # bytes since the start of the current request
        self._ends_at: int | None = None
        self._ends_with_empty_line = False
        self._is_ignored = False

    def feed(self, data: bytes, *, is_busy: bool) -> None:
        """Add received bytes."""
        if self._is_ignored:
            return
        self._received += len(data)
        self._buffer = (self._buffer + data)[-(_TAIL_BYTES if is_busy else _MAX_BYTES) :]

    def begin(self, body_bytes: int | None) -> None:
        """Start a request whose head is complete. ``body_bytes`` None: a chunked body."""
        self._ends_with_empty_line = not body_bytes  # the last chunk ends with an empty line, too
        head_end = self._buffer.find(_HEAD_END)
        self._ends_at = None
        if body_bytes is not None and head_end >= 0 and len(self._buffer) == self._received:
            self._ends_at = head_end + len(_HEAD_END) + body_bytes

    def ignore(self) -> None:
        """Ignore further bytes: the connection was upgraded to WebSocket."""
        self._is_ignored = True
        self._buffer = b""

    def end(self) -> bool:
        """End the answered request; return whether part of the next one has arrived."""
        if self._ends_at is not None:
            next_bytes = max(0, self._received - self._ends_at)
            next_request = self._buffer[-next_bytes:] if next_bytes else b""
        elif self._ends_with_empty_line:
            next_request = self._buffer.rpartition(_HEAD_END)[2]
            next_bytes = len(next_request)
        else:
            next_request, next_bytes = b"", 0
        self._buffer, self._received, self._ends_at = next_request, next_bytes, None
        # empty lines before a request are ignored (section 2.2)
        return bool(next_request.strip(b"\r\n"))
