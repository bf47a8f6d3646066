"""Structured logs on standard error: one line per event as text or JSON.

Logging never raises and never blocks. Lines that cannot be written, such as to a full pipe, are
lost; ``log_lines_lost`` reports their number as soon as lines can be written.
"""

import errno
import json
import logging
import os
import select
import stat
import sys
import time
from typing import Any, Literal, TextIO

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

LogFormat = Literal["console", "json"]
LogLevel = Literal["debug", "info", "warning", "error"]
MAX_VALUE_CHARS = 500
_MAX_EXCEPTION_CHARS = 16_000
_QUIET_KEYS = frozenset(("event", "room", "participant", "trace_id", "exception"))
_LEVELS = {"warn": "warning", "exception": "error", "error": "error"}
_SHORT = (int, float, type(None))  # types of short values without text
_QUOTED = frozenset(" \"'\\=")
_ATOMIC_BYTES = 4096  # a writable pipe accepts PIPE_BUF bytes without blocking (pipe(7))


def configure(style: LogFormat, level: LogLevel) -> None:
    """Configure structlog for this process."""
    number = logging.getLevelNamesMapping()[level.upper()]
    last: Processor = _Json() if style == "json" else _Console()
    stream = LogStream(sys.stderr)

    class Logger(structlog.make_filtering_bound_logger(number)):  # type: ignore[misc]
        """A logger whose methods raise nothing."""

        def _proxy_to_logger(self, *arguments: Any, **fields: Any) -> Any:
            try:
                super()._proxy_to_logger(*arguments, **fields)
                if lost := stream.recovered():
                    super()._proxy_to_logger("warning", "log_lines_lost", count=lost)
            except Exception:
                stream.lost += 1

    structlog.configure(
        processors=[last],
        wrapper_class=Logger,
        logger_factory=structlog.WriteLoggerFactory(file=stream),  # type: ignore[arg-type]
        cache_logger_on_first_use=False,
    )


class _Json:
    """Render an event as one line of JSON, with level and time."""

    def __init__(self) -> None:
        self._encoder = json.JSONEncoder(default=repr)
        self._clock = _Clock("%Y-%m-%dT%H:%M:%S")

    def __call__(self, logger: WrappedLogger, method: str, event: EventDict) -> str:
        event["level"] = _LEVELS.get(method, method)
        second, fraction_s = self._clock.read()
        event["timestamp"] = f"{second}.{int(fraction_s * 1e6):06}Z"
        _format_exception(logger, method, event)
        for key, value in event.items():
            if not isinstance(value, _SHORT):
                event[key] = _cut(key, value)
        return self._encoder.encode(event)


class _Console:
    """Render an event as time, event, room, participant, then the other fields as key=value."""

    def __init__(self) -> None:
        self._clock = _Clock("%H:%M:%S")

    def __call__(self, logger: WrappedLogger, method: str, event: EventDict) -> str:
        _format_exception(logger, method, event)
        places = [event[key] for key in ("room", "participant") if event.get(key)]
        where = " ".join([_value(_cut("", place)) for place in places])
        rest = []
        for key, value in event.items():
            if key in _QUIET_KEYS or value is None:
                continue
            if isinstance(value, _SHORT):
                rest.append(f"{key}={value}")
            elif value != "":
                rest.append(f"{key}={_value(_cut(key, value))}")
        second, _ = self._clock.read()
        text = f"{second} {event['event']:<20} {where:<24} {' '.join(rest)}".rstrip()
        if _LEVELS.get(method) == "error":
            text = f"{text}  trace_id={event.get('trace_id')}"
        if "exception" not in event:
            return text
        return f"{text}\n{_printable(_cut('exception', event['exception']))}"


class _Clock:
    """The UTC time as text, formatted once per second."""

    def __init__(self, style: str) -> None:
        self._style = style
        self._second = -1
        self._text = ""

    def read(self) -> tuple[str, float]:
        """Return the second as text, and the fraction of it that has passed."""
        now_s = time.time()
        second = int(now_s)
        if second != self._second:
            self._second = second
            self._text = time.strftime(self._style, time.gmtime(second))
        return self._text, now_s - second


def _format_exception(logger: WrappedLogger, method: str, event: EventDict) -> None:
    if "exc_info" in event:
        structlog.processors.format_exc_info(logger, method, event)


def _cut(key: str, value: Any) -> Any:
    """Truncate a long value, since some contain text of clients."""
    limit = _MAX_EXCEPTION_CHARS if key == "exception" else MAX_VALUE_CHARS
    text = value if isinstance(value, str) else repr(value)
    return f"{text[:limit]}... ({len(text)} characters)" if len(text) > limit else value


def _value(value: Any) -> str:
    """Quote values with spaces, quotes, equal signs or unprintable characters."""
    text = str(value)
    return text if text.isprintable() and _QUOTED.isdisjoint(text) else repr(text)


def _printable(text: str) -> str:
    return "\n".join(line if line.isprintable() else repr(line)[1:-1] for line in text.split("\n"))


class LogStream:
    """A stream whose writes neither raise nor block."""

    def __init__(self, stream: TextIO | None) -> None:
        self.lost = 0
        self._works = True
        self._stream = stream
        self._descriptor = _descriptor(stream)
        self._may_block = self._descriptor is not None and not _is_file(self._descriptor)

    def write(self, text: str) -> None:
        """Write a line, or count it as lost."""
        try:
            self._write(text)
            self._works = True
        except (OSError, ValueError):
            self._works = False
            self.lost += 1

    def recovered(self) -> int:
        """Return and reset the number of lost lines; 0 while lines cannot be written."""
        if not self._works:
            return 0
        lost, self.lost = self.lost, 0
        return lost

    def flush(self) -> None:
        """Do nothing: ``write`` does not buffer."""

    def _write(self, text: str) -> None:
        if self._descriptor is not None:
            data = text.encode(errors="backslashreplace")
            if self._may_block:
                _write_all(self._descriptor, data)
            else:
                while data:
                    data = data[os.write(self._descriptor, data) :]
        elif self._stream is not None:
            self._stream.write(text)
            self._stream.flush()
        else:
            raise OSError(errno.EBADF, "standard error is closed")


def _descriptor(stream: TextIO | None) -> int | None:
    """Return the descriptor of a stream, to write without its buffer; None without one."""
    try:
        return None if stream is None else stream.fileno()
    except (OSError, ValueError):
        return None


def _is_file(descriptor: int) -> bool:
    """Return whether a descriptor is a regular file, to which writes never block (poll(2))."""
    try:
        return stat.S_ISREG(os.fstat(descriptor).st_mode)
    except OSError:
        return False


def _write_all(descriptor: int, data: bytes) -> None:
    """Write to a descriptor without blocking; raises ``OSError``."""
    while data:
        if not _is_writable(descriptor):
            raise BlockingIOError(errno.EAGAIN, "the log pipe is full")
        data = data[os.write(descriptor, data[:_ATOMIC_BYTES]) :]


def _is_writable(descriptor: int) -> bool:
    if not hasattr(select, "poll"):
        return True
    poll = select.poll()
    poll.register(descriptor, select.POLLOUT)
    return bool(poll.poll(0))
