"""The server process: listen, serve, drain on SIGTERM, stop."""

import asyncio
import contextlib
import math
import os
import signal
import ssl
from collections.abc import Callable
from typing import NamedTuple

import structlog
from aiohttp import web

from sfukit import extension
from sfukit.errors import MachineError, SfukitError, UsageError
from sfukit.machine import raise_open_files
from sfukit.server import faults
from sfukit.server.app import build_app, build_metrics_app
from sfukit.server.engine import Engine, NativeEngine
from sfukit.server.limiter import is_loopback
from sfukit.server.listener import Listener
from sfukit.server.server_context import ServerContext
from sfukit.server.settings import Settings, host_and_port

_STANDARD_ERROR = 2
_OPEN_FILES = 65_536
_SECRET_BYTES = 32
_NEW_SECRET = (
    "generate one:  python3 -c 'import secrets; print(secrets.token_hex(32))' > secret.txt  "
    "and pass --api-secret @secret.txt"
)
_LINGERING_S = 2.0  # for clients to read a refusal while they send the body
# aiohttp rounds timeouts above this up to a second, so that the pings of all WebSockets, and the
# pongs, would come at once: 30 ms without a response to anything else, with 5,000 of them.
_NEVER_ROUNDED_S = math.inf
_SHUTDOWN_S = 3.0  # for requests in progress
log = structlog.get_logger()


class Ready(NamedTuple):
    """The addresses and components of a running server."""

    context: ServerContext
    http_host: str
    http_port: int
    metrics_host: str | None = None
    metrics_port: int = 0

    @property
    def url(self) -> str:
        """The base URL of the server."""
        scheme = "https" if self.context.settings.secure else "http"
        return _url(scheme, self.http_host, self.http_port)

    @property
    def metrics_url(self) -> str:
        """The URL of the metrics."""
        if self.metrics_host is None:
            return f"{self.url}/metrics"
        return f"{_url('http', self.metrics_host, self.metrics_port)}/metrics"


def _url(scheme: str, host: str, port: int) -> str:
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}"


def serve(settings: Settings, on_ready: Callable[[Ready], None]) -> None:
    """Run a server until a signal stops it."""
    _check_api_keys(settings)
    _reserve_standard_descriptors()
    try:
        import uvloop
    except ImportError:  # not available on this platform
        asyncio.run(_serve(settings, on_ready))
    else:
        uvloop.run(_serve(settings, on_ready))


async def _serve(settings: Settings, on_ready: Callable[[Ready], None]) -> None:
    context = ServerContext(settings, _engine(settings))
    faults.log_task_errors(context.core.refusals)
    signals = _Signals(context)
    reason = "server_stopped"
    async with contextlib.AsyncExitStack() as open_listeners:
        try:
            ready = await _listen(open_listeners, context)
            context.start()
            context.collections.start()
            signals.add_handlers()
            on_ready(ready)
            reason = await _until_stopped(signals, context)
        finally:
            signals.remove_handlers()
            context.collections.stop()
            await context.stop(reason)


async def _until_stopped(signals: "_Signals", context: ServerContext) -> str:
    """Wait for a signal; raise ``SfukitError`` when the last media worker ended."""
    stopped = asyncio.ensure_future(signals.until_stopped())
    ended = context.core.engine_ended
    await asyncio.wait((stopped, ended), return_when=asyncio.FIRST_COMPLETED)
    if stopped.done():
        return stopped.result()
    stopped.cancel()
    raise SfukitError(
        f"the media engine ended: {ended.result()}",
        hint="this is a bug of sfukit: please report it with the log; restart the server",
    )


class _Signals:
    """SIGTERM drains, SIGUSR1 cancels the drain, a second SIGTERM or SIGINT stops."""

    def __init__(self, context: ServerContext) -> None:
        self._context = context
        self._loop = asyncio.get_running_loop()
        self._stopped: asyncio.Future[str] = self._loop.create_future()
        self._drain: asyncio.Task[None] | None = None

    def add_handlers(self) -> None:
        self._loop.add_signal_handler(signal.SIGTERM, self._terminate)
        self._loop.add_signal_handler(signal.SIGINT, self._stop, "server_stopped")
        self._loop.add_signal_handler(signal.SIGUSR1, self._context.cancel_drain)

    def remove_handlers(self) -> None:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1):
            self._loop.remove_signal_handler(number)
        if self._drain is not None:
            self._drain.cancel()

    async def until_stopped(self) -> str:
        return await self._stopped

    def _terminate(self) -> None:
        if self._drain is not None and not self._drain.done():
            self._stop("server_stopped")
        else:
            self._drain = self._loop.create_task(self._drained())

    async def _drained(self) -> None:
        outcome = "failed"
        try:
            outcome = await self._context.drain()
            log.info("drain_ended", outcome=outcome)
        finally:
            if outcome != "cancelled":
                self._stop("drain_deadline" if outcome == "drain_deadline" else "server_stopped")

    def _stop(self, reason: str) -> None:
        if not self._stopped.done():
            self._stopped.set_result(reason)


