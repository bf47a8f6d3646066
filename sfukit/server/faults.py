"""Logging of errors outside of request handlers: asyncio tasks, malformed HTTP."""

import asyncio
import logging
from typing import Any

import structlog

from sfukit.server.refusal_log import RefusalLog

log = structlog.get_logger()


def log_task_errors(sampled: RefusalLog) -> None:
    """Log the exceptions of tasks and callbacks of the running event loop."""

    def handle(_loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        if sampled.is_due("task_failed"):
            log.error("task_failed", detail=context["message"], exc_info=context.get("exception"))

    asyncio.get_running_loop().set_exception_handler(handle)


def http_logger(sampled: RefusalLog) -> logging.Logger:
    """Return the logger for aiohttp's errors of connections."""
    logger = logging.Logger("sfukit.http", logging.WARNING)
    logger.addHandler(_Forward(sampled))
    return logger


class _Forward(logging.Handler):
    """Log records without traceback: the client sent malformed HTTP."""

    def __init__(self, sampled: RefusalLog) -> None:
        super().__init__()
        self._sampled = sampled

    def emit(self, record: logging.LogRecord) -> None:
        if self._sampled.is_due("http_malformed"):
            error = record.exc_info[1] if record.exc_info else None
            # the type only: the text quotes the request, which may contain a token
            log.info("http_malformed", detail=record.getMessage(), error=type(error).__name__)
