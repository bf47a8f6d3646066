"""Accept TCP connections, with a pause when file descriptors run out."""

import asyncio
import errno
import socket
import ssl
from collections.abc import Callable
from typing import Any

import structlog

from sfukit.server.connections import Connection, Connections
from sfukit.server.metrics import Metrics
from sfukit.server.refusal_log import RefusalLog

log = structlog.get_logger()
_BACKLOG = 1024
_ACCEPT_BATCH = 64  # connections per readiness event
_PAUSE_S = 0.1
_RESERVED_DESCRIPTORS = 32  # for files and media sockets
_CLOSE_BATCH = 16  # idle connections closed when descriptors run out
_RESOURCE_ERRORS = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)


class Listener:
    """The listening sockets of one host and port."""

    def __init__(
        self,
        protocol_factory: Callable[[], Any],
        connections: Connections,
        metrics: Metrics,
        sampled: RefusalLog,
        *,
        tls: ssl.SSLContext | None = None,
        max_descriptors: int | None = None,
    ) -> None:
        self._protocol_factory = protocol_factory
        self._connections = connections
        self._metrics = metrics
        self._sampled = sampled
        self._tls = tls
        self._max_descriptors = max_descriptors
        self._loop = asyncio.get_running_loop()
        self._sockets: list[socket.socket] = []
        self._opening: set[asyncio.Task[None]] = set()
        self._pauses: dict[socket.socket, asyncio.TimerHandle] = {}

    async def listen(self, host: str, port: int) -> int:
        """Listen on all addresses of a host; return the port. Raises ``OSError``."""
        addresses = await self._loop.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
        try:
            for family, kind, protocol, _, address in dict.fromkeys(addresses):
                listening = socket.socket(family, kind, protocol)
                self._sockets.append(listening)
                _bind(listening, (address[0], port, *address[2:]))
                port = listening.getsockname()[1]
        except OSError:
            self.close()
            raise
        for listening in self._sockets:
            self._loop.add_reader(listening.fileno(), self._accept, listening)
        return port

    def close(self) -> None:
        """Close the listening sockets."""
        for timer in self._pauses.values():
            timer.cancel()
        for listening in self._sockets:
            if listening.fileno() >= 0:
                self._loop.remove_reader(listening.fileno())
                listening.close()
        self._sockets.clear()

    def _accept(self, listening: socket.socket) -> None:
        for _ in range(_ACCEPT_BATCH):
            try:
                accepted, address = listening.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                if error.errno not in _RESOURCE_ERRORS:
                    raise
                self._pause(listening, error.strerror or str(error))
                return
            if self._is_full() and not self._connections.close_oldest_idle():
                accepted.close()
                self._pause(
                    listening, "the remaining file descriptors are reserved for files and media"
                )
                return
            self._open(accepted, address[0])

    def _is_full(self) -> bool:
        if self._max_descriptors is None:
            return False
        open_connections = len(self._connections) + len(self._opening)
        return open_connections >= self._max_descriptors - _RESERVED_DESCRIPTORS

    def _pause(self, listening: socket.socket, reason: str) -> None:
        """Close idle connections and pause accepting; the kernel's backlog holds new ones."""
        self._metrics.accept_failed.inc()
        if self._sampled.is_due("accept_failed"):
            log.warning(
                "accept_failed", reason=reason, fix="raise the limit of open files: ulimit -n"
            )
        for _ in range(_CLOSE_BATCH):
            self._connections.close_oldest_idle()
        self._loop.remove_reader(listening.fileno())
        self._pauses[listening] = self._loop.call_later(_PAUSE_S, self._resume, listening)

    def _resume(self, listening: socket.socket) -> None:
        del self._pauses[listening]
        self._loop.add_reader(listening.fileno(), self._accept, listening)

    def _open(self, accepted: socket.socket, address: str) -> None:
        if not self._connections.admits(address):
            accepted.close()
            return
        accepted.setblocking(False)
        task = self._loop.create_task(self._connect(accepted, address))
        self._opening.add(task)
        task.add_done_callback(self._opening.discard)

    async def _connect(self, accepted: socket.socket, address: str) -> None:
        try:
            await self._loop.connect_accepted_socket(
                lambda: Connection(self._protocol_factory(), self._connections, address),
                accepted,
                ssl=self._tls,
                ssl_handshake_timeout=self._connections.request_s if self._tls else None,
            )
        except (OSError, ssl.SSLError) as error:
            accepted.close()
            if self._sampled.is_due("connection_failed"):
                log.info("connection_failed", error=str(error) or type(error).__name__)


def _bind(listening: socket.socket, address: tuple[Any, ...]) -> None:
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if listening.family == socket.AF_INET6:
        listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    listening.setblocking(False)
    listening.bind(address)
    listening.listen(_BACKLOG)
