"""Where a request ends among the bytes of a connection (RFC 9112 section 6), for its time limits.

aiohttp reads requests; it does not tell whether a part of the next one has arrived already.
"""

_HEAD_END = b"\r\n\r\n"
_KEPT_BYTES = 16 * 1024  # twice the longest field of a head that aiohttp takes
_MOST_BYTES = 256 * 1024  # one read of a socket, while no head has begun to be answered


class Framing:
    """The bytes of one connection, as far as they are not known to be of a request that ended."""

    def __init__(self) -> None:
        self._kept = b""
        self._received = 0  # since the request that is read or answered began
        self._ends_at: int | None = None
        self._ends_as_heads_do = False
        self._is_ignored = False

    def feed(self, data: bytes, *, is_busy: bool) -> None:
        """Take what has arrived."""
        if self._is_ignored:
            return
        self._received += len(data)
        self._kept = (self._kept + data)[-(_KEPT_BYTES if is_busy else _MOST_BYTES) :]

    def begin(self, body_bytes: int | None) -> None:
        """Note that a head is complete, and how long its body is; None: chunked."""
        self._ends_as_heads_do = not body_bytes  # the last chunk does too
        head_end = self._kept.find(_HEAD_END)
        self._ends_at = None
        if body_bytes is not None and head_end >= 0 and len(self._kept) == self._received:
            self._ends_at = head_end + len(_HEAD_END) + body_bytes

    def ignore(self) -> None:
        """Keep nothing further: what follows is no HTTP (a WebSocket)."""
        self._is_ignored = True
        self._kept = b""

    def end(self) -> bool:
        """Note that a request was answered; tell whether a part of the next one is there."""
        if self._ends_at is not None:
            rest_bytes = max(0, self._received - self._ends_at)
            rest = self._kept[-rest_bytes:] if rest_bytes else b""
        elif self._ends_as_heads_do:
            rest = self._kept.rpartition(_HEAD_END)[2]
            rest_bytes = len(rest)
        else:
            rest, rest_bytes = b"", 0
        self._kept, self._received, self._ends_at = rest, rest_bytes, None
        return bool(rest.strip(b"\r\n"))  # empty lines before a request mean nothing (section 2.2)
