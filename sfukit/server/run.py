"""The life of a server process: listen, serve, drain on SIGTERM, stop."""

import asyncio
import contextlib
import os
import signal
import ssl
from collections.abc import Callable
from typing import NamedTuple

import structlog
from aiohttp import web

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
    "make one:  python3 -c 'import secrets; print(secrets.token_hex(32))' > secret.txt  "
    "and give --api-secret @secret.txt"
)
_LINGERING_S = 2.0  # for a client that still sends what was refused to read why
_SHUTDOWN_S = 3.0  # for requests under way; everybody else has been told to go
log = structlog.get_logger()


class Ready(NamedTuple):
    """What a server that is ready can be told by."""

    context: ServerContext
    http_host: str
    http_port: int
    metrics_host: str | None = None
    metrics_port: int = 0

    @property
    def url(self) -> str:
        """Where the server answers, as one would type it."""
        scheme = "https" if self.context.settings.secure else "http"
        return _url(scheme, self.http_host, self.http_port)

    @property
    def metrics_url(self) -> str:
        """Where Prometheus finds the metrics."""
        if self.metrics_host is None:
            return f"{self.url}/metrics"
        return f"{_url('http', self.metrics_host, self.metrics_port)}/metrics"


def _url(scheme: str, host: str, port: int) -> str:
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}"


def serve(settings: Settings, on_ready: Callable[[Ready], None]) -> None:
    """Run a server until it is told to stop."""
    _check(settings)
    _open_standard_descriptors()
    try:
        import uvloop
    except ImportError:  # not made for this platform
        asyncio.run(_serve(settings, on_ready))
    else:
        uvloop.run(_serve(settings, on_ready))


async def _serve(settings: Settings, on_ready: Callable[[Ready], None]) -> None:
    context = ServerContext(settings, _engine(settings))
    faults.watch_loop(context.core.refusals)
    signals = _Signals(context)
    reason = "server_stopped"
    async with contextlib.AsyncExitStack() as open_listeners:
        try:
            ready = await _listen(open_listeners, context)
            context.start()
            signals.watch()
            on_ready(ready)
            reason = await _until_over(signals, context)
        finally:
            signals.forget()
            await context.stop(reason)


async def _until_over(signals: "_Signals", context: ServerContext) -> str:
    """Wait for a signal to stop; an engine without workers is an error."""
    stopped = asyncio.ensure_future(signals.until_stopped())
    ended = context.core.engine_ended
    await asyncio.wait((stopped, ended), return_when=asyncio.FIRST_COMPLETED)
    if stopped.done():
        return stopped.result()
    stopped.cancel()
    raise SfukitError(
        f"the media engine is gone: {ended.result()}",
        hint="this is a fault of sfukit's own: please report it with the log; restart the server",
    )


class _Signals:
    """SIGTERM drains, SIGUSR1 takes that back, a second SIGTERM stops; so does SIGINT."""

    def __init__(self, context: ServerContext) -> None:
        self._context = context
        self._loop = asyncio.get_running_loop()
        self._stopped: asyncio.Future[str] = self._loop.create_future()
        self._drain: asyncio.Task[None] | None = None

    def watch(self) -> None:
        self._loop.add_signal_handler(signal.SIGTERM, self._terminate)
        self._loop.add_signal_handler(signal.SIGINT, self._stop, "server_stopped")
        self._loop.add_signal_handler(signal.SIGUSR1, self._context.cancel_drain)

    def forget(self) -> None:
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


def _open_standard_descriptors() -> None:
    """Keep sockets from becoming standard error where that is closed; libuv aborts over it."""
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= _STANDARD_ERROR:
        pass
    os.close(descriptor)


def _check(settings: Settings) -> None:
    """Refuse to open a server without keys, or with weak ones, to the network."""
    local = settings.http_host == "localhost" or is_loopback(settings.http_host)
    if not local and not settings.api_keys:
        address = f"{settings.http_host}:{settings.http_port}"
        raise UsageError(
            f"--http {address} needs API keys: without them anyone who reaches it could use it",
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
    try:
        from sfukit._native import NativeError
    except ImportError as error:
        raise MachineError(f"the media engine is not built: {error}", hint="make setup") from error
    try:
        return NativeEngine(settings.engine)
    except NativeError as error:
        raise MachineError(
            f"the media engine does not start: {error}",
            hint="is another server running? --udp-port chooses another port, 0 a free one",
        ) from error


async def _listen(open_listeners: contextlib.AsyncExitStack, context: ServerContext) -> Ready:
    settings = context.settings
    most = raise_open_files(_OPEN_FILES)
    listener = await _listener(open_listeners, context, build_app(context), most, _tls(settings))
    port = await _bound(listener, "--http", settings.http_host, settings.http_port)
    if settings.metrics_http is None:
        return Ready(context, settings.http_host, port)
    apart = await _listener(open_listeners, context, build_metrics_app(context), most, None)
    host, metrics_port = host_and_port(settings.metrics_http, "--metrics")
    return Ready(
        context,
        settings.http_host,
        port,
        host,
        await _bound(apart, "--metrics", host, metrics_port),
    )


async def _listener(
    open_listeners: contextlib.AsyncExitStack,
    context: ServerContext,
    app: web.Application,
    most_descriptors: int,
    tls: ssl.SSLContext | None,
) -> Listener:
    """Set an application up behind a listener; the stack takes both down again."""
    runner = web.AppRunner(
        app,
        access_log=None,
        logger=faults.http_logger(context.core.refusals),
        handle_signals=False,
        shutdown_timeout=_SHUTDOWN_S,
        keepalive_timeout=context.settings.timing.keep_alive_s,
        lingering_time=_LINGERING_S,
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
        most_descriptors=most_descriptors,
    )
    open_listeners.callback(listener.close)
    return listener


async def _bound(listener: Listener, option: str, host: str, port: int) -> int:
    try:
        return await listener.listen(host, port)
    except OSError as error:
        raise MachineError(
            f"cannot listen on {host}:{port}: {error.strerror}",
            hint=f"is another server running? {option} HOST:PORT chooses; port 0 takes a free one",
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
