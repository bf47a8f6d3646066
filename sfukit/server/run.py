"""The life of a server process: listen, serve, drain on SIGTERM, stop."""

import asyncio
import signal
import ssl
from collections.abc import Callable
from typing import NamedTuple

import structlog
from aiohttp import web

from sfukit.errors import MachineError, SfukitError, UsageError
from sfukit.server.app import build_app
from sfukit.server.engine import Engine, NativeEngine
from sfukit.server.house import House
from sfukit.server.settings import Settings

_SHUTDOWN_S = 3.0  # for requests under way; everybody else has been told to go
log = structlog.get_logger()


class Ready(NamedTuple):
    """What a server that is ready can be told by."""

    house: House
    http_host: str
    http_port: int

    @property
    def url(self) -> str:
        """Where the server answers, as one would type it."""
        scheme = "https" if self.house.settings.secure else "http"
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.http_host, self.http_host)
        return f"{scheme}://{f'[{host}]' if ':' in host else host}:{self.http_port}"


def serve(settings: Settings, on_ready: Callable[[Ready], None]) -> None:
    """Run a server until it is told to stop."""
    _check(settings)
    try:
        import uvloop
    except ImportError:  # not made for this platform
        asyncio.run(_serve(settings, on_ready))
    else:
        uvloop.run(_serve(settings, on_ready))


async def _serve(settings: Settings, on_ready: Callable[[Ready], None]) -> None:
    house = House(settings, _engine(settings))
    runner = web.AppRunner(
        build_app(house), access_log=None, handle_signals=False, shutdown_timeout=_SHUTDOWN_S
    )
    await runner.setup()
    signals = _Signals(house)
    reason = "server_stopped"
    try:
        ready = await _listen(runner, house)
        house.start()
        signals.watch()
        on_ready(ready)
        reason = await _until_over(signals, house)
    finally:
        signals.forget()
        await house.stop(reason)
        await runner.cleanup()


async def _until_over(signals: "_Signals", house: House) -> str:
    """Wait for a signal to stop; an engine without workers is an error."""
    stopped = asyncio.ensure_future(signals.until_stopped())
    ended = house.core.engine_ended
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

    def __init__(self, house: House) -> None:
        self._house = house
        self._loop = asyncio.get_running_loop()
        self._stopped: asyncio.Future[str] = self._loop.create_future()
        self._drain: asyncio.Task[None] | None = None

    def watch(self) -> None:
        self._loop.add_signal_handler(signal.SIGTERM, self._terminate)
        self._loop.add_signal_handler(signal.SIGINT, self._stop, "server_stopped")
        self._loop.add_signal_handler(signal.SIGUSR1, self._house.cancel_drain)

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
        outcome = await self._house.drain()
        log.info("drain_ended", outcome=outcome)
        if outcome != "cancelled":
            self._stop("drain_deadline" if outcome == "drain_deadline" else "server_stopped")

    def _stop(self, reason: str) -> None:
        if not self._stopped.done():
            self._stopped.set_result(reason)


def _check(settings: Settings) -> None:
    """Refuse to open a server without keys to the network."""
    local = settings.http_host in ("127.0.0.1", "::1", "localhost")
    if not local and not settings.api_keys:
        address = f"{settings.http_host}:{settings.http_port}"
        raise UsageError(
            f"--http {address} needs API keys: without them anyone who reaches it could use it",
            hint=f"sfukit serve --http {address} --api-key NAME --api-secret SECRET",
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


async def _listen(runner: web.AppRunner, house: House) -> Ready:
    settings = house.settings
    site = web.TCPSite(
        runner, settings.http_host, settings.http_port, ssl_context=_tls(settings), backlog=1024
    )
    try:
        await site.start()
    except OSError as error:
        raise MachineError(
            f"cannot listen on {settings.http_host}:{settings.http_port}: {error.strerror}",
            hint="is another server running? --http HOST:PORT chooses; port 0 takes a free one",
        ) from error
    port = next(address[1] for address in runner.addresses)
    return Ready(house, settings.http_host, port)


def _tls(settings: Settings) -> ssl.SSLContext | None:
    if settings.tls_cert is None:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(settings.tls_cert, settings.tls_key)
    except (OSError, ssl.SSLError) as error:
        raise UsageError(f"--tls-cert {settings.tls_cert}: {error}") from error
    return context
