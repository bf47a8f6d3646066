"""Structured logs on standard error: for people one short line each, for programs JSON."""

import logging
import sys
from typing import Any, Literal

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

LogFormat = Literal["console", "json"]
LogLevel = Literal["debug", "info", "warning", "error"]
_QUIET_KEYS = ("event", "level", "timestamp", "room", "participant", "trace_id")


def configure(style: LogFormat, level: LogLevel) -> None:
    """Set up logging for this process."""
    number = logging.getLevelNamesMapping()[level.upper()]
    last: Processor = structlog.processors.JSONRenderer() if style == "json" else render
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso" if style == "json" else "%H:%M:%S"),
            structlog.processors.format_exc_info,
            last,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=False,
    )


def render(_logger: WrappedLogger, _method: str, event: EventDict) -> str:
    """Write one line: time, what, where and who, then the rest as key=value."""
    where = " ".join(str(event[key]) for key in ("room", "participant") if event.get(key))
    rest = " ".join(
        f"{key}={_value(value)}"
        for key, value in event.items()
        if key not in _QUIET_KEYS and value not in (None, "")
    )
    text = f"{event['timestamp']} {event['event']:<20} {where:<24} {rest}".rstrip()
    return text if event["level"] != "error" else f"{text}  trace_id={event.get('trace_id')}"


def _value(value: Any) -> str:
    text = str(value)
    return repr(text) if " " in text else text