def _reserve_standard_descriptors() -> None:
    """Open closed standard descriptors, so that no socket gets their numbers (libuv aborts)."""
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= _STANDARD_ERROR:
        pass
    os.close(descriptor)


def _check_api_keys(settings: Settings) -> None:
    """Raise ``UsageError`` for a listener off loopback without API keys or with short secrets."""
    local = settings.http_host == "localhost" or is_loopback(settings.http_host)
    if not local and not settings.api_keys:
        address = f"{settings.http_host}:{settings.http_port}"
        raise UsageError(
            f"--http {address} needs API keys: without them every client on the network has access",
            hint=f"sfukit serve --http {address} --api-key NAME --api-secret SECRET",
        )
    reachable = not local or bool(settings.trusted_proxies)
    for name, secret in settings.api_keys.items():
        length = len(secret.encode())
        if length == 0:
            raise UsageError(f"the secret of API key {name} is empty", hint=_NEW_SECRET)
        if reachable and length < _SECRET_BYTES:
            raise UsageError(
                f"the secret of API key {name} has {length} bytes: off loopback HS256 needs "
                f"{_SECRET_BYTES} or more (RFC 7518 section 3.2)",
                hint=_NEW_SECRET,
            )


def _engine(settings: Settings) -> Engine:
    extension.check()
    from sfukit._native import NativeError

    try:
        return NativeEngine(settings.engine)
    except NativeError as error:
        raise MachineError(
            f"the media engine does not start: {error}",
            hint="is another server running? --udp-port sets another port, 0 a free one",
        ) from error


async def _listen(open_listeners: contextlib.AsyncExitStack, context: ServerContext) -> Ready:
    settings = context.settings
    max_descriptors = raise_open_files(_OPEN_FILES)
    listener = await _listener(
        open_listeners, context, build_app(context), max_descriptors, _tls(settings)
    )
    port = await _bind(listener, "--http", settings.http_host, settings.http_port)
    if settings.metrics_http is None:
        return Ready(context, settings.http_host, port)
    metrics_listener = await _listener(
        open_listeners, context, build_metrics_app(context), max_descriptors, None
    )
    host, metrics_port = host_and_port(settings.metrics_http, "--metrics")
    return Ready(
        context,
        settings.http_host,
        port,
        host,
        await _bind(metrics_listener, "--metrics", host, metrics_port),
    )


async def _listener(
    open_listeners: contextlib.AsyncExitStack,
    context: ServerContext,
    app: web.Application,
    max_descriptors: int,
    tls: ssl.SSLContext | None,
) -> Listener:
    """Return a listener for an application; the stack closes both."""
    runner = web.AppRunner(
        app,
        access_log=None,
        logger=faults.http_logger(context.core.refusals),
        handle_signals=False,
        shutdown_timeout=_SHUTDOWN_S,
        keepalive_timeout=context.settings.timing.keep_alive_s,
        lingering_time=_LINGERING_S,
        timeout_ceil_threshold=_NEVER_ROUNDED_S,
    )
    await runner.setup()
    open_listeners.push_async_callback(runner.cleanup)
    assert runner.server is not None
    listener = Listener(
        runner.server,
        context.connections,
        context.metrics,
        context.core.refusals,
        tls=tls,
        max_descriptors=max_descriptors,
    )
    open_listeners.callback(listener.close)
    return listener


async def _bind(listener: Listener, option: str, host: str, port: int) -> int:
    try:
        return await listener.listen(host, port)
    except OSError as error:
        raise MachineError(
            f"cannot listen on {host}:{port}: {error.strerror}",
            hint=f"is another server running? {option} HOST:PORT sets another port, 0 a free one",
        ) from error


def _tls(settings: Settings) -> ssl.SSLContext | None:
    if settings.tls_cert is None:
        return None
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        tls.load_cert_chain(settings.tls_cert, settings.tls_key)
    except (OSError, ssl.SSLError) as error:
        raise UsageError(f"--tls-cert {settings.tls_cert}: {error}") from error
    return tls
