"""Standard streams of a command: a full disk or a closed pipe becomes an error message."""

import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, TextIO, cast

from sfukit.errors import MachineError

_STANDARD_FDS = (0, 1, 2)


@contextmanager
def guarded() -> Iterator[None]:
    """Raise ``MachineError`` where standard output cannot be written, also in the last flush.

    Text that cannot be written on standard error is dropped.
    """
    _occupy_closed()
    given = sys.stdin, sys.stdout, sys.stderr
    output = _Output(sys.stdout)
    sys.stdin = given[0] or io.TextIOWrapper(io.BytesIO())
    sys.stdout, sys.stderr = cast(TextIO, output), cast(TextIO, _Stream(sys.stderr))
    try:
        yield
        output.flush()
    finally:
        sys.stdin, sys.stdout, sys.stderr = given


class _Stream:
    """A text stream whose failures are handled; Python has None for a stream that is closed."""

    def __init__(self, stream: TextIO | None) -> None:
        self._closed = stream is None
        self._stream = stream if stream is not None else io.StringIO()
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # characters beyond the locale

    def write(self, text: str) -> int:
        """Write text as ``TextIO.write`` does."""
        try:
            if self._closed:
                raise OSError("it is closed")
            return self._stream.write(text)
        except OSError as error:
            self._failed(error)
            return len(text)

    def flush(self) -> None:
        """Write the buffered text."""
        try:
            self._stream.flush()
        except OSError as error:
            self._failed(error)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def _failed(self, error: OSError) -> None:
        """Redirect the buffered text to /dev/null: the interpreter flushes it on exit."""
        with suppress(OSError, ValueError):
            null = os.open(os.devnull, os.O_WRONLY)
            os.dup2(null, self._stream.fileno())
            os.close(null)


class _Output(_Stream):
    def _failed(self, error: OSError) -> None:
        super()._failed(error)
        what = f"standard output cannot be written: {error.strerror or error}"
        raise MachineError(
            what, hint="free disk space, or keep the reader of the pipe open"
        ) from error


def _occupy_closed() -> None:
    """Open /dev/null on closed standard streams, so that no socket gets their numbers."""
    for number in _STANDARD_FDS:
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # gets the lowest free number
