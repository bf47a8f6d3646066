"""Standard streams of a command: a full disk or a closed pipe becomes a sentence."""

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
    """Raise ``MachineError`` where standard output cannot be written, also at the very end.

    Errors are told on standard error, so that what fails there is dropped.
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
            stream.reconfigure(errors="backslashreplace")  # whatever the locale can show

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
        """Write what is buffered."""
        try:
            self._stream.flush()
        except OSError as error:
            self._failed(error)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def _failed(self, error: OSError) -> None:
        """Send what is still buffered to nowhere: the interpreter writes it when it ends."""
        with suppress(OSError, ValueError):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self._stream.fileno())
            os.close(nowhere)


class _Output(_Stream):
    def _failed(self, error: OSError) -> None:
        super()._failed(error)
        what = f"standard output cannot be written: {error.strerror or error}"
        raise MachineError(what, hint="free the disk, or let the reader read to the end") from error


def _occupy_closed() -> None:
    """Keep sockets and files from becoming a standard stream that was closed."""
    for number in _STANDARD_FDS:
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # gets the lowest free number
