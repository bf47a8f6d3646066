"""A whole server put together: engine, rooms, access, limits; what every HTTP handler needs."""

import asyncio
import contextlib
import time

import structlog

from sfukit.server import memory
from sfukit.server.access import Access
from sfukit.server.addresses import advertised, local_interfaces
from sfukit.server.connections import Connections
from sfukit.server.core import Core
from sfukit.server.engine import Engine
from sfukit.server.http_sessions import HttpSessions
from sfukit.server.limiter import RequestLimiter
from sfukit.server.metrics import Metrics
from sfukit.server.origins import Origins
from sfukit.server.participant import Line
from sfukit.server.proxies import TrustedProxies
from sfukit.server.rooms import Rooms
from sfukit.server.settings import Settings
from sfukit.signaling import jsonrpc

log = structlog.get_logger()
_WATCH_INTERVAL_S = 0.5
_CLEARED_AT = 2  # looks without a room: the engine lets go a little after we do


class ServerContext:
    """One server, without its HTTP listener."""

    def __init__(self, settings: Settings, engine: Engine) -> None:
        self.settings = settings
        self.engine = engine
        self.metrics = Metrics()
        self.metrics.watch(engine)
        addresses = advertised(
            local_interfaces(),
            wanted=settings.interfaces,
            instead=settings.advertise,
            ipv6=engine.info.ipv6,
        )
        self.core = Core(settings, engine, self.metrics, addresses)
        self.rooms = Rooms(self.core)
        self.access = Access(settings.api_keys)
        self.origins = Origins(settings.allowed_origins, is_open=self.access.is_open)
        self.limiter = RequestLimiter(settings.limits, is_open=self.access.is_open)
        self.proxies = TrustedProxies(settings.trusted_proxies)
        self.connections = Connections(settings, self.metrics, self)
        self.sessions = HttpSessions()
        self.lines: set[Line] = set()
        self._watcher: asyncio.Task[None] | None = None
        self._drained: asyncio.Event = asyncio.Event()

    def is_exempt(self, address: str) -> bool:
        """Tell whose unauthenticated connections are not counted: proxies have many clients."""
        return self.proxies.trusts(address) or self.limiter.is_exempt(address)

    def start(self) -> None:
        """Begin to watch the loop's lag, the egress and the memory."""
        self._watcher = asyncio.get_running_loop().create_task(self._watch())

    async def stop(self, reason: str) -> None:
        """End everything that runs."""
        self.metrics.node_state("stopped")
        try:
            self.rooms.close_all(reason)
            for line in list(self.lines):
                self.core.guard("server_stopped", line.end, reason)
            self.core.refusals.flush()
            if self._watcher is not None:
                self._watcher.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await self._watcher
        finally:
            self.engine.close()

    async def drain(self) -> str:
        """Take no new rooms and wait until the last participant left; say how it ended."""
        deadline_s = self.settings.timing.drain_s
        self.rooms.draining = True
        self._drained.clear()
        self.metrics.node_state("draining")
        log.info("drain_started", deadline_s=deadline_s, participants=self.rooms.population)
        self._announce_drain(deadline_s)
        end_s = time.monotonic() + deadline_s
        while self.rooms.draining and self.rooms.population and time.monotonic() < end_s:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(0.1):
                    await self._drained.wait()
        if not self.rooms.draining:
            return "cancelled"
        return "drain_deadline" if self.rooms.population else "drained"

    def cancel_drain(self) -> None:
        """Take rooms again."""
        if self.rooms.draining:
            self.rooms.draining = False
            self._drained.set()
            self.metrics.node_state("serving")
            log.info("drain_cancelled")

    def _announce_drain(self, deadline_s: float) -> None:
        message = jsonrpc.notification("drain", {"deadline_s": deadline_s})
        for room in self.rooms:
            for participant in list(room.participants.values()):
                self.core.guard("drain", participant.tell, message)

    async def _watch(self) -> None:
        """Measure how late the loop is and how much is sent; clear up after the last room."""
        sent_before, then_s = self.engine.counters().bytes_sent, time.monotonic()
        idle_looks = _CLEARED_AT
        while True:
            slept_s = time.monotonic()
            await asyncio.sleep(_WATCH_INTERVAL_S)
            now_s = time.monotonic()
            self.metrics.lag_s.observe(max(0.0, now_s - slept_s - _WATCH_INTERVAL_S))
            sent = self.engine.counters().bytes_sent
            self.rooms.egress_bps = (sent - sent_before) * 8 / (now_s - then_s)
            sent_before, then_s = sent, now_s
            idle_looks = 0 if self.rooms.any else idle_looks + 1
            if idle_looks == _CLEARED_AT:
                memory.collect()
                await asyncio.to_thread(memory.give_back)
