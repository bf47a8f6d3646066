"""Faults that no request answers for: of the event loop, and of HTTP that cannot be read."""

import asyncio
import logging
from typing import Any

import structlog

from sfukit.server.refusal_log import RefusalLog

log = structlog.get_logger()


def watch_loop(sampled: RefusalLog) -> None:
    """Write down what tasks and callbacks raise."""

    def handle(_loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        if sampled.is_due("task_failed"):
            log.error("task_failed", what=context["message"], exc_info=context.get("exception"))

    asyncio.get_running_loop().set_exception_handler(handle)


def http_logger(sampled: RefusalLog) -> logging.Logger:
    """Make the logger that aiohttp writes faults of connections to."""
    logger = logging.Logger("sfukit.http", logging.WARNING)
    logger.addHandler(_Forward(sampled))
    return logger


class _Forward(logging.Handler):
    """Pass records on without the traceback: the fault is the peer's."""

    def __init__(self, sampled: RefusalLog) -> None:
        super().__init__()
        self._sampled = sampled

    def emit(self, record: logging.LogRecord) -> None:
        if self._sampled.is_due("http_malformed"):
            fault = record.exc_info[1] if record.exc_info else None
            # its text quotes the request, which may hold a token
            log.info("http_malformed", what=record.getMessage(), fault=type(fault).__name__)
